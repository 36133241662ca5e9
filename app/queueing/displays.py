"""What the boards show: whole states, re-read each time, with masked names only.

A desk's tickets open records, so each is noted as shown; what hangs on the wall of a hall names nobody.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_value, query
from app.organization.queries import room, service_window, zone
from app.queueing.queues import cursor_of, queue_days_of
from app.queueing.rules import call_order
from app.queueing.tables import TicketList, TicketStatus
from app.traces.showing import note_shown

CALL_TTL_S = 60
CALLING_SHOWN_MAX = 12
WAITING_SHOWN_MAX = 200
MISSED_SHOWN_MAX = 60

MARKS = {TicketList.RETURN: "return", TicketList.MISSED: "missed", TicketList.PRIORITY: "priority"}


class ZoneName(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str


class CallShown(msgspec.Struct, frozen=True, kw_only=True):
    call_id: UUID
    repeat_no: int
    number: str
    masked_name: str
    room: str
    department: str
    called_at: datetime
    ttl_s: int = CALL_TTL_S


class WaitingShown(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    masked_name: str
    department: str
    room: str | None
    marks: list[str]


class MissedShown(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    masked_name: str


class ZoneQueueState(msgspec.Struct, frozen=True, kw_only=True):
    zone: ZoneName
    as_of: datetime
    calling: list[CallShown]
    waiting: list[WaitingShown]
    missed: list[MissedShown]


class DeskTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as the desk that treats the patient sees it; the full name comes with the record."""

    ticket_id: UUID
    encounter_id: UUID | None
    subject_id: UUID
    number: str
    masked_name: str
    status: TicketStatus
    marks: list[str]
    priority_reason: str
    misses: int
    call_id: UUID | None
    repeat_no: int
    called_at: datetime | None


class RoomQueueState(msgspec.Struct, frozen=True, kw_only=True):
    room: ZoneName
    as_of: datetime
    doctor: str | None
    current: list[DeskTicket]
    waiting: list[DeskTicket]
    missed: list[DeskTicket]
    out_for_test: list[DeskTicket]


class WindowQueueState(msgspec.Struct, frozen=True, kw_only=True):
    window: ZoneName
    as_of: datetime
    calling: list[CallShown]
    waiting: list[MissedShown]
    missed: list[MissedShown]


TICKETS = (
    "SELECT t.id, t.queue_id, t.number, t.masked_name, t.status, t.list, t.order_key, t.seq, t.call_id,"
    " t.repeat_no, t.called_at, t.joined_at, t.door_at, t.room_id, t.encounter_id, t.subject_id,"
    " t.priority_reason, t.misses, t.called_by, t.bound_staff_id, t.person_id,"
    " r.name AS room, q.name AS queue_name,"
    " CASE WHEN q.number_only THEN '' ELSE coalesce(d.name, q.name) END AS department"
    " FROM ticket t JOIN queue q ON q.id = t.queue_id LEFT JOIN department d ON d.id = q.department_id"
    " LEFT JOIN room r ON r.id = t.room_id"
    " WHERE t.held_on = $2 AND t.status NOT IN ('done', 'abandoned', 'registered')"
)
ORDER = " ORDER BY t.order_key, t.seq"


@query
async def zone_queue_state(actor: Actor, *, zone_id: UUID) -> ZoneQueueState:
    """The hall display of one zone. `waiting` lists every queue's next ones before anybody's later ones."""
    place = await zone(actor, zone_id=zone_id)
    today = await clock.today()
    rows = await fetch(f"{TICKETS} AND q.zone_id = $1{ORDER}", zone_id, today)
    ranked = [
        (rank, row["number"], row) for line in await _lines(rows, today) for rank, row in enumerate(line)
    ]
    ranked.sort(key=lambda entry: entry[:2])
    return ZoneQueueState(
        zone=ZoneName(id=place.id, name=place.name),
        as_of=await clock.now(),
        calling=_calls(rows),
        waiting=[_waiting(row) for _, _, row in ranked[:WAITING_SHOWN_MAX]],
        missed=_plain(rows, TicketStatus.MISSED),
    )


@query
async def room_queue_state(actor: Actor, *, room_id: UUID) -> RoomQueueState:
    """What one desk has before it: whom it called, who waits for it, who missed, who is out for a test."""
    place = await room(actor, room_id=room_id)
    today = await clock.today()
    desk = await fetch(
        "SELECT s.id, s.name FROM desk JOIN staff s ON s.id = desk.staff_id"
        " WHERE desk.room_id = $1 AND desk.held_on = $2",
        room_id,
        today,
    )
    doctor_id = desk[0]["id"] if desk else None
    rows = await fetch(
        f"{TICKETS} AND q.department_id = $1 AND (q.staff_id IS NULL OR q.staff_id = $3){ORDER}",
        place.department_id,
        today,
        doctor_id,
    )
    mine = [row for row in rows if row["room_id"] == room_id or row["called_by"] == doctor_id]
    waiting = [row for line in await _lines(rows, today) for row in line]
    return RoomQueueState(
        room=ZoneName(id=place.id, name=place.name),
        as_of=await clock.now(),
        doctor=desk[0]["name"] if desk else None,
        current=_desk_tickets(mine, {TicketStatus.CALLED, TicketStatus.IN_CONSULT}),
        waiting=[_desk_ticket(row) for row in waiting[:WAITING_SHOWN_MAX]],
        missed=_desk_tickets(rows, {TicketStatus.MISSED}),
        out_for_test=_desk_tickets(mine, {TicketStatus.OUT_FOR_TEST}),
    )


@query
async def window_queue_state(actor: Actor, *, window_id: UUID) -> WindowQueueState:
    """The board of one service window."""
    place = await service_window(actor, window_id=window_id)
    today = await clock.today()
    rows = await fetch(f"{TICKETS} AND q.window_id = $1{ORDER}", window_id, today)
    waiting = [row for line in await _lines(rows, today) for row in line]
    return WindowQueueState(
        window=ZoneName(id=place.id, name=place.name),
        as_of=await clock.now(),
        calling=_calls(rows),
        waiting=[_masked(row) for row in waiting[:WAITING_SHOWN_MAX]],
        missed=_plain(rows, TicketStatus.MISSED),
    )


@query
async def board_version(actor: Actor, *, place_id: UUID) -> int:
    """The version of a zone's or window's state: how often its boards were told of a change."""
    return await fetch_value(
        "SELECT coalesce((SELECT version FROM event_head WHERE aggregate_id = $1), 0)", place_id
    )


async def _lines(rows: Sequence[asyncpg.Record], today: date) -> list[list[asyncpg.Record]]:
    """For each queue, who waits in the order of being called: the door first, then by the rules."""
    waiting: dict[UUID, dict[TicketList, list[asyncpg.Record]]] = {}
    doors: dict[UUID, list[asyncpg.Record]] = {}
    for row in rows:
        if row["status"] == TicketStatus.WAITING:
            lists = waiting.setdefault(row["queue_id"], {})
            lists.setdefault(TicketList(row["list"]), []).append(row)
        elif row["status"] == TicketStatus.ROOM_WAIT:
            doors.setdefault(row["queue_id"], []).append(row)
    ids = list(waiting.keys() | doors.keys())
    days = await queue_days_of(queue_ids=ids, on=today) if ids else []
    return [
        sorted(doors.get(day["queue_id"], []), key=lambda row: row["door_at"])
        + call_order(waiting.get(day["queue_id"], {}), cursor_of(day), day["pattern"])
        for day in days
    ]


def _calls(rows: Iterable[asyncpg.Record]) -> list[CallShown]:
    called = [row for row in rows if row["status"] == TicketStatus.CALLED]
    called.sort(key=lambda row: row["called_at"], reverse=True)
    return [
        CallShown(
            call_id=row["call_id"],
            repeat_no=row["repeat_no"],
            number=row["number"],
            masked_name=row["masked_name"],
            room=row["room"] or row["queue_name"],
            department=row["department"],
            called_at=row["called_at"],
        )
        for row in called[:CALLING_SHOWN_MAX]
    ]


def _waiting(row: asyncpg.Record) -> WaitingShown:
    return WaitingShown(
        number=row["number"],
        masked_name=row["masked_name"],
        department=row["department"],
        room=row["room"],
        marks=_marks(row),
    )


def _marks(row: asyncpg.Record) -> list[str]:
    mark = MARKS.get(TicketList(row["list"]))
    return [] if mark is None else [mark]


def _plain(rows: Iterable[asyncpg.Record], status: TicketStatus) -> list[MissedShown]:
    return [_masked(row) for row in rows if row["status"] == status][:MISSED_SHOWN_MAX]


def _masked(row: asyncpg.Record) -> MissedShown:
    return MissedShown(number=row["number"], masked_name=row["masked_name"])


def _desk_tickets(rows: Iterable[asyncpg.Record], statuses: set[TicketStatus]) -> list[DeskTicket]:
    return [_desk_ticket(row) for row in rows if row["status"] in statuses]


def _desk_ticket(row: asyncpg.Record) -> DeskTicket:
    note_shown(row["person_id"])
    return DeskTicket(
        ticket_id=row["id"],
        encounter_id=row["encounter_id"],
        subject_id=row["subject_id"],
        number=row["number"],
        masked_name=row["masked_name"],
        status=TicketStatus(row["status"]),
        marks=_marks(row),
        priority_reason=row["priority_reason"],
        misses=row["misses"],
        call_id=row["call_id"],
        repeat_no=row["repeat_no"],
        called_at=row["called_at"],
    )
