"""A bill is paid once: P1 to P6 of docs/algorithms/payments.md."""

import asyncio

import httpx
import pytest

from app.billing import payments
from app.billing.charges import BillNotFound
from app.billing.payments import (
    BillNotPayable,
    NoPayer,
    PaymentInProgress,
    TooLateToPay,
    start_attempt,
    submit_attempt,
)
from app.billing.queries import attempt_view
from app.billing.tables import PayMethod
from app.kernel import clock
from app.kernel.actor import system
from app.kernel.database import action
from tests.billing.conftest import PayingHospital
from tests.make import billing as make
from tests.make import identity
from tests.make.rows import value

pytestmark = pytest.mark.commits

METHODS = [pytest.param(method, id=str(method)) for method in PayMethod]
TEST = system("test")


def platform_of(method: PayMethod) -> str:
    return "wechat" if method.startswith("wechat") else "alipay"


@pytest.mark.parametrize("method", METHODS)
async def test_a_bill_is_paid_by_every_method(hospital: PayingHospital, method: PayMethod) -> None:
    payer = await hospital.payer(platform_of(method))
    bill_id = await make.bill(payer.person_id)
    await hospital.pay(payer, bill_id, method)
    bill = await hospital.bill(bill_id)
    assert (bill.status, bill.amount_fen) == ("paid", 1234)
    await hospital.assert_books_agree()


async def http_pay(
    hospital: PayingHospital, payer: make.Payer, bill_id: object, **how: str
) -> httpx.Response:
    """What a phone sends; `key` names the command, `channel` the way to pay."""
    token = await identity.account_token(payer.actor.id)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": how.pop("key", "one-and-only")}
    async with httpx.AsyncClient(base_url=hospital.url, timeout=15, trust_env=False) as phone:
        path = f"/api/mini-program/v1/bills/{bill_id}/payments"
        return await phone.post(path, json=how, headers=headers)


async def test_p1_one_key_many_times_is_one_order_and_one_answer(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    replies = await asyncio.gather(
        *(http_pay(hospital, payer, bill_id, key="p1-key-0001", channel="wechat_jsapi") for _ in range(8))
    )
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.text for reply in replies}) == 1
    assert replies[0].json()["pay_params"]["package"].startswith("prepay_id=")
    assert await value("SELECT count(*) FROM attempt WHERE bill_id = $1", bill_id) == 1


async def test_p2_one_key_for_another_body_is_refused(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    first = await http_pay(hospital, payer, bill_id, key="p2-key-0001", channel="wechat_jsapi")
    other = await http_pay(hospital, payer, bill_id, key="p2-key-0001", channel="alipay_mini")
    assert first.status_code == 201
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await value("SELECT count(*) FROM attempt WHERE bill_id = $1", bill_id) == 1


async def test_p3_two_terminals_share_one_live_attempt_per_channel(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    started = await asyncio.gather(
        *(start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI) for _ in range(5))
    )
    assert len(set(started)) == 1
    with pytest.raises(PaymentInProgress):
        await start_attempt(TEST, bill_id=bill_id, method=PayMethod.WECHAT_NATIVE)
    # The other channel may race; that both pay is another story (C5).
    other = await start_attempt(TEST, bill_id=bill_id, method=PayMethod.ALIPAY_QR)
    assert other not in started


async def test_p4_a_client_cannot_say_the_amount(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    reply = await http_pay(hospital, payer, bill_id, channel="wechat_jsapi", amount_fen="1")
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed")
    attempt = await hospital.start(payer, bill_id)
    assert (await hospital.order_at(attempt.id))["amount_fen"] == 1234


async def test_p5_a_lost_answer_is_unknown_and_resumed_under_the_same_number(
    hospital: PayingHospital,
) -> None:
    for method in METHODS:
        wanted: PayMethod = method.values[0]  # type: ignore[assignment] - one value each
        payer = await hospital.payer(platform_of(wanted))
        bill_id = await make.bill(payer.person_id)
        await hospital.fault(platform_of(wanted), "lose_reply", times=1)
        attempt = await hospital.start(payer, bill_id, wanted)
        assert (attempt.status, attempt.pay_params, attempt.code_url) == ("unknown", None, None)
        await hospital.sweep()
        attempt = await attempt_view(TEST, attempt_id=attempt.id)
        assert attempt.status == "awaiting_payer"
        await hospital.tap(payer, attempt)
        await hospital.until(attempt.id, "succeeded")
        assert await value("SELECT count(*) FROM attempt WHERE bill_id = $1", bill_id) == 1
    await hospital.assert_books_agree()


async def test_p6_a_lost_request_is_sent_again_with_the_same_number(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    await hospital.fault("wechat", "lose_request", endpoint="jsapi")
    attempt = await hospital.start(payer, bill_id)
    assert attempt.status == "unknown"
    assert await hospital.orders_at(attempt.id) == 0
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "awaiting_payer"
    assert await hospital.orders_at(attempt.id) == 1


async def test_an_unbelievable_answer_is_no_answer(hospital: PayingHospital) -> None:
    for fault in ("forged_reply", "unsigned_reply", "tampered_reply", "unavailable_after"):
        payer = await hospital.payer()
        bill_id = await make.bill(payer.person_id)
        await hospital.fault("wechat", fault, endpoint="jsapi")
        attempt = await hospital.start(payer, bill_id)
        assert attempt.status == "unknown", fault
    for fault in ("forged_reply", "unsigned_reply", "tampered_reply", "error_after"):
        payer = await hospital.payer("alipay")
        bill_id = await make.bill(payer.person_id)
        await hospital.fault("alipay", fault, endpoint="alipay.trade.create")
        attempt = await hospital.start(payer, bill_id, PayMethod.ALIPAY_MINI)
        assert attempt.status == "unknown", fault


async def test_a_busy_channel_is_asked_again_later(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    await hospital.fault("wechat", "busy", endpoint="jsapi")
    attempt = await hospital.start(payer, bill_id)
    assert attempt.status == "unknown"
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "awaiting_payer"


async def test_a_refused_order_fails_and_the_bill_can_be_tried_again(
    hospital: PayingHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    with monkeypatch.context() as broken:
        broken.setattr(payments, "DESCRIPTIONS", dict.fromkeys(payments.DESCRIPTIONS, ""))
        attempt = await hospital.start(payer, bill_id)
    assert attempt.status == "failed"
    again = await hospital.pay(payer, bill_id)
    assert again.id != attempt.id


async def test_a_bill_that_is_over_cannot_be_paid(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    paid = await make.bill(payer.person_id)
    await hospital.pay(payer, paid)
    with pytest.raises(BillNotPayable):
        await start_attempt(payer.actor, bill_id=paid, method=PayMethod.WECHAT_JSAPI)
    soon = await make.bill(payer.person_id, expires_at=await business_now(TEST))
    with pytest.raises(TooLateToPay):
        await start_attempt(payer.actor, bill_id=soon, method=PayMethod.WECHAT_JSAPI)


@action
async def business_now(actor: object) -> object:
    return await clock.now()


async def test_who_may_pay(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    stranger = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    with pytest.raises(BillNotFound):
        await start_attempt(stranger.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)
    with pytest.raises(NoPayer):
        await start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.ALIPAY_MINI)
    with pytest.raises(NoPayer):
        await start_attempt(TEST, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)


async def test_a_bill_of_zero_is_paid_at_once_without_a_channel(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id, prices=(0,))
    bill = await hospital.bill(bill_id)
    assert (bill.status, bill.amount_fen) == ("paid", 0)
    assert (
        await value("SELECT count(*) FROM event WHERE aggregate_id = $1 AND kind = 'bill.paid'", bill_id) == 1
    )


async def test_submitting_twice_orders_once(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)
    await asyncio.gather(*(submit_attempt(payer.actor, attempt_id=attempt_id) for _ in range(4)))
    kinds = await value(
        "SELECT count(*) FROM event WHERE aggregate_id = $1 AND fact->>'status' = 'submitted'", attempt_id
    )
    assert kinds == 1
