"""A hold and its money: opening the bill, booking when it is paid, late money, holds that run out."""

from uuid import UUID

from app.billing.charges import Line, expire_bill, open_bill
from app.billing.events import BillPaid, BillPaidLate
from app.billing.late import refund_late, revive_bill
from app.billing.queries import bill_view
from app.billing.refunds import request_refund
from app.billing.tables import BillKind, BillStatus
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError
from app.kernel.events import Event, emit
from app.outpatient.booking import AppointmentNotFound, book, count_taken, give_back, own_appointment
from app.outpatient.events import AppointmentClosedLatePay, AppointmentExpired
from app.outpatient.rules import POLICY
from app.outpatient.tables import (
    APPOINTMENT_FLOW,
    NUMBER_FLOW,
    AppointmentStatus,
    NumberStatus,
)
from app.patients.access import require_may_act_for
from app.patients.tables import Scope

SUBJECT = "appointment"
EXPIRED_AT_ONCE_MAX = 200


class HoldOver(DomainError):
    code = "hold_over"
    message = "号源保留时间已过，请重新预约。"


class NothingToPay(DomainError):
    code = "nothing_to_pay"
    message = "该预约无需支付。"


@action
async def start_appointment_payment(actor: Actor, *, appointment_id: UUID) -> UUID:
    """Open the hold's bill, or find it. It can be paid as long as the hold lasts. The bill's id."""
    row = await own_appointment(actor, appointment_id)
    await require_may_act_for(actor, person_id=row["person_id"], scope=Scope.PAY)
    # Two phones of one family start paying: the second waits here and finds the first one's bill.
    row = await fetch_one("SELECT * FROM appointment WHERE id = $1 FOR UPDATE", appointment_id)
    assert row is not None
    if row["bill_id"] is not None:
        return row["bill_id"]
    if row["fee_fen"] == 0:
        raise NothingToPay(appointment_id=appointment_id)
    if row["status"] != AppointmentStatus.HELD or row["expires_at"] <= await clock.now():
        raise HoldOver(appointment_id=appointment_id)
    bill_id = await open_bill(
        actor,
        person_id=row["person_id"],
        kind=BillKind.REGISTRATION,
        subject_kind=SUBJECT,
        subject_id=appointment_id,
        lines=[Line(item_id=row["item_id"], source_id=appointment_id, agreed_fen=row["fee_fen"])],
        expires_at=row["expires_at"],
    )
    await fetch_value("UPDATE appointment SET bill_id = $2 WHERE id = $1", appointment_id, bill_id)
    return bill_id


async def book_when_paid(actor: Actor, told: BillPaid, event: Event) -> None:
    """The only way from a fee to a booked place: the bill is paid."""
    if told.subject_kind != SUBJECT:
        return
    row = await fetch_one("SELECT * FROM appointment WHERE id = $1 FOR UPDATE", told.subject_id)
    if row is None:
        raise AppointmentNotFound(appointment_id=told.subject_id)
    match AppointmentStatus(row["status"]):
        case AppointmentStatus.HELD:
            await book(actor, appointment_id=row["id"])
        case AppointmentStatus.EXPIRED | AppointmentStatus.CANCELLED:
            # Expiring and cancelling end the bill in the same transaction, so this is money for nothing.
            await _close(actor, row["id"], row["person_id"])
            await request_refund(actor, bill_id=told.bill_id)
        case _:
            pass  # told again, or revived: booked already


async def settle_late_payment(actor: Actor, told: BillPaidLate, event: Event) -> None:
    """Money after the hold ran out: the same number again if it is still there, else the money back."""
    if told.subject_kind != SUBJECT:
        return
    row = await fetch_one("SELECT * FROM appointment WHERE id = $1 FOR UPDATE", told.subject_id)
    if row is None:
        raise AppointmentNotFound(appointment_id=told.subject_id)
    if row["status"] in (AppointmentStatus.BOOKED, AppointmentStatus.CLOSED_LATE_PAY):
        return
    if row["status"] == AppointmentStatus.EXPIRED and await _take_again(row["id"]):
        await revive_bill(actor, bill_id=told.bill_id)
        await book(actor, appointment_id=row["id"])
    else:
        await _close(actor, row["id"], row["person_id"])
        await refund_late(actor, bill_id=told.bill_id)


async def _take_again(appointment_id: UUID) -> bool:
    """HELD once more, if the window has not passed, the limits allow it and nobody has the number."""
    row = await fetch_one("SELECT * FROM appointment WHERE id = $1", appointment_id)
    assert row is not None
    taken = await count_taken(
        person_id=row["person_id"],
        account_id=row["account_id"],
        department_id=row["department_id"],
        held_on=row["held_on"],
        half_day=row["half_day"],
    )
    allowed = (
        taken["same"] is None
        and taken["of_person"] < POLICY.per_person_per_day
        and taken["of_account"] < POLICY.per_account_per_day
        and await clock.now() < row["ends_at"]
    )
    if not allowed:
        return False
    number = await NUMBER_FLOW.try_move(row["number_id"], NumberStatus.HELD)
    if number is None:
        return False
    await APPOINTMENT_FLOW.move(appointment_id, AppointmentStatus.HELD)
    return True


async def _close(actor: Actor, appointment_id: UUID, person_id: UUID) -> None:
    await APPOINTMENT_FLOW.move(appointment_id, AppointmentStatus.CLOSED_LATE_PAY, ended_at=await clock.now())
    await emit(actor, AppointmentClosedLatePay(appointment_id=appointment_id, person_id=person_id))


async def expire_holds() -> int:
    """Give back the places of holds that ran out. Each in a transaction of its own; any number may sweep."""
    actor = system("sweeper")
    return sum([await expire_hold(actor, appointment_id=found) for found in await holds_over(actor)])


@action
async def holds_over(actor: Actor) -> list[UUID]:
    rows = await fetch(
        "SELECT id FROM appointment WHERE status = 'held' AND expires_at <= jiuyi.now()"
        " ORDER BY expires_at LIMIT $1",
        EXPIRED_AT_ONCE_MAX,
    )
    return [row["id"] for row in rows]


@action
async def expire_hold(actor: Actor, *, appointment_id: UUID) -> bool:
    """End one hold that ran out. A hold whose bill is paid already is left: it is about to be booked."""
    row = await fetch_one(
        "SELECT * FROM appointment WHERE id = $1 AND status = 'held' AND expires_at <= jiuyi.now()"
        " FOR UPDATE SKIP LOCKED",
        appointment_id,
    )
    if row is None:
        return False
    if row["bill_id"] is not None and not await _bill_ended(actor, row["bill_id"]):
        return False
    await APPOINTMENT_FLOW.move(appointment_id, AppointmentStatus.EXPIRED, ended_at=await clock.now())
    await give_back(row["number_id"])
    await emit(
        actor,
        AppointmentExpired(
            appointment_id=appointment_id, person_id=row["person_id"], session_id=row["session_id"]
        ),
    )
    return True


async def _bill_ended(actor: Actor, bill_id: UUID) -> bool:
    if await expire_bill(actor, bill_id=bill_id):
        return True
    bill = await bill_view(actor, bill_id=bill_id)
    return bill.status in (BillStatus.EXPIRED, BillStatus.CANCELLED)
