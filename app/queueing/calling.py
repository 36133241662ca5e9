"""Calling the next patient, calling again, and what becomes of who was called."""

from uuid import UUID

import asyncpg

from app.identity.roles import StaffRole
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.organization.queries import RoomView, room, service_window, staff_member
from app.queueing.events import TicketCalled, TicketFinished, TicketMissed, TicketStarted
from app.queueing.joining import own_ticket
from app.queueing.queues import DAY, Told, cursor_of, tell_boards
from app.queueing.rules import MISSES_MAX, OVERTAKES_THE_DOOR, Cursor, next_list, pace
from app.queueing.tables import TICKET_FLOW, TicketList, TicketStatus

CALLERS = frozenset({StaffRole.DOCTOR, StaffRole.NURSE})


class QueueEmpty(DomainError):
    code = "queue_empty"
    message = "当前没有等候的患者。"


class DeskHasCalled(DomainError):
    code = "desk_has_called"
    message = "已叫的患者尚未处理，请先开始接诊、重呼或标记过号，再叫下一位。"


class NotCalled(DomainError):
    code = "ticket_not_called"
    message = "这位患者当前不在被叫状态，请刷新后再操作。"


class NotYourRoom(Forbidden):
    code = "not_your_room"
    message = "您不属于这个诊室所在的科室，不能在此叫号。"


class NoDoctorHere(DomainError):
    code = "no_doctor_here"
    message = "这个诊室今天还没有医生开诊，请医生先登录叫号。"


@action
async def call_next(actor: Actor, *, room_id: UUID) -> UUID:
    """Call the next patient to a room: the doctor's own queue first, then the department's."""
    place = await room(actor, room_id=room_id)
    doctor_id = await _doctor_at(actor, place)
    days = await _lock_days(place, doctor_id)
    called = await fetch_value("SELECT id FROM ticket WHERE room_id = $1 AND status = 'called'", room_id)
    if called is not None:
        raise DeskHasCalled(room_id=room_id, ticket_id=called)
    for day in days:
        ticket_id = await _next_of(day, room_id=room_id, doctor_id=doctor_id)
        if ticket_id is not None:
            return await _call(actor, ticket_id, room_id=room_id, doctor_id=doctor_id)
    raise QueueEmpty(room_id=room_id)


async def _doctor_at(actor: Actor, place: RoomView) -> UUID:
    """The doctor whose desk this is. A calling doctor takes the desk; a nurse calls for who sits there."""
    if actor.kind is not ActorKind.STAFF or actor.id is None:
        raise NotYourRoom(room_id=place.id)
    caller = await staff_member(actor, staff_id=actor.id)
    if caller.role not in CALLERS or caller.department_id != place.department_id:
        raise NotYourRoom(room_id=place.id)
    today = await clock.today()
    if caller.role is StaffRole.DOCTOR:
        await fetch_value(
            "INSERT INTO desk (room_id, staff_id, held_on) VALUES ($1, $2, $3) ON CONFLICT (room_id)"
            " DO UPDATE SET staff_id = $2, held_on = $3",
            place.id,
            caller.id,
            today,
        )
        return caller.id
    sitting = await fetch_value(
        "SELECT staff_id FROM desk WHERE room_id = $1 AND held_on = $2", place.id, today
    )
    if sitting is None:
        raise NoDoctorHere(room_id=place.id)
    return sitting


async def _lock_days(place: RoomView, doctor_id: UUID) -> list[asyncpg.Record]:
    """Today's counters of the queues this desk may call, the doctor's own first.

    Two desks of one department take turns here, so that each cursor moves once per call.
    """
    rows = await fetch(
        f"{DAY} WHERE d.held_on = $1 AND q.department_id = $2 AND (q.staff_id IS NULL OR q.staff_id = $3)"
        " ORDER BY d.id FOR UPDATE OF d",
        await clock.today(),
        place.department_id,
        doctor_id,
    )
    return sorted(rows, key=lambda row: row["staff_id"] is None)


async def _next_of(day: asyncpg.Record, *, room_id: UUID, doctor_id: UUID) -> UUID | None:
    """The ticket to call from one queue, with the cursor moved past it; None where nobody waits."""
    at_door = await fetch_one(
        "SELECT id FROM ticket WHERE queue_id = $1 AND held_on = $2 AND status = 'room_wait'"
        " AND room_id = $3 ORDER BY door_at, seq LIMIT 1",
        day["queue_id"],
        day["held_on"],
        room_id,
    )
    counts = await _counts(day, doctor_id)
    first = await _first_of(day, TicketList.PRIORITY, doctor_id)
    if at_door is not None and (first is None or first["priority"] not in OVERTAKES_THE_DOOR):
        return at_door["id"]
    if not any(counts.values()):
        return None
    letter, cursor = next_list(counts, cursor_of(day), day["pattern"])
    if cursor != cursor_of(day):
        await _keep_cursor(day["id"], cursor)
    found = await _first_of(day, letter, doctor_id)
    assert found is not None
    return found["id"]


# A return belongs to its doctor while he is at a desk today; without him any desk calls it.
CALLABLE = (
    "t.queue_id = $1 AND t.held_on = $2 AND t.status = 'waiting' AND (t.bound_staff_id IS NULL"
    " OR t.bound_staff_id = $3 OR NOT EXISTS (SELECT FROM desk"
    " WHERE desk.staff_id = t.bound_staff_id AND desk.held_on = $2))"
)


async def _counts(day: asyncpg.Record, doctor_id: UUID) -> dict[TicketList, int]:
    rows = await fetch(
        f"SELECT t.list, count(*) AS waiting FROM ticket t WHERE {CALLABLE} GROUP BY t.list",  # noqa: S608 - a constant
        day["queue_id"],
        day["held_on"],
        doctor_id,
    )
    return {TicketList(row["list"]): row["waiting"] for row in rows}


async def _first_of(day: asyncpg.Record, letter: TicketList, doctor_id: UUID) -> asyncpg.Record | None:
    return await fetch_one(
        f"SELECT t.id, t.priority FROM ticket t WHERE {CALLABLE} AND t.list = $4"  # noqa: S608 - a constant
        " ORDER BY t.order_key, t.seq LIMIT 1",
        day["queue_id"],
        day["held_on"],
        doctor_id,
        str(letter),
    )


async def _keep_cursor(day_id: UUID, cursor: Cursor) -> None:
    await fetch_value(
        "UPDATE queue_day SET cursor = $2, swift_cursor = $3 WHERE id = $1",
        day_id,
        cursor.base,
        cursor.swift,
    )


@action
async def call_next_at_window(actor: Actor, *, window_id: UUID) -> UUID:
    """Call the next ticket of a service window's queue."""
    await service_window(actor, window_id=window_id)
    day = await fetch_one(
        f"{DAY} WHERE q.window_id = $1 AND d.held_on = $2 FOR UPDATE OF d", window_id, await clock.today()
    )
    if day is None:
        raise QueueEmpty(window_id=window_id)
    # No door and no doctor at a window: the window's id matches no room and no desk.
    ticket_id = await _next_of(day, room_id=window_id, doctor_id=window_id)
    if ticket_id is None:
        raise QueueEmpty(window_id=window_id)
    return await _call(actor, ticket_id)


@action
async def call_ticket(actor: Actor, *, ticket_id: UUID) -> UUID:
    """Call one ticket of a service window out of turn: what the pharmacist has ready.

    A ticket that is called already is called again.
    """
    ticket = await own_ticket(actor, ticket_id)
    assert ticket["room_id"] is None, "only service windows call out of turn"
    if ticket["status"] == TicketStatus.CALLED:
        return await recall(actor, ticket_id=ticket_id)
    return await _call(actor, ticket_id)


async def _call(
    actor: Actor, ticket_id: UUID, *, room_id: UUID | None = None, doctor_id: UUID | None = None
) -> UUID:
    ticket = await TICKET_FLOW.move(
        ticket_id,
        TicketStatus.CALLED,
        room_id=room_id,
        call_id=new_id(),
        repeat_no=1,
        called_at=await clock.now(),
        called_by=doctor_id or actor.id,
    )
    await _tell_call(actor, ticket, reason="called")
    return ticket_id


@action
async def recall(actor: Actor, *, ticket_id: UUID) -> UUID:
    """Call again who is called now: the same call_id, the next repeat_no, a new minute to be heard."""
    await own_ticket(actor, ticket_id)
    ticket = await fetch_one(
        "UPDATE ticket SET repeat_no = repeat_no + 1, called_at = $2"
        " WHERE id = $1 AND status = 'called' RETURNING *",
        ticket_id,
        await clock.now(),
    )
    if ticket is None:
        raise NotCalled(ticket_id=ticket_id)
    await _tell_call(actor, ticket, reason="recalled")
    return ticket_id


async def _tell_call(actor: Actor, ticket: asyncpg.Record, *, reason: str) -> None:
    place = await fetch_one("SELECT zone_id, window_id FROM queue WHERE id = $1", ticket["queue_id"])
    assert place is not None
    call = {"call_id": ticket["call_id"], "repeat_no": ticket["repeat_no"], "ticket_id": ticket["id"]}
    await fetch_value(
        "INSERT INTO ticket_call (id, ticket_id, call_id, repeat_no, room_id, window_id, called_by,"
        " called_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new_id(),
        ticket["id"],
        ticket["call_id"],
        ticket["repeat_no"],
        ticket["room_id"],
        place["window_id"],
        actor.id,
        ticket["called_at"],
    )
    await emit(
        actor,
        TicketCalled(
            **call,
            person_id=ticket["person_id"],
            room_id=ticket["room_id"],
            zone_id=place["zone_id"],
            window_id=place["window_id"],
            subject_kind=ticket["subject_kind"],
            subject_id=ticket["subject_id"],
        ),
    )
    await tell_boards(actor, queue_id=ticket["queue_id"], told=Told(reason=reason, **call))


@action
async def start_ticket(actor: Actor, *, ticket_id: UUID) -> UUID:
    """The called patient has come in."""
    await own_ticket(actor, ticket_id)
    ticket = await TICKET_FLOW.move(ticket_id, TicketStatus.IN_CONSULT, started_at=await clock.now())
    await emit(
        actor,
        TicketStarted(ticket_id=ticket_id, person_id=ticket["person_id"], room_id=ticket["room_id"]),
    )
    await tell_boards(actor, queue_id=ticket["queue_id"], told=Told(reason="started", ticket_id=ticket_id))
    return ticket_id


@action
async def miss_ticket(actor: Actor, *, ticket_id: UUID) -> UUID:
    """The called patient did not come. He must check in again; after the third miss only the desk helps."""
    before = await own_ticket(actor, ticket_id)
    abandoned = before["misses"] + 1 >= MISSES_MAX
    ticket = await TICKET_FLOW.move(
        ticket_id,
        TicketStatus.ABANDONED if abandoned else TicketStatus.MISSED,
        only_from=TicketStatus.CALLED,
        misses=before["misses"] + 1,
    )
    await emit(
        actor,
        TicketMissed(
            ticket_id=ticket_id,
            person_id=ticket["person_id"],
            misses=ticket["misses"],
            abandoned=abandoned,
        ),
    )
    await tell_boards(actor, queue_id=ticket["queue_id"], told=Told(reason="missed", ticket_id=ticket_id))
    return ticket_id


@action
async def finish_ticket(actor: Actor, *, ticket_id: UUID, out_for_test: bool = False) -> UUID:
    """Finish who is in consultation, or was called to a service window; or send him for a test."""
    before = await own_ticket(actor, ticket_id)
    now = await clock.now()
    end = TicketStatus.OUT_FOR_TEST if out_for_test else TicketStatus.DONE
    ticket = await TICKET_FLOW.move(ticket_id, end, ended_at=now)
    if before["status"] != TicketStatus.OUT_FOR_TEST:
        await _keep_pace(ticket, (now - (before["started_at"] or before["called_at"])).total_seconds())
    await emit(
        actor,
        TicketFinished(ticket_id=ticket_id, person_id=ticket["person_id"], out_for_test=out_for_test),
    )
    await tell_boards(actor, queue_id=ticket["queue_id"], told=Told(reason="finished", ticket_id=ticket_id))
    return ticket_id


async def _keep_pace(ticket: asyncpg.Record, seconds: float) -> None:
    day = await fetch_one(
        "SELECT id, service_s FROM queue_day WHERE queue_id = $1 AND held_on = $2 FOR UPDATE",
        ticket["queue_id"],
        ticket["held_on"],
    )
    assert day is not None
    await fetch_value(
        "UPDATE queue_day SET service_s = $2 WHERE id = $1", day["id"], pace(day["service_s"], seconds)
    )


@action
async def send_to_door(actor: Actor, *, ticket_id: UUID, room_id: UUID) -> UUID:
    """Second waiting: the patient goes to the room's door and is called from there first."""
    place = await room(actor, room_id=room_id)
    await _doctor_at(actor, place)
    await own_ticket(actor, ticket_id)
    ticket = await TICKET_FLOW.move(
        ticket_id, TicketStatus.ROOM_WAIT, room_id=room_id, door_at=await clock.now()
    )
    await tell_boards(actor, queue_id=ticket["queue_id"], told=Told(reason="moved", ticket_id=ticket_id))
    return ticket_id
