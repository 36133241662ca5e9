"""The desk's side of a queue: see it, call, call again, pass over."""

from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.kernel.actor import Actor
from app.kernel.database import query
from app.kernel.idempotency import Command, once
from app.patients.access import may_see
from app.patients.queries import PersonView, person_view
from app.queueing.calling import (
    call_next,
    call_next_at_window,
    finish_ticket,
    miss_ticket,
    recall,
    send_to_door,
)
from app.queueing.displays import (
    RoomQueueState,
    WindowQueueState,
    ZoneQueueState,
    room_queue_state,
    window_queue_state,
    zone_queue_state,
)
from app.queueing.joining import readmit
from app.queueing.queries import TicketView, desk_ticket


class ToDoor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    room_id: UUID


class DeskReply(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, with the person for staff who may see him: a service window calls by number and mask."""

    ticket: TicketView
    person: PersonView | None


@query
async def desk_reply(actor: Actor, *, ticket_id: UUID) -> DeskReply:
    ticket = await desk_ticket(actor, ticket_id=ticket_id)
    known = await may_see(actor, person_id=ticket.person_id)
    person = await person_view(actor, person_id=ticket.person_id) if known else None
    return DeskReply(ticket=ticket, person=person)


@get("/rooms/{room_id:uuid}/queue", permission="queue.read")
async def room_queue(actor: NamedDependency[Actor], room_id: FromPath[UUID]) -> RoomQueueState:
    return await room_queue_state(actor, room_id=room_id)


@get("/zones/{zone_id:uuid}/queue", permission="queue.read")
async def zone_queue(actor: NamedDependency[Actor], zone_id: FromPath[UUID]) -> ZoneQueueState:
    return await zone_queue_state(actor, zone_id=zone_id)


@get("/windows/{window_id:uuid}/queue", permission="queue.read")
async def window_board(actor: NamedDependency[Actor], window_id: FromPath[UUID]) -> WindowQueueState:
    return await window_queue_state(actor, window_id=window_id)


@post("/rooms/{room_id:uuid}/call-next", permission="queue.call_to_room", status_code=200)
async def call_next_to_room(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], room_id: FromPath[UUID]
) -> DeskReply:
    return await desk_reply(actor, ticket_id=await once(asked, call_next, actor, room_id=room_id))


@post(
    "/windows/{window_id:uuid}/call-next",
    permission="queue.call_to_window",
    status_code=200,
)
async def call_next_to_window(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], window_id: FromPath[UUID]
) -> TicketView:
    ticket_id = await once(asked, call_next_at_window, actor, window_id=window_id)
    return await desk_ticket(actor, ticket_id=ticket_id)


@post("/tickets/{ticket_id:uuid}/recall", permission="ticket.recall", status_code=200)
async def call_again(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], ticket_id: FromPath[UUID]
) -> DeskReply:
    return await desk_reply(actor, ticket_id=await once(asked, recall, actor, ticket_id=ticket_id))


@post("/tickets/{ticket_id:uuid}/miss", permission="ticket.miss", status_code=200)
async def pass_over(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], ticket_id: FromPath[UUID]
) -> DeskReply:
    return await desk_reply(actor, ticket_id=await once(asked, miss_ticket, actor, ticket_id=ticket_id))


@post("/tickets/{ticket_id:uuid}/serve", permission="ticket.serve", status_code=200)
async def serve_at_window(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], ticket_id: FromPath[UUID]
) -> DeskReply:
    """A service window is done with who it called."""
    return await desk_reply(actor, ticket_id=await once(asked, finish_ticket, actor, ticket_id=ticket_id))


@post("/tickets/{ticket_id:uuid}/door", permission="ticket.to_door", status_code=200)
async def to_door(
    data: JSONBody[ToDoor],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    ticket_id: FromPath[UUID],
) -> DeskReply:
    done = await once(asked, send_to_door, actor, ticket_id=ticket_id, room_id=data.room_id)
    return await desk_reply(actor, ticket_id=done)


@post("/tickets/{ticket_id:uuid}/readmit", permission="ticket.readmit", status_code=200)
async def let_wait_again(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], ticket_id: FromPath[UUID]
) -> DeskReply:
    return await desk_reply(actor, ticket_id=await once(asked, readmit, actor, ticket_id=ticket_id))


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        room_queue,
        zone_queue,
        window_board,
        call_next_to_room,
        call_next_to_window,
        call_again,
        pass_over,
        serve_at_window,
        to_door,
        let_wait_again,
    ],
)
