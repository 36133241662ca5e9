"""Where the family's tickets of today stand."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.kernel.actor import Actor
from app.kernel.database import query
from app.patients.access import may_follow
from app.patients.queries import bound_persons
from app.queueing.queries import TicketView, ticket_view, tickets_of


class TicketReply(msgspec.Struct, frozen=True, kw_only=True):
    """`people_ahead` and `wait_minutes` are estimates and stand while the ticket waits."""

    ticket_id: UUID
    person_id: UUID
    subject_kind: str
    subject_id: UUID
    number: str
    status: str
    department: str
    doctor: str | None
    room: str | None
    zone: str | None
    window: str | None
    people_ahead: int | None
    wait_minutes: tuple[int, int] | None
    called_at: datetime | None


class Tickets(msgspec.Struct, frozen=True):
    items: list[TicketReply]


def reply(ticket: TicketView) -> TicketReply:
    return TicketReply(**{name: getattr(ticket, name) for name in TicketReply.__struct_fields__})


@query
async def family_tickets(actor: Actor) -> list[TicketView]:
    """Today's tickets of everybody whom the account follows; bounded by the persons it may bind."""
    persons = [person.id for person in await bound_persons(actor)]
    followed = [person_id for person_id in persons if await may_follow(actor, person_id=person_id)]
    return [t for person_id in followed for t in await tickets_of(actor, person_id=person_id)]


@get("/tickets", permission="ticket.read")
async def list_tickets(actor: NamedDependency[Actor]) -> Tickets:
    return Tickets([reply(ticket) for ticket in await family_tickets(actor)])


@get("/tickets/{ticket_id:uuid}", permission="ticket.read")
async def one_ticket(actor: NamedDependency[Actor], ticket_id: FromPath[UUID]) -> TicketReply:
    return reply(await ticket_view(actor, ticket_id=ticket_id))


router = Router(path="/api/mini-program/v1", route_handlers=[list_tickets, one_ticket])
