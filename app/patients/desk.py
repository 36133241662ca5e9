"""At the registration window: the person is there with the card, so their number is all that is needed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError
from app.kernel.events import emit
from app.patients.access import PersonNotFound
from app.patients.binding import Relation, end_binding
from app.patients.events import BindingProven
from app.patients.proxies import ActsFor, ProxyNotFound, make_invitation, who_may_act
from app.patients.queries import find_by_id_number
from app.patients.tables import Proof, Scope
from app.traces.showing import note_shown


class OnlySelfIsProven(DomainError):
    code = "only_self_is_proven"
    message = "窗口只能核验“本人”绑定；家人请使用授权邀请，监护人请核验监护关系后由其重新添加。"


@query
async def at_the_desk(actor: Actor, *, id_number: str) -> UUID:
    """The person whose card lies on the desk."""
    person_id = await find_by_id_number(actor, id_number=id_number)
    if actor.kind is not ActorKind.STAFF or person_id is None:
        raise PersonNotFound
    note_shown(person_id)
    return person_id


@query
async def accounts_at_the_desk(actor: Actor, *, id_number: str) -> list[ActsFor]:
    """Who may act for the person now, so that they can say who must not."""
    return await who_may_act(actor, person_id=await at_the_desk(actor, id_number=id_number))


@action
async def prove_at_the_desk(actor: Actor, *, id_number: str, binding_id: UUID) -> UUID:
    """The person shows their own phone: this account is theirs, and may read."""
    row = await _binding(actor, id_number, binding_id)
    if row["relation"] != Relation.SELF:
        raise OnlySelfIsProven(binding_id=binding_id)
    await fetch_value(
        "UPDATE binding SET proof = $2, scopes = $3 WHERE id = $1",
        binding_id,
        str(Proof.WINDOW),
        [str(scope) for scope in Scope],
    )
    told = BindingProven(person_id=row["person_id"], account_id=row["account_id"], staff_id=actor.id)
    await emit(actor, told)
    return binding_id


@action
async def end_at_the_desk(actor: Actor, *, id_number: str, binding_id: UUID) -> UUID:
    row = await _binding(actor, id_number, binding_id)
    await end_binding(actor, account_id=row["account_id"], person_id=row["person_id"])
    return binding_id


@action
async def invite_at_the_desk(
    actor: Actor, *, id_number: str, scopes: Sequence[Scope], ends_at: datetime
) -> UUID:
    """For who has no phone: the code is handed to the relative. Reading also needs the consent to share."""
    person_id = await at_the_desk(actor, id_number=id_number)
    return await make_invitation(actor, person_id=person_id, scopes=scopes, ends_at=ends_at)


async def _binding(actor: Actor, id_number: str, binding_id: UUID) -> asyncpg.Record:
    person_id = await at_the_desk(actor, id_number=id_number)
    row = await fetch_one(
        "SELECT * FROM binding WHERE id = $1 AND person_id IN (SELECT jiuyi.same_person($2))"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now()) FOR UPDATE",
        binding_id,
        person_id,
    )
    if row is None:
        raise ProxyNotFound(binding_id=binding_id)
    return row
