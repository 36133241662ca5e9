"""A queue's owner, its day's counters, and telling the boards that they show something old."""

from datetime import date
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, before_commit, fetch, fetch_one, fetch_value
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.organization.queries import department, service_window, staff_member
from app.queueing.events import QueueChanged, WindowQueueChanged
from app.queueing.rules import PREFIX_LETTERS, Cursor, prefix_of
from app.queueing.tables import QueueKind

PREFIX_TRIES_MAX = len(PREFIX_LETTERS) * (len(PREFIX_LETTERS) + 1)
ROOMS_TOLD_MAX = 50


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What changed: one ticket, and the call if it was one."""

    reason: str
    ticket_id: UUID
    call_id: UUID | None = None
    repeat_no: int = 0


@action
async def department_queue(actor: Actor, *, department_id: UUID, staff_id: UUID | None = None) -> UUID:
    """The id of a department's queue, or of its doctor's; made at the first use."""
    known = await fetch_value(
        "SELECT id FROM queue WHERE department_id = $1 AND staff_id IS NOT DISTINCT FROM $2",
        department_id,
        staff_id,
    )
    if known is not None:
        return known
    place = await department(actor, department_id=department_id)
    doctor = None if staff_id is None else await staff_member(actor, staff_id=staff_id)
    return await _make(
        kind=QueueKind.DEPARTMENT if doctor is None else QueueKind.DOCTOR,
        zone_id=place.zone_id,
        department_id=department_id,
        staff_id=staff_id,
        name=place.name if doctor is None else f"{place.name} {doctor.name}",
        number_only=place.number_only,
    )


@action
async def window_queue(actor: Actor, *, window_id: UUID) -> UUID:
    """The id of a service window's queue; made at the first use."""
    known = await fetch_value("SELECT id FROM queue WHERE window_id = $1", window_id)
    if known is not None:
        return known
    place = await service_window(actor, window_id=window_id)
    return await _make(kind=QueueKind.WINDOW, zone_id=place.zone_id, window_id=window_id, name=place.name)


async def _make(
    *,
    kind: QueueKind,
    name: str,
    zone_id: UUID | None,
    department_id: UUID | None = None,
    staff_id: UUID | None = None,
    window_id: UUID | None = None,
    number_only: bool = False,
) -> UUID:
    # Two first patients of one zone take turns here: prefixes must differ within a zone.
    lock = str(zone_id or window_id or department_id)
    await fetch_value("SELECT pg_advisory_xact_lock(hashtext('queueing.queue'), hashtext($1))", lock)
    taken = {
        row["prefix"]
        for row in await fetch("SELECT prefix FROM queue WHERE zone_id IS NOT DISTINCT FROM $1", zone_id)
    }
    prefix = next(p for rank in range(PREFIX_TRIES_MAX) if (p := prefix_of(rank)) not in taken)
    made = await fetch_value(
        "INSERT INTO queue (id, kind, zone_id, department_id, staff_id, window_id, name, prefix, number_only)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id",
        new_id(),
        str(kind),
        zone_id,
        department_id,
        staff_id,
        window_id,
        name[:60],
        prefix,
        number_only,
    )
    if made is not None:
        return made
    return await fetch_value(
        "SELECT id FROM queue WHERE department_id IS NOT DISTINCT FROM $1"
        " AND staff_id IS NOT DISTINCT FROM $2 AND window_id IS NOT DISTINCT FROM $3",
        department_id,
        staff_id,
        window_id,
    )


DAY = (
    "SELECT d.id, d.queue_id, d.held_on, d.last_seq, d.cursor, d.swift_cursor, d.service_s, d.prior_s,"
    " q.kind, q.zone_id, q.department_id, q.staff_id, q.window_id, q.prefix, q.pattern, q.number_only"
    " FROM queue_day d JOIN queue q ON q.id = d.queue_id"
)


async def lock_day(*, queue_id: UUID) -> asyncpg.Record:
    """The queue's counters of today, held until the transaction ends; made at the day's first ticket."""
    today = await clock.today()
    await fetch(
        "INSERT INTO queue_day (id, queue_id, held_on) VALUES ($1, $2, $3)"
        " ON CONFLICT ON CONSTRAINT queue_day_once DO NOTHING",
        new_id(),
        queue_id,
        today,
    )
    row = await fetch_one(f"{DAY} WHERE d.queue_id = $1 AND d.held_on = $2 FOR UPDATE OF d", queue_id, today)
    assert row is not None
    return row


def cursor_of(day: asyncpg.Record) -> Cursor:
    return Cursor(day["cursor"], day["swift_cursor"])


async def tell_boards(actor: Actor, *, queue_id: UUID, told: Told) -> None:
    """Emit for the boards of the queue's zone and rooms, or of its window.

    As the last step before the commit: everybody in a zone wants its event head.
    """
    queue = await fetch_one("SELECT zone_id, department_id, window_id FROM queue WHERE id = $1", queue_id)
    assert queue is not None
    rooms = await fetch(
        "SELECT id FROM room WHERE department_id = $1 ORDER BY id LIMIT $2",
        queue["department_id"],
        ROOMS_TOLD_MAX,
    )
    call = {"ticket_id": told.ticket_id, "call_id": told.call_id, "repeat_no": told.repeat_no}

    async def last_step() -> None:
        if queue["window_id"] is not None:
            await emit(
                actor,
                WindowQueueChanged(
                    window_id=queue["window_id"], reason=told.reason, queue_id=queue_id, **call
                ),
            )
        elif queue["zone_id"] is not None:
            await emit(
                actor,
                QueueChanged(
                    zone_id=queue["zone_id"],
                    reason=told.reason,
                    queue_id=queue_id,
                    room_ids=[room["id"] for room in rooms],
                    **call,
                ),
            )

    before_commit(last_step)


async def queue_days_of(*, queue_ids: list[UUID], on: date) -> list[asyncpg.Record]:
    return await fetch(f"{DAY} WHERE d.queue_id = ANY($1) AND d.held_on = $2", queue_ids, on)
