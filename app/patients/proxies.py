"""A person lets a relative act: an invitation with scopes and an end, taken up once, revoked at once."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.crypto import blind_index, blind_indexes, decrypt, encrypt
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Invalid, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import ConsentRequired, PersonNotFound, require_speaks_for
from app.patients.binding import (
    AlreadyBound,
    OnlyAccountsBind,
    Relation,
    end_binding,
    lock_account,
    lock_person,
    require_room,
)
from app.patients.events import ProxyGranted
from app.patients.masking import Audience, name_for
from app.patients.rules import guardian_term, is_minor, may_grant
from app.patients.tables import ConsentCode, Proof, Scope

CODE_BYTES = 16  # 128 random bits: nobody guesses one within its day
INVITATION_HOURS = 24
WAITING_MAX = 5
SHOWN_MAX = 20


class ScopesNeeded(Invalid):
    code = "scopes_needed"
    message = "请至少选择一项授权内容：预约、缴费或查看报告。"


class GrantTooLong(Invalid):
    code = "grant_too_long"
    message = "授权的截止时间须晚于现在，且最长一年，请重新选择。"


class TooManyInvitations(DomainError):
    code = "too_many_invitations"
    message = "已有 5 个尚未使用的邀请，请先撤回不需要的邀请。"


class InvitationInvalid(NotFound):
    """One answer for unknown, used, expired and withdrawn: a code tells nothing to who tries some."""

    code = "invitation_invalid"
    message = "邀请码无效、已使用或已过期，请向就诊人索取新的邀请码。"


class OwnInvitation(DomainError):
    code = "own_invitation"
    message = "不能接受自己发出的邀请，请由家人使用其账号接受。"


class NotASelf(Invalid):
    code = "proxy_is_not_self"
    message = "接受家人的邀请时，请选择就诊人与您的关系，不能选择“本人”。"


class ProxyNotFound(NotFound):
    code = "proxy_not_found"
    message = "没有找到这项授权，或已经结束，请刷新后查看。"


class InvitationView(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is shown to the inviter only, and only while it can be used."""

    id: UUID
    person_id: UUID
    code: str | None
    scopes: list[Scope]
    ends_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    withdrawn_at: datetime | None


class ActsFor(msgspec.Struct, frozen=True, kw_only=True):
    """One account that may act for a person. `holder` is its owner's masked name, if told."""

    binding_id: UUID
    account_id: UUID
    holder: str | None
    relation: str
    guardian: bool
    proof: Proof
    scopes: list[Scope]
    valid_from: datetime
    valid_to: datetime | None


@query
async def who_may_act(actor: Actor, *, person_id: UUID) -> list[ActsFor]:
    """Everybody who may act for the person now. The caller has decided who may know."""
    rows = await fetch(
        "SELECT id AS binding_id, account_id, jiuyi.holder_of(account_id) AS holder, relation, guardian,"
        " proof, jiuyi.live_scopes(scopes, read_until) AS scopes, valid_from, valid_to FROM binding"
        " WHERE person_id IN (SELECT jiuyi.same_person($1)) AND valid_from <= jiuyi.now()"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now()) ORDER BY valid_from, id LIMIT $2",
        person_id,
        SHOWN_MAX,
    )
    return [
        msgspec.convert(
            {**dict(row), "holder": row["holder"] and name_for(Audience.STAFF_BOARD, row["holder"])}, ActsFor
        )
        for row in rows
    ]


@action
async def scopes_of_others(actor: Actor, *, person_id: UUID) -> set[Scope]:
    """What other accounts may still do for a person whom the acting account is bound to.

    The person's row is held, so that two accounts that leave at once do not count on each other.
    """
    await lock_person(person_id)
    known = await who_may_act(actor, person_id=person_id)
    if all(each.account_id != actor.id for each in known):
        raise PersonNotFound(person_id=person_id)
    return {scope for each in known if each.account_id != actor.id for scope in each.scopes}


@action
async def invite(actor: Actor, *, person_id: UUID, scopes: Sequence[Scope], ends_at: datetime) -> UUID:
    """The person's own account, or a minor's guardian, makes a code for a relative. The invitation's id."""
    await require_speaks_for(actor, person_id=person_id)
    if Scope.READ in scopes and not await fetch_value(
        "SELECT jiuyi.consent_holds($1, $2)", person_id, str(ConsentCode.FAMILY_SHARING)
    ):
        raise ConsentRequired(person_id=person_id)
    return await make_invitation(actor, person_id=person_id, scopes=scopes, ends_at=ends_at)


@action
async def make_invitation(
    actor: Actor, *, person_id: UUID, scopes: Sequence[Scope], ends_at: datetime
) -> UUID:
    """Who may ask has been decided: an account that speaks for the person, or a window with the card."""
    if not scopes:
        raise ScopesNeeded
    now = await clock.now()
    if not may_grant(now=now, ends_at=ends_at):
        raise GrantTooLong
    await lock_person(person_id)
    waiting = await fetch_value(
        "SELECT count(*) FROM invitation WHERE person_id = $1 AND accepted_at IS NULL"
        " AND withdrawn_at IS NULL AND expires_at > $2",
        person_id,
        now,
    )
    if waiting >= WAITING_MAX:
        raise TooManyInvitations(person_id=person_id)
    invitation_id, code = new_id(), secrets.token_urlsafe(CODE_BYTES)
    return await fetch_value(
        "INSERT INTO invitation (id, person_id, account_id, staff_id, code, code_index, scopes, ends_at,"
        " created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::timestamptz,"
        " $9::timestamptz + $10 * interval '1 hour') RETURNING id",
        invitation_id,
        person_id,
        actor.id if actor.kind is ActorKind.ACCOUNT else None,
        actor.id if actor.kind is ActorKind.STAFF else None,
        encrypt(code, context=f"invitation.code.{invitation_id}"),
        blind_index(code, column="invitation.code"),
        sorted({str(scope) for scope in scopes}),
        ends_at,
        now,
        INVITATION_HOURS,
    )


@query
async def invitation_view(actor: Actor, *, invitation_id: UUID) -> InvitationView:
    """The invitation for who made it."""
    row = await fetch_one(
        "SELECT *, jiuyi.now() < expires_at AS fresh FROM invitation WHERE id = $1"
        " AND $2 IN (account_id, staff_id)",
        invitation_id,
        actor.id,
    )
    if row is None:
        raise InvitationInvalid(invitation_id=invitation_id)
    usable = row["fresh"] and row["accepted_at"] is None and row["withdrawn_at"] is None
    code = decrypt(row["code"], context=f"invitation.code.{invitation_id}") if usable else None
    return msgspec.convert({**dict(row), "code": code}, InvitationView)


@query
async def my_invitations(actor: Actor) -> list[InvitationView]:
    """What the account sent, newest first."""
    rows = await fetch(
        "SELECT id FROM invitation WHERE account_id = $1 ORDER BY id DESC LIMIT $2", actor.id, SHOWN_MAX
    )
    return [await invitation_view(actor, invitation_id=row["id"]) for row in rows]


@action
async def withdraw_invitation(actor: Actor, *, invitation_id: UUID) -> UUID:
    """Nobody can use the code any more. What was taken up is ended by revoking the proxy."""
    done = await fetch_value(
        "UPDATE invitation SET withdrawn_at = coalesce(withdrawn_at, jiuyi.now())"
        " WHERE id = $1 AND account_id = $2 AND accepted_at IS NULL RETURNING id",
        invitation_id,
        actor.id,
    )
    if done is None:
        raise InvitationInvalid(invitation_id=invitation_id)
    return done


@action
async def accept_invitation(actor: Actor, *, code: str, relation: Relation) -> UUID:
    """Take the invitation up: the acting account may do for the person what it says. The person's id."""
    if actor.kind is not ActorKind.ACCOUNT or actor.id is None:
        raise OnlyAccountsBind
    if relation is Relation.SELF:
        raise NotASelf
    await lock_account(actor.id)
    row = await fetch_one(
        "SELECT * FROM jiuyi.claim_invitation($1, $2)",
        blind_indexes(code, column="invitation.code"),
        actor.id,
    )
    if row is None:
        await _say_why_not(actor, code)
        raise InvitationInvalid
    await _replace_what_was_there(actor.id, row["person_id"])
    await require_room(actor.id, row["person_id"], relation)
    await _bind(actor.id, row, relation)
    told = ProxyGranted(person_id=row["person_id"], account_id=actor.id, invitation_id=row["id"])
    await emit(actor, told)
    return row["person_id"]


async def _bind(account_id: UUID, invitation: asyncpg.Record, relation: Relation) -> None:
    """What a guardian gives away for a child ends with the guardian's own."""
    born_on = await lock_person(invitation["person_id"])
    term = guardian_term(born_on) if is_minor(await clock.today(), born_on) else None
    await fetch_value(
        "INSERT INTO binding (id, account_id, person_id, relation, guardian, proof, scopes, valid_from,"
        " read_until, valid_to) VALUES ($1, $2, $3, $4, FALSE, $5, $6, jiuyi.now(), $7, $8)"
        " ON CONFLICT ON CONSTRAINT binding_once DO UPDATE SET relation = $4, guardian = FALSE, proof = $5,"
        " scopes = $6, valid_from = jiuyi.now(), read_until = $7, valid_to = $8, majority_told_at = NULL",
        new_id(),
        account_id,
        invitation["person_id"],
        str(relation),
        str(Proof.GRANTED),
        invitation["scopes"],
        None if term is None else term.read_until,
        invitation["ends_at"] if term is None else min(term.valid_to, invitation["ends_at"]),
    )


async def _say_why_not(actor: Actor, code: str) -> None:
    own = await fetch_value(
        "SELECT EXISTS (SELECT FROM invitation WHERE code_index = ANY($1) AND account_id = $2)",
        blind_indexes(code, column="invitation.code"),
        actor.id,
    )
    if own:
        raise OwnInvitation


async def _replace_what_was_there(account_id: UUID, person_id: UUID) -> None:
    """The person's word takes the place of what a name and a number, or an earlier word, was worth.

    Oneself, and a guardian of who is still a minor, has more already.
    """
    await lock_person(person_id)
    row = await fetch_one(
        "SELECT relation = '0' OR (guardian AND read_until > jiuyi.now()) AS more FROM binding"
        " WHERE account_id = $1 AND person_id = $2 AND (valid_to IS NULL OR valid_to > jiuyi.now())",
        account_id,
        person_id,
    )
    if row is not None and row["more"]:
        raise AlreadyBound(person_id=person_id)
    await fetch_value(
        "UPDATE binding SET valid_to = jiuyi.now() WHERE account_id = $1 AND person_id = $2",
        account_id,
        person_id,
    )


@action
async def revoke_proxy(actor: Actor, *, binding_id: UUID) -> UUID:
    """The person ends what another account may do for them, at once. Not another guardian: a window does."""
    row = await fetch_one(
        "SELECT id, account_id, person_id FROM binding WHERE id = $1 AND account_id <> $2 AND NOT"
        " (guardian AND read_until > jiuyi.now()) AND jiuyi.account_speaks_for($2, person_id)",
        binding_id,
        actor.id,
    )
    if row is None:
        raise ProxyNotFound(binding_id=binding_id)
    await end_binding(actor, account_id=row["account_id"], person_id=row["person_id"])
    return binding_id
