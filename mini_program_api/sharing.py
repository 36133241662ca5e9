"""家人代办: invite a relative, take an invitation up, see who may act or has looked, and end it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.kernel.actor import Actor
from app.kernel.database import query
from app.kernel.idempotency import Command, once
from app.patients.access import may_speak_for
from app.patients.binding import Relation
from app.patients.break_glass import BreakGlassView, break_glass_about
from app.patients.proxies import (
    ActsFor,
    InvitationView,
    Scope,
    accept_invitation,
    invitation_view,
    invite,
    my_invitations,
    revoke_proxy,
    who_may_act,
    withdraw_invitation,
)
from app.patients.queries import bound_persons
from mini_program_api.family import PersonReply, reply

CODE_LENGTH_MAX = 64


class Invite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ends_at` is when the relative's right ends, at most a year ahead."""

    person_id: UUID
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=3)]
    ends_at: datetime


class Accept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`relation` is what the person is to the one who accepts, as in adding a person."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=CODE_LENGTH_MAX)]
    relation: Relation


class Invitations(msgspec.Struct, frozen=True):
    items: list[InvitationView]


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """An account that may act for the person; `mine` is the one that asks."""

    id: UUID
    mine: bool
    holder: str | None
    relation: str
    guardian: bool
    proof: str
    scopes: list[str]
    since: datetime
    until: datetime | None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Who looked in an emergency, why, and what the review found."""

    id: UUID
    who: str
    reason: str
    explanation: str
    opened_at: datetime
    ends_at: datetime
    verdict: str | None


class PersonAccess(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    may_act: list[Proxy]
    break_glass: list[Look]


class Access(msgspec.Struct, frozen=True):
    items: list[PersonAccess]


def proxy(other: ActsFor, actor: Actor) -> Proxy:
    return Proxy(
        id=other.binding_id,
        mine=other.account_id == actor.id,
        holder=other.holder,
        relation=other.relation,
        guardian=other.guardian,
        proof=other.proof,
        scopes=[str(scope) for scope in other.scopes],
        since=other.valid_from,
        until=other.valid_to,
    )


def look(seen: BreakGlassView) -> Look:
    return Look(
        id=seen.id,
        who=f"{seen.staff_name} {seen.staff_title}".strip(),
        reason=seen.reason,
        explanation=seen.explanation,
        opened_at=seen.opened_at,
        ends_at=seen.ends_at,
        verdict=seen.verdict,
    )


@query
async def access_overview(actor: Actor) -> Access:
    """Of everybody the account speaks for: oneself and one's minor children."""
    items: list[PersonAccess] = []
    for person in await bound_persons(actor):
        if await may_speak_for(actor, person_id=person.id):
            others = await who_may_act(actor, person_id=person.id)
            looks = await break_glass_about(actor, person_id=person.id)
            items.append(
                PersonAccess(
                    person_id=person.id,
                    may_act=[proxy(other, actor) for other in others],
                    break_glass=[look(seen) for seen in looks],
                )
            )
    return Access(items)


@get("/access", permission="access.list")
async def list_access(actor: NamedDependency[Actor]) -> Access:
    return await access_overview(actor)


@get("/invitations", permission="invitation.list")
async def list_invitations(actor: NamedDependency[Actor]) -> Invitations:
    return Invitations(await my_invitations(actor))


@post("/invitations", status_code=201, permission="invitation.create")
async def send_invitation(
    data: JSONBody[Invite], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> InvitationView:
    invitation_id = await once(
        asked, invite, actor, person_id=data.person_id, scopes=data.scopes, ends_at=data.ends_at
    )
    return await invitation_view(actor, invitation_id=invitation_id)


@post("/invitations/{invitation_id:uuid}/withdraw", status_code=200, permission="invitation.withdraw")
async def take_invitation_back(
    invitation_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> InvitationView:
    await once(asked, withdraw_invitation, actor, invitation_id=invitation_id)
    return await invitation_view(actor, invitation_id=invitation_id)


@post("/invitations/accept", status_code=201, permission="invitation.accept")
async def take_invitation_up(
    data: JSONBody[Accept], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> PersonReply:
    person_id = await once(asked, accept_invitation, actor, code=data.code, relation=data.relation)
    return next(reply(person) for person in await bound_persons(actor) if person.id == person_id)


@post("/proxies/{binding_id:uuid}/revoke", status_code=204, permission="proxy.revoke")
async def revoke(
    binding_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> None:
    """At once: the next request of the other account finds nothing."""
    await once(asked, revoke_proxy, actor, binding_id=binding_id)


router = Router(
    path="/api/mini-program/v1",
    route_handlers=[
        list_access,
        list_invitations,
        send_invitation,
        take_invitation_back,
        take_invitation_up,
        revoke,
    ],
)
