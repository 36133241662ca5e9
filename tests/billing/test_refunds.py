"""Money goes back exactly once, and never more than came: R1 to R6 of docs/algorithms/payments.md."""

import asyncio
from uuid import UUID

import pytest

from app.billing.charges import ChargeNotPaid, ChargeTaken, charge_fulfil
from app.billing.queries import BillView
from app.billing.refunds import BillNotPaid, RefundNotHere, RefundTooMuch, request_refund
from app.billing.tables import PayMethod
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from tests.billing.conftest import PayingHospital
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")
METHODS = [
    pytest.param(PayMethod.WECHAT_JSAPI, id="wechat"),
    pytest.param(PayMethod.ALIPAY_MINI, id="alipay"),
]


async def paid(
    hospital: PayingHospital,
    *prices: int,
    method: PayMethod = PayMethod.WECHAT_JSAPI,
) -> BillView:
    payer = await hospital.payer(method.split("_")[0])
    bill_id = await make.bill(payer.person_id, prices=prices or (12_340_000,))
    await hospital.pay(payer, bill_id, method)
    return await hospital.bill(bill_id)


async def attempt_of(bill_id: UUID) -> UUID:
    return await value("SELECT id FROM attempt WHERE bill_id = $1", bill_id)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", ["lose_reply", "lose_request", "error_after", "forged_reply"])
async def test_r1_a_refund_without_an_answer_is_asked_about_and_happens_once(
    hospital: PayingHospital, method: PayMethod, fault: str
) -> None:
    bill = await paid(hospital, method=method)
    channel = method.split("_")[0]
    endpoint = {"wechat": "refund", "alipay": "alipay.trade.refund"}[channel]
    await hospital.fault(channel, fault, endpoint=endpoint)
    await hospital.fault(channel, "withhold")  # a notice may be faster than the look at the status below
    refund_id = await request_refund(TEST, bill_id=bill.id)
    await hospital.run_jobs()
    assert await value("SELECT status FROM refund WHERE id = $1", refund_id) == "unknown"
    await hospital.finish_refunds()
    order = await hospital.order_at(await attempt_of(bill.id))
    assert [refund["amount_fen"] for refund in order["refunds"]] == [1234]
    assert (await hospital.bill(bill.id)).status == "refunded"
    await hospital.assert_books_agree()


async def test_r1_control_with_a_new_number_each_time_it_would_happen_twice(hospital: PayingHospital) -> None:
    """What the kept number protects from: under another one the channel refunds again."""
    bill = await paid(hospital, 10_000_000, 10_000_000)
    await hospital.fault("wechat", "lose_reply", endpoint="refund")
    refund_id = await request_refund(TEST, bill_id=bill.id, source_ids=[bill.lines[0].source_id])
    await hospital.run_jobs()
    renumbered = "UPDATE refund SET out_refund_no = $2, status = 'requested' WHERE id = $1 RETURNING id"
    await value(renumbered, refund_id, new_id().hex)
    await hospital.forward(seconds=61)
    await hospital.finish_refunds()
    order = await hospital.order_at(await attempt_of(bill.id))
    assert len(order["refunds"]) == 2
    await asyncio.sleep(1.5)
    with pytest.raises(AssertionError):
        await hospital.assert_books_agree()
    # Mend the books of this module for the tests that follow.
    await value("UPDATE attempt SET refunding_fen = 1000 WHERE bill_id = $1 RETURNING id", bill.id)


@pytest.mark.parametrize("method", METHODS)
async def test_r2_two_equal_partial_refunds_are_two(hospital: PayingHospital, method: PayMethod) -> None:
    bill = await paid(hospital, 10_000_000, 10_000_000, 5_000_000, method=method)
    for line in bill.lines[:2]:
        assert await request_refund(TEST, bill_id=bill.id, source_ids=[line.source_id]) is not None
    await hospital.run_jobs()
    await hospital.forward(seconds=61)  # the channel wants a minute between two refunds of an order
    await hospital.finish_refunds()
    after = await hospital.bill(bill.id)
    assert (after.status, after.refunded_fen, after.amount_fen) == ("part_refunded", 2000, 2500)
    order = await hospital.order_at(await attempt_of(bill.id))
    assert [refund["amount_fen"] for refund in order["refunds"]] == [1000, 1000]


async def test_r3_concurrent_refunds_never_exceed_what_was_paid(hospital: PayingHospital) -> None:
    bill = await paid(hospital)
    asked = await asyncio.gather(
        *(request_refund(TEST, bill_id=bill.id) for _ in range(5)), return_exceptions=True
    )
    refused = [outcome for outcome in asked if isinstance(outcome, DomainError)]
    given = {outcome for outcome in asked if isinstance(outcome, UUID)}
    assert len(given) == 1
    assert len(refused) + asked.count(None) == 4
    await hospital.finish_refunds()
    assert (await hospital.order_at(await attempt_of(bill.id)))["refunded_fen"] == 1234


async def test_r3_the_attempt_itself_refuses_more_than_was_paid(hospital: PayingHospital) -> None:
    bill = await paid(hospital, 10_000_000, 5_000_000)
    await value("UPDATE attempt SET refunding_fen = 1400 WHERE bill_id = $1 RETURNING id", bill.id)
    with pytest.raises(RefundTooMuch):
        await request_refund(TEST, bill_id=bill.id)
    assert await value("SELECT count(*) FROM refund WHERE bill_id = $1", bill.id) == 0
    states = "SELECT array_agg(DISTINCT fulfilment) FROM charge WHERE bill_id = $1"
    assert await value(states, bill.id) == ["pending"]


@pytest.mark.parametrize(("fault", "status"), [("refund_abnormal", "abnormal"), ("refund_closed", "failed")])
async def test_r5_a_refund_that_does_not_arrive_is_not_shown_as_done(
    hospital: PayingHospital, fault: str, status: str
) -> None:
    bill = await paid(hospital)
    attempt_id = await attempt_of(bill.id)
    await hospital.fault("wechat", fault, reference=attempt_id.hex)
    refund_id = await request_refund(TEST, bill_id=bill.id)
    await hospital.finish_refunds()
    after = await hospital.bill(bill.id)
    assert (after.status, after.refunded_fen, after.refunds[0].status) == ("paid", 0, status)
    alarm = "SELECT code FROM pay_alarm WHERE attempt_id = $1"
    assert await value(alarm, attempt_id) == f"refund_{status}"
    owed = "SELECT sum(amount_fen) FROM journal_leg WHERE account = 'refund_payable' AND subject_id = $1"
    assert await value(owed, refund_id) == -1234  # we owe it still


async def test_execution_and_refund_race_for_a_charge(hospital: PayingHospital) -> None:
    bill = await paid(hospital, 10_000_000, 5_000_000)
    first, second = (line.source_id for line in bill.lines)
    await charge_fulfil(TEST, source_id=first)
    with pytest.raises(ChargeTaken):
        await request_refund(TEST, bill_id=bill.id)
    assert await request_refund(TEST, bill_id=bill.id, source_ids=[second]) is not None
    with pytest.raises(ChargeTaken):
        await charge_fulfil(TEST, source_id=second)
    with pytest.raises(ChargeTaken):
        await charge_fulfil(TEST, source_id=first)
    outcomes = await asyncio.gather(
        *(charge_and_refund(source, bill.id) for source in [(await paid(hospital)).lines[0].source_id])
    )
    assert outcomes == [1]
    await hospital.finish_refunds()


async def charge_and_refund(source_id: UUID, _: UUID) -> int:
    """How many of execution and refund got the charge, asked at the same moment."""
    bill_id = await value("SELECT bill_id FROM charge WHERE source_id = $1", source_id)
    outcomes = await asyncio.gather(
        charge_fulfil(TEST, source_id=source_id),
        request_refund(TEST, bill_id=bill_id),
        return_exceptions=True,
    )
    return sum(not isinstance(outcome, DomainError) for outcome in outcomes)


async def test_what_is_not_paid_is_neither_executed_nor_refunded(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    line = (await hospital.bill(bill_id)).lines[0]
    with pytest.raises(ChargeNotPaid):
        await charge_fulfil(TEST, source_id=line.source_id)
    with pytest.raises(ChargeNotPaid):
        await charge_fulfil(TEST, source_id=new_id())
    with pytest.raises(BillNotPaid):
        await request_refund(TEST, bill_id=bill_id)


async def test_a_terminal_refunds_nothing(hospital: PayingHospital) -> None:
    bill = await paid(hospital)
    kiosk = Actor(kind=ActorKind.DEVICE, id=new_id(), channel="kiosk")
    with pytest.raises(RefundNotHere):
        await request_refund(kiosk, bill_id=bill.id)


async def test_a_free_bill_is_given_back_without_a_channel(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id, prices=(0,))
    assert await request_refund(TEST, bill_id=bill_id) is None
    assert (await hospital.bill(bill_id)).status == "refunded"


async def test_another_bills_charge_is_not_refunded_with_this_one(hospital: PayingHospital) -> None:
    bill, other = await paid(hospital), await paid(hospital)
    with pytest.raises(BillNotPaid):
        await request_refund(TEST, bill_id=bill.id, source_ids=[other.lines[0].source_id])
