"""The registration window: who may act for the person whose card lies on the desk."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once
from app.patients.desk import accounts_at_the_desk, end_at_the_desk, invite_at_the_desk, prove_at_the_desk
from app.patients.proxies import ActsFor, InvitationView, invitation_view
from app.patients.tables import Scope


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number travels in the body: it never stands in a URL or a log."""

    id_number: str


class InviteAtDesk(Card, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=3)]
    ends_at: datetime


class Accounts(msgspec.Struct, frozen=True):
    items: list[ActsFor]


@post("/desk/bindings", status_code=200, permission="desk_binding.list")
async def list_bindings(data: JSONBody[Card], actor: NamedDependency[Actor]) -> Accounts:
    """Changes nothing; a POST because of the number."""
    return Accounts(await accounts_at_the_desk(actor, id_number=data.id_number))


@post("/desk/bindings/{binding_id:uuid}/prove", status_code=200, permission="desk_binding.prove")
async def prove(
    binding_id: FromPath[UUID],
    data: JSONBody[Card],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> Accounts:
    await once(asked, prove_at_the_desk, actor, id_number=data.id_number, binding_id=binding_id)
    return Accounts(await accounts_at_the_desk(actor, id_number=data.id_number))


@post("/desk/bindings/{binding_id:uuid}/end", status_code=200, permission="desk_binding.end")
async def end(
    binding_id: FromPath[UUID],
    data: JSONBody[Card],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> Accounts:
    await once(asked, end_at_the_desk, actor, id_number=data.id_number, binding_id=binding_id)
    return Accounts(await accounts_at_the_desk(actor, id_number=data.id_number))


@post("/desk/invitations", status_code=201, permission="desk_invitation.create")
async def send_invitation(
    data: JSONBody[InviteAtDesk], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> InvitationView:
    invitation_id = await once(
        asked, invite_at_the_desk, actor, id_number=data.id_number, scopes=data.scopes, ends_at=data.ends_at
    )
    return await invitation_view(actor, invitation_id=invitation_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[list_bindings, prove, end, send_invitation],
)
