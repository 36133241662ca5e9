"""Visit persons (就诊人): whom an account may book, pay and read for."""

from enum import StrEnum
from uuid import UUID

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.events import PersonBound
from app.patients.registering import PersonForm, register_person
from app.patients.rules import is_minor
from app.patients.tables import Scope

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


class GuardianNeeded(Invalid):
    code = "guardian_needed"
    message = "未成年人须由成年监护人添加：请先添加监护人本人，再选择与未成年人的关系。"


@action
async def bind_person(actor: Actor, *, form: PersonForm, relation: Relation) -> UUID:
    """Add a visit person to the acting account and return the person's id."""
    if actor.kind is not ActorKind.ACCOUNT or actor.id is None:
        raise OnlyAccountsBind
    # The account's row orders its own requests, so that the cap and "one self" hold.
    await fetch_one("SELECT id FROM account WHERE id = $1 FOR UPDATE", actor.id)
    person_id = await register_person(actor, form=form)
    guardian = await _guardianship(actor, form, relation)
    await _require_room(actor.id, person_id, relation)
    await fetch_value(
        "INSERT INTO binding (id, account_id, person_id, relation, guardian, scopes, valid_from, valid_to)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, NULL) ON CONFLICT ON CONSTRAINT binding_once DO UPDATE SET"
        " relation = $4, guardian = $5, scopes = $6, valid_from = $7, valid_to = NULL",
        new_id(),
        actor.id,
        person_id,
        str(relation),
        guardian,
        [str(scope) for scope in Scope],
        await clock.now(),
    )
    await emit(actor, PersonBound(person_id=person_id, account_id=actor.id, guardian=guardian))
    return person_id


async def _guardianship(actor: Actor, form: PersonForm, relation: Relation) -> bool:
    """Whether the account is bound as a guardian; a minor is bound no other way."""
    today = await clock.today()
    if not is_minor(today, form.born_on):
        return False
    own = await fetch_one(
        "SELECT p.born_on FROM binding b JOIN person p ON p.id = b.person_id WHERE b.account_id = $1"
        " AND b.relation = '0' AND (b.valid_to IS NULL OR b.valid_to > jiuyi.now())",
        actor.id,
    )
    if relation not in GUARDED or own is None or is_minor(today, own["born_on"]):
        raise GuardianNeeded
    return True


async def _require_room(account_id: UUID, person_id: UUID, relation: Relation) -> None:
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
