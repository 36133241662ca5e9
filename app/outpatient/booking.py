"""Holding a number, booking it, giving it back. Payment's part of the story stands in paying.py."""

import base64
import random
import secrets
from datetime import date
from decimal import Decimal
from uuid import UUID

import asyncpg

from app.billing.charges import cancel_bill
from app.billing.refunds import request_refund
from app.catalog.queries import price_of
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.kernel.money import line_amount_fen
from app.outpatient.events import AppointmentBooked, AppointmentCancelled, AppointmentHeld
from app.outpatient.rules import POLICY, Sale, cancel_until, recycle_delay, sale
from app.outpatient.tables import (
    APPOINTMENT_FLOW,
    NUMBER_FLOW,
    AppointmentStatus,
    NumberStatus,
    SessionStatus,
    VisitType,
)
from app.patients.access import may_act_for, may_follow, require_may_act_for
from app.patients.tables import Scope

CODE_BYTES = 15  # 24 capitals and digits: a keyboard wedge types them the same under any input method


class WindowNotFound(NotFound):
    code = "window_not_found"
    message = "没有找到这个就诊时段，请返回重新选择。"


class AppointmentNotFound(NotFound):
    code = "appointment_not_found"
    message = "没有找到这个预约，请返回预约列表核对。"


class WindowFull(DomainError):
    code = "window_full"
    message = "该时段的号源已约满，请选择其他时段或医生。"


class NotOnSale(DomainError):
    code = "not_on_sale"
    message = "该时段尚未放号，请在放号时间后再来预约。"


class SalePaused(DomainError):
    code = "sale_paused"
    message = "次日号源已停止预约，剩余号源在就诊当天开放。"


class WindowPast(DomainError):
    code = "window_past"
    message = "该时段已经开始或结束，请选择其他时段。"


class SessionStopped(DomainError):
    code = "session_stopped"
    message = "该医生本次门诊已停诊，请选择其他医生或日期。"


class AlreadyBooked(DomainError):
    code = "already_booked"
    message = "就诊人在该科室的这个半天已有预约，请在预约列表查看。"


class LimitReached(DomainError):
    code = "limit_reached"


class CancelTooLate(DomainError):
    code = "cancel_too_late"
    message = "已过线上退号时间，请到挂号窗口办理。"


class NotCancellable(DomainError):
    code = "not_cancellable"
    message = "该预约已签到或已结束，不能退号。"


REFUSAL_OF_SALE = {Sale.NOT_RELEASED: NotOnSale, Sale.PAUSED: SalePaused, Sale.PAST: WindowPast}


@action
async def hold_appointment(actor: Actor, *, session_id: UUID, window_id: UUID, person_id: UUID) -> UUID:
    """Take the window's lowest free number for 15 minutes. What costs nothing is booked at once."""
    await require_may_act_for(actor, person_id=person_id, scope=Scope.BOOK)
    place = await _place(session_id, window_id)
    await _require_on_sale(place)
    await _require_within_limits(actor, person_id, place)
    number = await fetch_one("SELECT id, seq_no FROM jiuyi.claim_number($1)", window_id)
    if number is None:
        raise WindowFull(window_id=window_id)
    appointment_id, fee_fen = await _insert(actor, person_id, place, number)
    await emit(
        actor, AppointmentHeld(appointment_id=appointment_id, person_id=person_id, session_id=session_id)
    )
    if fee_fen == 0:
        await book(actor, appointment_id=appointment_id)
    return appointment_id


async def _place(session_id: UUID, window_id: UUID) -> asyncpg.Record:
    row = await fetch_one(
        "SELECT s.*, w.id AS window_id, w.starts_at AS window_starts, w.ends_at AS window_ends"
        " FROM session_window w JOIN clinic_session s ON s.id = w.session_id"
        " WHERE w.id = $1 AND s.id = $2",
        window_id,
        session_id,
    )
    if row is None:
        raise WindowNotFound(session_id=session_id, window_id=window_id)
    return row


async def _require_on_sale(place: asyncpg.Record) -> None:
    if place["status"] != SessionStatus.OPEN:
        raise SessionStopped(session_id=place["id"])
    state = sale(POLICY, opens=place["opens_at"], window_starts=place["window_starts"], now=await clock.now())
    if state in REFUSAL_OF_SALE:
        raise REFUSAL_OF_SALE[state](session_id=place["id"], window_id=place["window_id"])


async def _require_within_limits(actor: Actor, person_id: UUID, place: asyncpg.Record) -> None:
    taken = await count_taken(
        person_id=person_id,
        account_id=actor.id if actor.kind is ActorKind.ACCOUNT else None,
        department_id=place["department_id"],
        held_on=place["held_on"],
        half_day=place["half_day"],
    )
    if taken["same"] is not None:
        raise AlreadyBooked(appointment_id=taken["same"])
    if taken["of_person"] >= POLICY.per_person_per_day:
        raise LimitReached(
            f"就诊人当天最多预约 {POLICY.per_person_per_day} 个号，请取消后再约或选择其他日期。"
        )
    if taken["of_account"] >= POLICY.per_account_per_day:
        raise LimitReached(f"每个账号当天最多预约 {POLICY.per_account_per_day} 个号，请选择其他日期。")


async def count_taken(
    *, person_id: UUID, account_id: UUID | None, department_id: UUID, held_on: date, half_day: str
) -> asyncpg.Record:
    """What this person and account have on that day. From here on nobody else adds to it.

    Without the locks two requests of one person would each count the day before the other's row.
    """
    await fetch(
        "SELECT pg_advisory_xact_lock(hashtext('outpatient.limits'), key) FROM"
        " (SELECT DISTINCT hashtext(id::text) AS key FROM unnest(ARRAY[$1, $2]::uuid[]) AS id"
        "  WHERE id IS NOT NULL ORDER BY 1) AS sorted",
        person_id,
        account_id,
    )
    row = await fetch_one(
        "WITH mine AS (SELECT jiuyi.same_person($1) AS id) SELECT"
        " (SELECT a.id FROM appointment a JOIN mine ON mine.id = a.person_id WHERE a.department_id = $3"
        "   AND a.held_on = $4 AND a.half_day = $5 AND a.status IN ('held', 'booked', 'arrived')"
        "   LIMIT 1) AS same,"
        " (SELECT count(*) FROM appointment a JOIN mine ON mine.id = a.person_id WHERE a.held_on = $4"
        "   AND a.status IN ('held', 'booked', 'arrived', 'fulfilled')) AS of_person,"
        " (SELECT count(*) FROM appointment a WHERE a.account_id = $2 AND a.held_on = $4"
        "   AND a.status IN ('held', 'booked', 'arrived', 'fulfilled')) AS of_account",
        person_id,
        account_id,
        department_id,
        held_on,
        half_day,
    )
    assert row is not None
    return row


async def _insert(
    actor: Actor, person_id: UUID, place: asyncpg.Record, number: asyncpg.Record
) -> tuple[UUID, int]:
    price = await price_of(actor, item_id=place["item_id"])
    fee_fen = line_amount_fen(unit_price_micro_yuan=price.unit_price_micro_yuan, quantity=Decimal(1))
    now = await clock.now()
    appointment_id = await fetch_value(
        "INSERT INTO appointment (id, person_id, account_id, channel, session_id, window_id, number_id,"
        " department_id, staff_id, room_id, visit_type, held_on, half_day, seq_no, starts_at, ends_at,"
        " status, item_id, fee_fen, booking_code, expires_at, held_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'held', $17, $18,"
        " $19, $20, $21) RETURNING id",
        new_id(),
        person_id,
        actor.id if actor.kind is ActorKind.ACCOUNT else None,
        actor.channel,
        place["id"],
        place["window_id"],
        number["id"],
        place["department_id"],
        place["staff_id"],
        place["room_id"],
        place["visit_type"],
        place["held_on"],
        place["half_day"],
        number["seq_no"],
        place["window_starts"],
        place["window_ends"],
        place["item_id"],
        fee_fen,
        new_booking_code(),
        now + POLICY.hold,
        now,
    )
    return appointment_id, fee_fen


def new_booking_code() -> str:
    return base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()


@action
async def book(actor: Actor, *, appointment_id: UUID) -> None:
    """HELD becomes BOOKED, with its number."""
    row = await APPOINTMENT_FLOW.move(appointment_id, AppointmentStatus.BOOKED, booked_at=await clock.now())
    await NUMBER_FLOW.move(row["number_id"], NumberStatus.BOOKED, only_from=NumberStatus.HELD)
    await emit(
        actor,
        AppointmentBooked(
            appointment_id=appointment_id, person_id=row["person_id"], session_id=row["session_id"]
        ),
    )


@action
async def cancel_appointment(actor: Actor, *, appointment_id: UUID) -> UUID:
    """Give up a hold, or a booked place before its deadline with the fee going back."""
    row = await own_appointment(actor, appointment_id)
    await require_may_act_for(actor, person_id=row["person_id"], scope=Scope.BOOK)
    if row["status"] == AppointmentStatus.CANCELLED:
        return appointment_id
    if row["status"] == AppointmentStatus.BOOKED:
        await _require_before_deadline(row)
    elif row["status"] != AppointmentStatus.HELD:
        raise NotCancellable(appointment_id=appointment_id)
    was_paid = row["status"] == AppointmentStatus.BOOKED and row["bill_id"] is not None
    await APPOINTMENT_FLOW.move(
        appointment_id,
        AppointmentStatus.CANCELLED,
        only_from=AppointmentStatus(row["status"]),
        ended_at=await clock.now(),
    )
    await give_back(row["number_id"])
    if was_paid:
        await request_refund(actor, bill_id=row["bill_id"])
    elif row["bill_id"] is not None:
        await cancel_bill(actor, bill_id=row["bill_id"])
    await emit(
        actor,
        AppointmentCancelled(
            appointment_id=appointment_id,
            person_id=row["person_id"],
            session_id=row["session_id"],
            was_paid=was_paid,
        ),
    )
    return appointment_id


async def _require_before_deadline(row: asyncpg.Record) -> None:
    deadline = cancel_until(POLICY, visit_type=VisitType(row["visit_type"]), window_starts=row["starts_at"])
    if await clock.now() >= deadline:
        raise CancelTooLate(appointment_id=row["id"])


async def give_back(number_id: UUID) -> None:
    """The number rests for a while that nobody can guess, then it is sold again."""
    chance = random.SystemRandom().random()
    await NUMBER_FLOW.move(
        number_id, NumberStatus.RECYCLING, free_at=await clock.now() + recycle_delay(POLICY, chance)
    )


async def own_appointment(actor: Actor, appointment_id: UUID) -> asyncpg.Record:
    """The appointment, for who follows its person, or booked it and still may; a stranger hears that there is
    none."""
    row = await fetch_one("SELECT * FROM appointment WHERE id = $1", appointment_id)
    if row is None or not (await may_follow(actor, person_id=row["person_id"]) or await _booked(actor, row)):
        raise AppointmentNotFound(appointment_id=appointment_id)
    return row


async def _booked(actor: Actor, row: asyncpg.Record) -> bool:
    own = actor.kind is ActorKind.ACCOUNT and row["account_id"] == actor.id
    return own and await may_act_for(actor, person_id=row["person_id"], scope=Scope.BOOK)
