"""Visit persons (就诊人): whom an account may book, pay and read for."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import PersonNotFound
from app.patients.events import PersonBound, PersonUnbound
from app.patients.registering import PersonForm, Registered, find_or_register
from app.patients.rules import Grant, Standing, grant_of, guardian_term, is_minor, may_bind_itself

PERSONS_PER_ACCOUNT_MAX = 5
ACCOUNTS_PER_PERSON_MAX = 5


class Relation(StrEnum):
    """GB/T 4761, one digit: what the person is to the account's owner."""

    SELF = "0"
    SPOUSE = "1"
    SON = "2"
    DAUGHTER = "3"
    GRANDCHILD = "4"
    PARENT = "5"
    GRANDPARENT = "6"
    SIBLING = "7"
    OTHER = "8"


GUARDED = {Relation.SON, Relation.DAUGHTER, Relation.GRANDCHILD, Relation.SIBLING, Relation.OTHER}


class OnlyAccountsBind(Forbidden):
    code = "only_accounts_bind"
    message = "只有患者本人的登录账号可以添加就诊人。"


class TooManyPersons(DomainError):
    code = "too_many_persons"
    message = "一个账号最多添加 5 位就诊人，请先移除不再使用的就诊人。"


class TooManyAccounts(DomainError):
    code = "too_many_accounts"
    message = "该就诊人已被 5 个账号添加，请先在其他账号中移除，或到服务窗口处理。"


class AlreadyBound(DomainError):
    code = "already_bound"
    message = "该就诊人已在您的列表中，无需重复添加。"


class SelfAlreadyBound(DomainError):
    code = "self_already_bound"
    message = "您已添加本人，请选择就诊人与您的其他关系。"


class PhoneNeeded(Invalid):
    code = "phone_needed"
    message = "请填写该就诊人在本院登记的手机号码；号码已更换的，请持证件到服务窗口办理。"


class GuardianOfMinors(DomainError):
    code = "guardian_of_minors"
    message = "您是未成年就诊人的监护人，请先移除未成年就诊人，再移除本人。"


class GuardianNeeded(Invalid):
    code = "guardian_needed"
    message = "未成年人须由成年监护人添加：请先添加监护人本人，再选择与未成年人的关系。"


@action
async def bind_person(actor: Actor, *, form: PersonForm, relation: Relation) -> UUID:
    """Add a visit person to the acting account and return the person's id."""
    if actor.kind is not ActorKind.ACCOUNT or actor.id is None:
        raise OnlyAccountsBind
    await lock_account(actor.id)
    found = await find_or_register(actor, form=form)
    standing = await _standing(actor.id, form, relation)
    grant = grant_of(standing, found.phone, is_new=found.is_new)
    if grant is None:
        raise PhoneNeeded(person_id=found.id)
    await require_room(actor.id, found.id, relation)
    await _bind(actor.id, found, form, relation, standing, grant)
    guardian = standing is Standing.GUARDIAN
    await emit(actor, PersonBound(person_id=found.id, account_id=actor.id, guardian=guardian))
    return found.id


async def lock_account(account_id: UUID) -> None:
    """The account's row orders its own requests, so that the cap and "one self" hold."""
    await fetch_one("SELECT id FROM account WHERE id = $1 FOR UPDATE", account_id)


async def lock_person(person_id: UUID) -> date:
    """Order everybody's requests about who may act for the person; the date of birth."""
    born_on = await fetch_value("SELECT jiuyi.lock_person($1)", person_id)
    if born_on is None:
        raise PersonNotFound(person_id=person_id)
    return born_on


async def _bind(
    account_id: UUID,
    found: Registered,
    form: PersonForm,
    relation: Relation,
    standing: Standing,
    grant: Grant,
) -> None:
    term = guardian_term(form.born_on) if standing is Standing.GUARDIAN else None
    await fetch_value(
        "INSERT INTO binding (id, account_id, person_id, relation, guardian, proof, scopes, valid_from,"
        " read_until, valid_to) VALUES ($1, $2, $3, $4, $5, $6, $7, jiuyi.now(), $8, $9)"
        " ON CONFLICT ON CONSTRAINT binding_once DO UPDATE SET relation = $4, guardian = $5, proof = $6,"
        " scopes = $7, valid_from = jiuyi.now(), read_until = $8, valid_to = $9, majority_told_at = NULL",
        new_id(),
        account_id,
        found.id,
        str(relation),
        standing is Standing.GUARDIAN,
        str(grant.proof),
        [str(scope) for scope in grant.scopes],
        term and term.read_until,
        term and term.valid_to,
    )


async def _standing(account_id: UUID, form: PersonForm, relation: Relation) -> Standing:
    """A minor is bound by a grown-up guardian, or by itself once it is old enough for an own login."""
    today = await clock.today()
    if not is_minor(today, form.born_on):
        return Standing.SELF if relation is Relation.SELF else Standing.OTHER
    if relation is Relation.SELF and may_bind_itself(today, form.born_on):
        return Standing.SELF
    own = await fetch_one(
        "SELECT p.born_on FROM binding b JOIN person p ON p.id = b.person_id WHERE b.account_id = $1"
        " AND b.relation = '0' AND (b.valid_to IS NULL OR b.valid_to > jiuyi.now())",
        account_id,
    )
    if relation not in GUARDED or own is None or is_minor(today, own["born_on"]):
        raise GuardianNeeded
    return Standing.GUARDIAN


async def require_room(account_id: UUID, person_id: UUID, relation: Relation) -> None:
    """Refuse the sixth person of an account and the sixth account of a person, also when many ask at once."""
    counted = await fetch_one("SELECT * FROM jiuyi.count_bindings($1, $2)", account_id, person_id)
    assert counted is not None
    if counted["same"]:
        raise AlreadyBound(person_id=person_id)
    if relation is Relation.SELF and counted["selves"]:
        raise SelfAlreadyBound
    if counted["persons"] >= PERSONS_PER_ACCOUNT_MAX:
        raise TooManyPersons
    if counted["accounts"] >= ACCOUNTS_PER_PERSON_MAX:
        raise TooManyAccounts


@action
async def unbind_person(actor: Actor, *, person_id: UUID) -> UUID:
    """Take a visit person off the acting account, with the invitations it sent for them that nobody took.

    Whether appointments or bills would be left alone is asked by the caller, in the same transaction.
    """
    if actor.kind is not ActorKind.ACCOUNT or actor.id is None:
        raise OnlyAccountsBind
    await lock_account(actor.id)
    row = await fetch_one(
        "SELECT relation FROM binding WHERE account_id = $1 AND person_id = $2"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now())",
        actor.id,
        person_id,
    )
    if row is None:
        raise PersonNotFound(person_id=person_id)
    if row["relation"] == Relation.SELF and await _guards_minors(actor.id):
        raise GuardianOfMinors
    await fetch_value(
        "UPDATE invitation SET withdrawn_at = jiuyi.now() WHERE account_id = $1 AND person_id = $2"
        " AND accepted_at IS NULL AND withdrawn_at IS NULL",
        actor.id,
        person_id,
    )
    await end_binding(actor, account_id=actor.id, person_id=person_id)
    return person_id


async def _guards_minors(account_id: UUID) -> bool:
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM binding WHERE account_id = $1 AND guardian"
        " AND read_until > jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now()))",
        account_id,
    )


@action
async def end_binding(actor: Actor, *, account_id: UUID, person_id: UUID) -> None:
    """The account acts for the person no longer. Ended already, nothing happens."""
    ended = await fetch_value(
        "UPDATE binding SET valid_to = jiuyi.now() WHERE account_id = $1 AND person_id = $2"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now()) RETURNING id",
        account_id,
        person_id,
    )
    if ended is not None:
        await emit(actor, PersonUnbound(person_id=person_id, account_id=account_id))
