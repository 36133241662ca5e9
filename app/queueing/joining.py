"""Checking in to a queue, coming back to it, and taking a check-in back."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.organization.queries import staff_member
from app.patients.queries import masked_name
from app.queueing.events import TicketIssued
from app.queueing.queues import Told, lock_day, tell_boards
from app.queueing.rules import list_of, order_key, ticket_number
from app.queueing.tables import TICKET_FLOW, PriorityClass, TicketStatus


class TicketNotFound(NotFound):
    code = "ticket_not_found"
    message = "没有找到这张排队号，请核对后重试。"


class NotToday(DomainError):
    code = "ticket_not_today"
    message = "这张排队号不是今天的，请重新挂号或到服务台咨询。"


class DeskOnly(DomainError):
    code = "ticket_abandoned"
    message = "您已三次过号，排队号已失效，请到分诊台办理。"


class AlreadyCalled(DomainError):
    code = "ticket_already_called"
    message = "您已被叫号或正在就诊，不能撤销签到。"


@action
async def join_queue(
    actor: Actor,
    *,
    queue_id: UUID,
    person_id: UUID,
    subject_kind: str,
    subject_id: UUID,
    encounter_id: UUID | None = None,
    room_id: UUID | None = None,
    planned_at: datetime | None = None,
    seq_no: int = 0,
    late: bool = False,
    priority: PriorityClass | None = None,
    priority_reason: str = "",
    prior_s: int | None = None,
) -> UUID:
    """Give a ticket for this subject, or the one it has: joining twice changes nothing.

    `planned_at` and `seq_no` are the booked window and number that order the normal list; who has
    none is ordered by now. `prior_s` is what one service should take until it was measured.
    """
    known = await fetch_value(
        "SELECT id FROM ticket WHERE subject_kind = $1 AND subject_id = $2 AND status <> 'done'",
        subject_kind,
        subject_id,
    )
    if known is not None:
        return known
    now = await clock.now()
    letter = list_of(priority=priority, late=late)
    place = {
        "list": str(letter),
        "order_key": order_key(
            letter, entered_at=now, planned_at=planned_at, seq_no=seq_no, priority=priority
        ),
        "priority": None if priority is None else str(priority),
        "priority_reason": priority_reason,
        "joined_at": now,
    }
    subject = {"subject_kind": subject_kind, "subject_id": subject_id, "encounter_id": encounter_id}
    number = await _next_number(queue_id, prior_s)
    name = "" if number.pop("number_only") else await masked_name(actor, person_id=person_id)
    who = {"person_id": person_id, "masked_name": name, "room_id": room_id}
    ticket_id = await _insert({"queue_id": queue_id, **number, **who, **subject, **place})
    await _tell_joined(actor, ticket_id)
    return ticket_id


async def _next_number(queue_id: UUID, prior_s: int | None) -> dict[str, Any]:
    """The queue's next number of today. From here on who joins too waits for us."""
    day = await lock_day(queue_id=queue_id)
    seq = day["last_seq"] + 1
    await fetch_value(
        "UPDATE queue_day SET last_seq = $2, prior_s = coalesce($3, prior_s) WHERE id = $1",
        day["id"],
        seq,
        prior_s,
    )
    return {
        "held_on": day["held_on"],
        "seq": seq,
        "number": ticket_number(day["prefix"], seq),
        "number_only": day["number_only"],
    }


async def _insert(values: dict[str, Any]) -> UUID:
    # Names are this file's own keywords, never a request's.
    names = ", ".join(values)
    places = ", ".join(f"${i}" for i in range(2, len(values) + 2))
    sql = f"INSERT INTO ticket (id, status, {names}) VALUES ($1, 'waiting', {places}) RETURNING id"  # noqa: S608
    return await fetch_value(sql, new_id(), *values.values())


@action
async def rejoin_queue(actor: Actor, *, ticket_id: UUID) -> UUID:
    """Check in again after a miss, a test, or an undone check-in. A ticket that waits stays as it is."""
    ticket = await own_ticket(actor, ticket_id)
    if ticket["status"] in (TicketStatus.WAITING, TicketStatus.ROOM_WAIT):
        return ticket_id
    if ticket["status"] == TicketStatus.ABANDONED:
        raise DeskOnly(ticket_id=ticket_id)
    if ticket["status"] == TicketStatus.REGISTERED:
        await TICKET_FLOW.move(ticket_id, TicketStatus.WAITING)
    else:
        await _enter_list(ticket, back=ticket["status"] == TicketStatus.OUT_FOR_TEST)
    await _tell_joined(actor, ticket_id)
    return ticket_id


@action
async def readmit(actor: Actor, *, ticket_id: UUID) -> UUID:
    """The desk lets an abandoned ticket wait again, behind all others."""
    ticket = await own_ticket(actor, ticket_id)
    await _enter_list(ticket, back=False, only_from=TicketStatus.ABANDONED)
    await _tell_joined(actor, ticket_id)
    return ticket_id


async def _enter_list(ticket: asyncpg.Record, *, back: bool, only_from: TicketStatus | None = None) -> None:
    now = await clock.now()
    if ticket["held_on"] != clock.local_day(now):
        raise NotToday(ticket_id=ticket["id"])
    priority = PriorityClass(ticket["priority"]) if ticket["priority"] else None
    # A test interrupts a visit, it is no miss: what was missed before no longer counts.
    misses = 0 if back else ticket["misses"]
    letter = list_of(priority=priority, misses=misses, back=back)
    await TICKET_FLOW.move(
        ticket["id"],
        TicketStatus.WAITING,
        only_from=only_from or TicketStatus(ticket["status"]),
        list=str(letter),
        order_key=order_key(letter, entered_at=now, priority=priority),
        misses=misses,
        bound_staff_id=ticket["called_by"] if back else ticket["bound_staff_id"],
        door_at=None,
    )


@action
async def undo_check_in(actor: Actor, *, ticket_id: UUID) -> UUID:
    """Take a ticket out of the line while it waits. Its list and place come back with the next check-in."""
    await own_ticket(actor, ticket_id)
    moved = await TICKET_FLOW.try_move(ticket_id, TicketStatus.REGISTERED, door_at=None)
    if moved is None:
        raise AlreadyCalled(ticket_id=ticket_id)
    await tell_boards(actor, queue_id=moved["queue_id"], told=Told(reason="undone", ticket_id=ticket_id))
    return ticket_id


async def own_ticket(actor: Actor, ticket_id: UUID) -> asyncpg.Record:
    """The ticket as it stands. Staff of another department hear that there is none."""
    row = await fetch_one(
        "SELECT t.*, q.department_id FROM ticket t JOIN queue q ON q.id = t.queue_id WHERE t.id = $1",
        ticket_id,
    )
    if row is None:
        raise TicketNotFound(ticket_id=ticket_id)
    if actor.kind is ActorKind.STAFF and row["department_id"] is not None:
        staff = await staff_member(actor, staff_id=actor.id or ticket_id)
        if staff.department_id != row["department_id"]:
            raise TicketNotFound(ticket_id=ticket_id)
    return row


async def _tell_joined(actor: Actor, ticket_id: UUID) -> None:
    row = await fetch_one(
        "SELECT t.queue_id, t.person_id, t.subject_kind, t.subject_id, q.zone_id, q.window_id"
        " FROM ticket t JOIN queue q ON q.id = t.queue_id WHERE t.id = $1",
        ticket_id,
    )
    assert row is not None
    await emit(actor, TicketIssued(ticket_id=ticket_id, **dict(row)))
    await tell_boards(actor, queue_id=row["queue_id"], told=Told(reason="joined", ticket_id=ticket_id))
