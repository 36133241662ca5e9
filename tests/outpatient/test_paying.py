"""From a hold to a booked place by money alone; money that comes late; holds that run out."""

from datetime import date, time, timedelta
from uuid import UUID

import pytest

from app.billing.charges import Line, expire_bills, open_bill
from app.billing.events import BillPaid, BillPaidLate
from app.billing.tables import BillKind
from app.kernel.actor import Actor, system
from app.kernel.database import action
from app.kernel.ids import new_id
from app.outpatient.booking import AppointmentNotFound, cancel_appointment, hold_appointment
from app.outpatient.paying import (
    HoldOver,
    NothingToPay,
    book_when_paid,
    expire_holds,
    settle_late_payment,
    start_appointment_payment,
)
from app.outpatient.rules import POLICY, at
from tests.make import identity, patients, payment, visit
from tests.make.rows import value

SYSTEM = system("test")


class Held:
    """A family with a hold on a window's only number, and its bill open."""

    def __init__(self, actor: Actor, made: visit.Session, appointment_id: UUID, bill_id: UUID) -> None:
        self.actor = actor
        self.made = made
        self.appointment_id = appointment_id
        self.bill_id = bill_id

    @property
    async def status(self) -> str:
        return await value("SELECT status FROM appointment WHERE id = $1", self.appointment_id)

    @property
    async def number(self) -> str:
        return await value("SELECT status FROM number WHERE id = $1", self.made.numbers[0][0])

    @property
    async def bill(self) -> str:
        return await value("SELECT status FROM bill WHERE id = $1", self.bill_id)

    @property
    async def refunds(self) -> int:
        return await value("SELECT count(*) FROM refund WHERE bill_id = $1", self.bill_id)

    async def run_out(self) -> None:
        await visit.set_clock(await visit.now() + POLICY.hold)
        assert await expire_holds() == 1


async def held(**session: object) -> Held:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(), capacity=1, **session)  # type: ignore[arg-type] - as session() takes them
    appointment_id = await hold_appointment(
        actor,
        session_id=made.id,
        window_id=made.windows[0],
        person_id=await patients.bound_person(actor),
    )
    bill_id = await start_appointment_payment(actor, appointment_id=appointment_id)
    return Held(actor, made, appointment_id, bill_id)


async def test_the_bill_opens_when_payment_starts_and_ends_with_the_hold(db: str) -> None:
    one = await held()
    assert await value("SELECT amount_fen FROM bill WHERE id = $1", one.bill_id) == 5000
    assert await value("SELECT expires_at FROM bill WHERE id = $1", one.bill_id) == await value(
        "SELECT expires_at FROM appointment WHERE id = $1", one.appointment_id
    )
    assert await start_appointment_payment(one.actor, appointment_id=one.appointment_id) == one.bill_id


async def test_a_price_that_changes_during_a_hold_does_not_change_what_was_shown(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(), capacity=1)
    appointment_id = await hold_appointment(
        actor,
        session_id=made.id,
        window_id=made.windows[0],
        person_id=await patients.bound_person(actor),
    )
    fee = await value("SELECT fee_fen FROM appointment WHERE id = $1", appointment_id)
    await value(
        "UPDATE priced_item SET unit_price_micro_yuan = unit_price_micro_yuan * 2"
        " WHERE id = (SELECT item_id FROM appointment WHERE id = $1) RETURNING 1",
        appointment_id,
    )
    bill_id = await start_appointment_payment(actor, appointment_id=appointment_id)
    assert await value("SELECT amount_fen FROM bill WHERE id = $1", bill_id) == fee > 0


async def test_paid_is_booked_and_nothing_else_is(db: str) -> None:
    one = await held()
    assert await one.status == "held"
    await payment.pay(one.bill_id)
    assert (await one.status, await one.number, await one.bill) == ("booked", "booked", "paid")
    await payment.deliver()
    assert await value("SELECT count(*) FROM event WHERE kind = 'appointment.booked'") == 1
    assert await value("SELECT count(*) FROM timeline_entry WHERE kind = 'appointment.booked'") == 1


async def test_bills_of_others_book_nothing(db: str) -> None:
    place = await visit.clinic()
    bill_id = await open_bill(
        SYSTEM,
        person_id=await patients.person(),
        kind=BillKind.OUTPATIENT,
        subject_kind="something_else",
        subject_id=new_id(),
        lines=[Line(item_id=place.item_id, source_id=new_id())],
        expires_at=await visit.now(),
    )
    await expire_bills()
    await payment.pay(bill_id)
    assert await value("SELECT count(*) FROM event WHERE kind LIKE 'appointment.%'") == 0


async def test_a_hold_that_is_over_cannot_start_to_pay(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic())
    appointment_id = await hold_appointment(
        actor, session_id=made.id, window_id=made.windows[0], person_id=await patients.bound_person(actor)
    )
    await visit.set_clock(await visit.now() + POLICY.hold)
    with pytest.raises(HoldOver):
        await start_appointment_payment(actor, appointment_id=appointment_id)


async def test_a_free_one_has_nothing_to_pay(db: str) -> None:
    actor = await identity.account_actor()
    made = await visit.session(await visit.clinic(fee_fen=0))
    appointment_id = await visit.booked(actor, made, person_id=await patients.bound_person(actor))
    with pytest.raises(NothingToPay):
        await start_appointment_payment(actor, appointment_id=appointment_id)


async def test_a_hold_ends_at_its_instant_not_before(db: str) -> None:
    one = await held()
    ends = await visit.now() + POLICY.hold
    await visit.set_clock(ends - timedelta(microseconds=1))
    assert await expire_holds() == 0
    await visit.set_clock(ends)
    assert await expire_holds() == 1
    assert (await one.status, await one.number, await one.bill) == ("expired", "recycling", "expired")
    assert await expire_holds() == 0
    free_at = await value("SELECT free_at FROM number WHERE id = $1", one.made.numbers[0][0])
    assert POLICY.recycle_min <= free_at - ends <= POLICY.recycle_max


async def test_a_hold_without_a_bill_ends_too(db: str) -> None:
    made = await visit.session(await visit.clinic())
    await hold_appointment(
        SYSTEM, session_id=made.id, window_id=made.windows[0], person_id=await patients.person()
    )
    await visit.set_clock(await visit.now() + POLICY.hold)
    assert await expire_holds() == 1


async def test_a_bill_that_expired_first_ends_the_hold_as_well(db: str) -> None:
    one = await held()
    await visit.set_clock(await visit.now() + POLICY.hold)
    await expire_bills()
    assert await expire_holds() == 1
    assert await one.status == "expired"


async def test_a_hold_whose_money_came_in_time_is_not_expired_before_it_is_booked(db: str) -> None:
    one = await held()
    await value("UPDATE bill SET status = 'paid' WHERE id = $1 RETURNING 1", one.bill_id)
    await visit.set_clock(await visit.now() + POLICY.hold)
    assert await expire_holds() == 0
    assert await one.status == "held"


async def test_late_money_takes_the_same_number_again(db: str) -> None:
    one = await held()
    out_trade_no = await payment.attempt(one.bill_id)
    await one.run_out()
    await payment.arrive(out_trade_no, one.bill_id)
    assert (await one.status, await one.number, await one.bill) == ("booked", "booked", "paid")
    assert await one.refunds == 0
    await payment.arrive(out_trade_no, one.bill_id)
    assert await value("SELECT count(*) FROM event WHERE kind = 'appointment.booked'") == 1


async def test_late_money_goes_back_when_another_has_the_number(db: str) -> None:
    one = await held()
    out_trade_no = await payment.attempt(one.bill_id)
    await one.run_out()
    await visit.set_clock(await visit.now() + POLICY.recycle_max)
    await hold_appointment(
        SYSTEM, session_id=one.made.id, window_id=one.made.windows[0], person_id=await patients.person()
    )
    await payment.arrive(out_trade_no, one.bill_id)
    assert (await one.status, await one.number) == ("closed_late_pay", "held")
    assert await one.refunds == 1
    await payment.arrive(out_trade_no, one.bill_id)
    assert await one.refunds == 1


async def test_late_money_goes_back_when_the_person_has_another_place(db: str) -> None:
    one = await held()
    out_trade_no = await payment.attempt(one.bill_id)
    await one.run_out()
    person_id = await value("SELECT person_id FROM appointment WHERE id = $1", one.appointment_id)
    department_id = await value("SELECT department_id FROM appointment WHERE id = $1", one.appointment_id)
    held_on = await value("SELECT held_on FROM appointment WHERE id = $1", one.appointment_id)
    second = await visit.session(await visit.clinic(department_id=department_id), held_on=held_on)
    await hold_appointment(SYSTEM, session_id=second.id, window_id=second.windows[0], person_id=person_id)
    await payment.arrive(out_trade_no, one.bill_id)
    assert (await one.status, await one.number) == ("closed_late_pay", "recycling")
    assert await one.refunds == 1


async def test_late_money_goes_back_when_the_window_is_over(db: str) -> None:
    day = date(2026, 3, 2)
    await visit.set_clock(at(day, time(8)))
    one = await held(held_on=day, starts=time(8, 5))
    out_trade_no = await payment.attempt(one.bill_id)
    await one.run_out()
    await visit.set_clock(at(day, time(8, 35)))
    await payment.arrive(out_trade_no, one.bill_id)
    assert await one.status == "closed_late_pay"
    assert await one.refunds == 1


async def test_money_for_a_given_up_hold_goes_back(db: str) -> None:
    one = await held()
    out_trade_no = await payment.attempt(one.bill_id)
    await cancel_appointment(one.actor, appointment_id=one.appointment_id)
    assert await one.bill == "cancelled"
    await payment.arrive(out_trade_no, one.bill_id)
    assert await one.refunds == 1
    assert await one.number == "recycling"


async def test_cancelling_a_paid_place_returns_the_fee(db: str) -> None:
    one = await held()
    await payment.pay(one.bill_id)
    await cancel_appointment(one.actor, appointment_id=one.appointment_id)
    assert (await one.status, await one.number) == ("cancelled", "recycling")
    assert await one.refunds == 1
    await payment.deliver()
    assert await value("SELECT count(*) FROM timeline_entry WHERE kind = 'appointment.cancelled'") == 1


async def test_a_paid_bill_of_an_expired_hold_is_returned(db: str) -> None:
    """Cannot be by our own doing; if it is nevertheless, the money does not stay."""
    one = await held()
    await payment.pay(one.bill_id)
    await value("UPDATE appointment SET status = 'expired' WHERE id = $1 RETURNING 1", one.appointment_id)
    person_id = await value("SELECT person_id FROM appointment WHERE id = $1", one.appointment_id)
    told = BillPaid(
        bill_id=one.bill_id,
        kind=BillKind.REGISTRATION,
        subject_kind="appointment",
        subject_id=one.appointment_id,
        person_id=person_id,
        amount_fen=5000,
    )

    @action
    async def hear(actor: Actor) -> None:
        await book_when_paid(actor, told, None)  # type: ignore[arg-type] - the event is not looked at

    await hear(SYSTEM)
    assert await one.status == "closed_late_pay"
    assert await one.refunds == 1


@pytest.mark.parametrize("late", [False, True], ids=["paid in time", "paid late"])
async def test_a_bill_of_an_appointment_that_is_none_is_loud(db: str, late: bool) -> None:
    kind = BillPaidLate if late else BillPaid
    hear = settle_late_payment if late else book_when_paid
    told = kind(
        bill_id=new_id(),
        kind=BillKind.REGISTRATION,
        subject_kind="appointment",
        subject_id=new_id(),
        person_id=new_id(),
        amount_fen=5000,
    )

    @action
    async def deliver(actor: Actor) -> None:
        await hear(actor, told, None)  # type: ignore[arg-type] - the event is not looked at

    with pytest.raises(AppointmentNotFound):
        await deliver(SYSTEM)


@pytest.mark.parametrize("status", ["booked", "closed_late_pay"])
async def test_late_money_that_was_settled_is_told_again_in_vain(db: str, status: str) -> None:
    one = await held()
    await value("UPDATE appointment SET status = $2 WHERE id = $1 RETURNING 1", one.appointment_id, status)

    @action
    async def deliver(actor: Actor) -> None:
        for subject_kind in ("appointment", "something_else"):
            told = BillPaidLate(
                bill_id=one.bill_id,
                kind=BillKind.REGISTRATION,
                subject_kind=subject_kind,
                subject_id=one.appointment_id,
                person_id=new_id(),
                amount_fen=5000,
            )
            await settle_late_payment(actor, told, None)  # type: ignore[arg-type] - not looked at

    await deliver(SYSTEM)
    assert await one.status == status
    assert await one.refunds == 0
