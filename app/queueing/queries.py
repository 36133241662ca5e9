"""One ticket as its owner reads it: where it stands and what to expect."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, fetch_value, query
from app.patients.access import PersonNotFound, may_follow
from app.queueing.joining import TicketNotFound, own_ticket
from app.queueing.queues import cursor_of, queue_days_of
from app.queueing.rules import call_order, wait_range
from app.queueing.tables import TicketList, TicketStatus

TICKETS_SHOWN_MAX = 20


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """`people_ahead` counts who will be called before this ticket if nobody else comes."""

    ticket_id: UUID
    person_id: UUID
    subject_kind: str
    subject_id: UUID
    encounter_id: UUID | None
    number: str
    masked_name: str
    status: TicketStatus
    department: str
    doctor: str | None
    room_id: UUID | None
    room: str | None
    zone: str | None
    window: str | None
    people_ahead: int | None
    wait_minutes: tuple[int, int] | None
    call_id: UUID | None
    repeat_no: int
    called_at: datetime | None
    joined_at: datetime


TICKET = (
    "SELECT t.id AS ticket_id, t.person_id, t.subject_kind, t.subject_id, t.encounter_id, t.number,"
    " t.masked_name, t.status, t.call_id, t.repeat_no, t.called_at, t.joined_at, t.queue_id, t.held_on,"
    " coalesce(d.name, q.name) AS department, s.name AS doctor, t.room_id, r.name AS room,"
    " z.name AS zone, w.name AS window"
    " FROM ticket t JOIN queue q ON q.id = t.queue_id LEFT JOIN department d ON d.id = q.department_id"
    " LEFT JOIN staff s ON s.id = q.staff_id LEFT JOIN room r ON r.id = t.room_id"
    " LEFT JOIN zone z ON z.id = q.zone_id LEFT JOIN service_window w ON w.id = q.window_id"
)


@query
async def ticket_view(actor: Actor, *, ticket_id: UUID) -> TicketView:
    row = await fetch_one(f"{TICKET} WHERE t.id = $1", ticket_id)
    if row is None or not await may_follow(actor, person_id=row["person_id"]):
        raise TicketNotFound(ticket_id=ticket_id)
    return (await _views([row]))[0]


@query
async def desk_ticket(actor: Actor, *, ticket_id: UUID) -> TicketView:
    """The same for the desk whose queue it stands in, or any service window: no name, no reason."""
    await own_ticket(actor, ticket_id)
    row = await fetch_one(f"{TICKET} WHERE t.id = $1", ticket_id)
    assert row is not None
    return (await _views([row]))[0]


@query
async def tickets_of(actor: Actor, *, person_id: UUID) -> list[TicketView]:
    """The person's tickets of today that are not done."""
    if not await may_follow(actor, person_id=person_id):
        raise PersonNotFound(person_id=person_id)
    rows = await fetch(
        f"{TICKET} WHERE t.person_id IN (SELECT jiuyi.same_person($1)) AND t.held_on = $2"
        " AND t.status NOT IN ('done', 'registered') ORDER BY t.joined_at LIMIT $3",
        person_id,
        await clock.today(),
        TICKETS_SHOWN_MAX,
    )
    return await _views(rows)


async def _views(rows: Sequence[asyncpg.Record]) -> list[TicketView]:
    expected = {
        queue_id: await _expected(queue_id)
        for queue_id in {row["queue_id"] for row in rows if row["status"] in ("waiting", "room_wait")}
    }
    views: list[TicketView] = []
    for row in rows:
        ahead, wait = expected.get(row["queue_id"], {}).get(row["ticket_id"], (None, None))
        known = {name: row[name] for name in row.keys() if name not in ("queue_id", "held_on", "status")}  # noqa: SIM118 - a Record iterates over values
        views.append(
            TicketView(**known, status=TicketStatus(row["status"]), people_ahead=ahead, wait_minutes=wait)
        )
    return views


async def _expected(queue_id: UUID) -> dict[UUID, tuple[int, tuple[int, int]]]:
    """For every waiting ticket of a queue: people ahead, and minutes from and to."""
    today = await clock.today()
    # The whole line, of which the asker may see his own place only.
    rows = await fetch("SELECT id, list, status FROM jiuyi.line_of($1, $2)", queue_id, today)
    lists: dict[TicketList, list[UUID]] = {}
    for row in rows:
        if row["status"] == TicketStatus.WAITING:
            lists.setdefault(TicketList(row["list"]), []).append(row["id"])
    day = (await queue_days_of(queue_ids=[queue_id], on=today))[0]
    order = [row["id"] for row in rows if row["status"] == TicketStatus.ROOM_WAIT]
    order += call_order(lists, cursor_of(day), day["pattern"])
    desks = await _desks(day)
    busy = sum(row["status"] in (TicketStatus.CALLED, TicketStatus.IN_CONSULT) for row in rows)
    service_s = day["service_s"] or day["prior_s"]
    ranges = (wait_range(ahead=n, service_s=service_s, desks=desks, busy=busy) for n in range(len(order)))
    return {
        ticket: (n, (wait.low, wait.high)) for n, (ticket, wait) in enumerate(zip(order, ranges, strict=True))
    }


async def _desks(day: asyncpg.Record) -> int:
    """How many desks call this queue now: a doctor's and a window's one, else the department's open ones."""
    if day["department_id"] is None or day["staff_id"] is not None:
        return 1
    return await fetch_value(
        "SELECT count(*) FROM desk JOIN room r ON r.id = desk.room_id"
        " WHERE r.department_id = $1 AND desk.held_on = $2",
        day["department_id"],
        day["held_on"],
    )
