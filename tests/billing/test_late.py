"""Ends, late money and double payment: C1 to C5 of docs/algorithms/payments.md."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.billing import arrivals
from app.billing.channel import Outcome, Success, Trade, TradeState
from app.billing.channels import channel
from app.billing.charges import cancel_bill, expire_bill, expire_bills
from app.billing.late import NothingLate, refund_late, refund_undecided, revive_bill
from app.billing.payments import start_attempt
from app.billing.queries import AttemptView, attempt_view
from app.billing.resolving import end_attempt, sweep_attempts
from app.billing.rules import Arrival
from app.billing.tables import BillKind, ChannelName, PayMethod
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action
from tests.billing.conftest import SIMULATOR, PayingHospital
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")
JSAPI = PayMethod.WECHAT_JSAPI


@action
async def in_minutes(actor: Actor, *, minutes: float) -> Any:
    return await clock.now() + timedelta(minutes=minutes)


async def held(hospital: PayingHospital, *, kind: BillKind = BillKind.REGISTRATION) -> tuple[Any, UUID]:
    """(payer, bill) that must be paid within 15 minutes."""
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id, kind=kind, expires_at=await in_minutes(TEST, minutes=15))
    return payer, bill_id


async def paid_unheard(
    hospital: PayingHospital, payer: make.Payer, bill_id: UUID, method: PayMethod = JSAPI
) -> AttemptView:
    """Paid at the channel, which keeps its notice back."""
    attempt = await hospital.start(payer, bill_id, method)
    await hospital.fault(attempt.channel, "withhold", reference=attempt.id.hex)
    await hospital.tap(payer, attempt)
    return attempt


async def facts(bill_id: UUID) -> list[str]:
    return await value(
        "SELECT array_agg(kind ORDER BY aggregate_version) FROM event WHERE aggregate_id = $1", bill_id
    )


async def refunds(bill_id: UUID) -> int:
    return await value("SELECT count(*) FROM refund WHERE bill_id = $1", bill_id)


async def test_c1_an_unpaid_order_is_asked_closed_and_its_bill_expires(hospital: PayingHospital) -> None:
    payer, bill_id = await held(hospital)
    attempt = await hospital.start(payer, bill_id)
    assert await expire_bills() == 0  # an order that can still be paid keeps its bill
    await hospital.forward(minutes=16)
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "closed"
    assert (await hospital.bill(bill_id)).status == "expired"
    assert (await hospital.order_at(attempt.id))["state"] == "CLOSED"
    assert await value("SELECT fulfilment FROM charge WHERE bill_id = $1", bill_id) == "void"
    assert (await facts(bill_id))[-1] == "bill.expired"
    await hospital.assert_books_agree()


async def test_c1_a_cancelled_bill_closes_its_order_at_the_channel(hospital: PayingHospital) -> None:
    payer, bill_id = await held(hospital)
    attempt = await hospital.start(payer, bill_id)
    await cancel_bill(TEST, bill_id=bill_id)
    await cancel_bill(TEST, bill_id=bill_id)
    await sweep_attempts()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "closed"
    assert (await hospital.order_at(attempt.id))["state"] == "CLOSED"


async def test_c2_a_closing_that_meets_a_payment_books_it(
    hospital: PayingHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer, bill_id = await held(hospital)
    attempt = await paid_unheard(hospital, payer, bill_id)
    await hospital.forward(minutes=16)
    adapter = channel(ChannelName.WECHAT)
    truth, asked = adapter.query, []

    async def a_moment_ago(out_trade_no: str) -> Outcome[Trade]:
        """The first answer is from just before the payer tapped."""
        asked.append(out_trade_no)
        if len(asked) == 1:
            return Success(Trade(out_trade_no=out_trade_no, state=TradeState.UNPAID))
        return await truth(out_trade_no)

    monkeypatch.setattr(adapter, "query", a_moment_ago)
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "succeeded"
    assert (await hospital.bill(bill_id)).status == "paid"
    await hospital.assert_books_agree()


async def late(
    hospital: PayingHospital, *, kind: BillKind = BillKind.REGISTRATION
) -> tuple[UUID, AttemptView]:
    """A bill that expired before we heard that it had been paid."""
    payer, bill_id = await held(hospital, kind=kind)
    attempt = await paid_unheard(hospital, payer, bill_id)
    await hospital.forward(minutes=16)
    assert await expire_bill(TEST, bill_id=bill_id)
    assert not await expire_bill(TEST, bill_id=bill_id)
    suspense = (await hospital.books()).suspense_fen
    await hospital.sweep()
    attempt = await attempt_view(TEST, attempt_id=attempt.id)
    assert attempt.status in ("succeeded_late", "refunded")
    if kind is BillKind.REGISTRATION:
        assert (await hospital.books()).suspense_fen == suspense + 1234
    return bill_id, attempt


async def test_c3_late_money_revives_the_bill_where_the_subject_says_so(hospital: PayingHospital) -> None:
    bill_id, attempt = await late(hospital)
    assert (await facts(bill_id))[-1] == "bill.paid_late"
    await revive_bill(TEST, bill_id=bill_id)
    with pytest.raises(NothingLate):
        await revive_bill(TEST, bill_id=bill_id)
    await refund_late(TEST, bill_id=bill_id)  # the other answer comes too late and changes nothing
    assert (await hospital.bill(bill_id)).status == "paid"
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "succeeded"
    assert (await facts(bill_id))[-1] == "bill.paid"
    assert await refunds(bill_id) == 0
    await hospital.assert_books_agree()


async def test_c3_late_money_goes_back_once_where_it_came_in_vain(hospital: PayingHospital) -> None:
    bill_id, attempt = await late(hospital)
    await refund_late(TEST, bill_id=bill_id)
    await refund_late(TEST, bill_id=bill_id)
    with pytest.raises(NothingLate):
        await revive_bill(TEST, bill_id=bill_id)
    await hospital.finish_refunds()
    assert await refunds(bill_id) == 1
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "refunded"
    assert (await hospital.bill(bill_id)).status == "expired"
    assert (await hospital.order_at(attempt.id))["refunded_fen"] == 1234
    assert (await facts(bill_id))[-2:] == ["refund.requested", "refund.succeeded"]
    await hospital.assert_books_agree()


async def test_c3_late_money_that_nobody_decides_about_goes_back(hospital: PayingHospital) -> None:
    bill_id, _ = await late(hospital)
    assert await refund_undecided() == 0
    await hospital.forward(minutes=11)
    assert await refund_undecided() == 1
    assert await refunds(bill_id) == 1
    await hospital.finish_refunds()


async def test_c3_late_money_for_orders_or_a_cancelled_bill_goes_back_by_itself(
    hospital: PayingHospital,
) -> None:
    bill_id, _ = await late(hospital, kind=BillKind.OUTPATIENT)
    assert "bill.paid_in_vain" in await facts(bill_id)
    payer, cancelled = await held(hospital)
    await paid_unheard(hospital, payer, cancelled)
    await cancel_bill(TEST, bill_id=cancelled)
    await hospital.sweep()
    await hospital.finish_refunds()
    assert (await refunds(bill_id), await refunds(cancelled)) == (1, 1)
    await hospital.assert_books_agree()


async def test_c3_money_of_a_closed_attempt_settles_a_bill_that_is_still_open(
    hospital: PayingHospital,
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await paid_unheard(hospital, payer, bill_id)
    await end_attempt(TEST, attempt_id=attempt.id, cause="test")
    await hospital.platforms.call(SIMULATOR["wechat"], "POST", "/notices/release")
    await hospital.until(attempt.id, "succeeded")
    assert (await hospital.bill(bill_id)).status == "paid"
    await hospital.assert_books_agree()


async def test_c4_a_qr_nobody_scanned_is_not_closed_before_its_end(hospital: PayingHospital) -> None:
    payer = await hospital.payer("alipay")
    bill_id = await make.bill(payer.person_id, expires_at=await in_minutes(TEST, minutes=15))
    attempt = await hospital.start(payer, bill_id, PayMethod.ALIPAY_QR)
    for minutes in (1, 13):
        await hospital.forward(minutes=minutes)
        await hospital.sweep()
        assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "awaiting_payer"
    await hospital.forward(minutes=1, seconds=10)  # its end has come, but a scan may be under way
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "awaiting_payer"
    await hospital.forward(seconds=30)
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "closed"
    assert (await hospital.bill(bill_id)).status == "expired"


async def paid_twice(hospital: PayingHospital) -> tuple[UUID, AttemptView, AttemptView]:
    payer = await hospital.payer()
    other = await hospital.payer("alipay")
    bill_id = await make.bill(payer.person_id)
    first = await hospital.start(payer, bill_id)
    second_id = await start_attempt(TEST, bill_id=bill_id, method=PayMethod.ALIPAY_QR)
    second = await hospital.start(payer, bill_id, PayMethod.ALIPAY_QR)
    assert second.id == second_id
    await hospital.tap(payer, first)
    await hospital.tap(other, second)
    first = await hospital.until(first.id, "succeeded", "succeeded_late")
    second = await hospital.until(second.id, "succeeded", "succeeded_late")
    return bill_id, first, second


async def test_c5_of_two_payments_one_counts_and_the_other_goes_back_once(hospital: PayingHospital) -> None:
    bill_id, first, second = await paid_twice(hospital)
    assert {first.status, second.status} == {"succeeded", "succeeded_late"}
    await hospital.finish_refunds()
    await hospital.run_jobs()
    assert await refunds(bill_id) == 1
    bill = await hospital.bill(bill_id)
    assert (bill.status, bill.refunded_fen) == ("paid", 0)
    assert (await facts(bill_id)).count("bill.paid") == 1
    extra = first if first.status == "succeeded_late" else second
    assert (await attempt_view(TEST, attempt_id=extra.id)).status == "refunded"
    await hospital.assert_books_agree()


async def test_c5_control_without_the_rule_the_second_payment_is_not_taken(
    hospital: PayingHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were every payment said to settle its bill, the second one could not be booked: books disagree."""
    monkeypatch.setattr(arrivals, "arrival", lambda *_: Arrival.SETTLES)
    with pytest.raises(AssertionError, match="still"):
        await paid_twice(hospital)
    with pytest.raises(AssertionError):
        await hospital.assert_books_agree()
