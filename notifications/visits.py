"""What a phone hears of bookings, bills, reports and drugs: that there is something to look at."""

from app.billing.events import BillPaid, RefundSucceeded
from app.kernel.actor import Actor
from app.kernel.events import Event
from app.laboratory.events import ResultReleased
from app.orders.events import OrdersSubmitted
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
    AppointmentExpired,
)
from app.patients.queries import Scope
from app.pharmacy.events import PrescriptionReady
from notifications.inbox import tell_phones


async def booked(actor: Actor, fact: AppointmentBooked, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="预约成功，请按时签到",
        ref_id=fact.appointment_id,
        event=event,
        scope=Scope.BOOK,
    )


async def expired(actor: Actor, fact: AppointmentExpired, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="未在时限内支付，号源已释放",
        ref_id=fact.appointment_id,
        event=event,
        scope=Scope.BOOK,
    )


async def cancelled(actor: Actor, fact: AppointmentCancelled, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="预约已取消",
        ref_id=fact.appointment_id,
        event=event,
        scope=Scope.BOOK,
    )


async def closed_late_pay(actor: Actor, fact: AppointmentClosedLatePay, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="支付时号源已释放，费用将原路退回",
        ref_id=fact.appointment_id,
        event=event,
        scope=Scope.BOOK,
    )


async def owed(actor: Actor, fact: OrdersSubmitted, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="医生已开单，请缴费",
        ref_id=fact.bill_id,
        event=event,
        scope=Scope.PAY,
    )


async def paid(actor: Actor, fact: BillPaid, event: Event) -> None:
    if fact.kind != "registration":  # the booking tells that one
        await tell_phones(
            actor,
            person_id=fact.person_id,
            title="缴费成功",
            ref_id=fact.bill_id,
            event=event,
            scope=Scope.PAY,
        )


async def refunded(actor: Actor, fact: RefundSucceeded, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="退款已按原支付方式退回",
        ref_id=fact.bill_id,
        event=event,
        scope=Scope.PAY,
    )


async def released(actor: Actor, fact: ResultReleased, event: Event) -> None:
    await tell_phones(
        actor, person_id=fact.person_id, title="检验报告已发布，请查看", ref_id=fact.report_id, event=event
    )


async def ready(actor: Actor, fact: PrescriptionReady, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="药品已备好，请到窗口取药",
        ref_id=fact.prescription_id,
        event=event,
    )
