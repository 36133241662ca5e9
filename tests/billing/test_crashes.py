"""A process that dies anywhere leaves nothing undone and nothing done twice: K1 to K4."""

from datetime import timedelta
from typing import Any

import pytest

from app.billing import notices
from app.billing.channel import RefundOrder
from app.billing.channels import channel
from app.billing.payments import claim_order, start_attempt
from app.billing.queries import attempt_view
from app.billing.refund_submission import claim_refund, submit_refund
from app.billing.refunds import request_refund
from app.billing.resolving import sweep_attempts
from app.billing.tables import ChannelName, PayMethod
from app.kernel import jobs
from app.kernel.actor import system
from tests.billing.conftest import PayingHospital
from tests.billing.test_notices import deliver, journals, paid_in_silence
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")


async def test_k1_an_attempt_that_was_never_sent_is_sent_once(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)
    await sweep_attempts()
    assert await hospital.orders_at(attempt_id) == 0  # its sender may still be about to send
    await value("UPDATE attempt SET look_at = now() WHERE id = $1 RETURNING id", attempt_id)
    await sweep_attempts()
    attempt = await attempt_view(TEST, attempt_id=attempt_id)
    assert attempt.status == "awaiting_payer"
    await hospital.tap(payer, attempt)
    await hospital.until(attempt_id, "succeeded")
    await hospital.assert_books_agree()


async def test_k1_an_attempt_never_sent_for_a_bill_that_is_over_is_closed(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)
    await hospital.forward(minutes=31)
    await value("UPDATE attempt SET look_at = now() WHERE id = $1 RETURNING id", attempt_id)
    await sweep_attempts()
    assert (await attempt_view(TEST, attempt_id=attempt_id)).status == "closed"
    assert await hospital.orders_at(attempt_id) == 0


@pytest.mark.parametrize("method", list(PayMethod))
async def test_k2_an_order_whose_answer_was_not_stored_is_resumed(
    hospital: PayingHospital, method: PayMethod
) -> None:
    payer = await hospital.payer(method.split("_")[0])
    bill_id = await make.bill(payer.person_id)
    attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=method)
    order = await claim_order(payer.actor, attempt_id=attempt_id, first=True, cause="api")
    assert order is not None
    await channel(ChannelName(method.split("_")[0])).order(order)  # and here the process dies
    assert (await attempt_view(TEST, attempt_id=attempt_id)).status == "submitted"
    await hospital.sweep()
    attempt = await attempt_view(TEST, attempt_id=attempt_id)
    assert attempt.status == "awaiting_payer"
    await hospital.tap(payer, attempt)
    await hospital.until(attempt_id, "succeeded")
    await hospital.assert_books_agree()


async def test_k2_a_refund_whose_answer_was_not_stored_happens_once(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.pay(payer, bill_id)
    refund_id = await request_refund(TEST, bill_id=bill_id)
    assert refund_id is not None
    claimed = await claim_refund(TEST, refund_id=refund_id)
    assert claimed is not None
    await channel(ChannelName.WECHAT).refund(
        RefundOrder(
            out_trade_no=attempt.id.hex,
            out_refund_no=refund_id.hex,
            amount_fen=1234,
            paid_fen=1234,
            reason="退费",
        )
    )
    await hospital.finish_refunds()
    assert len((await hospital.order_at(attempt.id))["refunds"]) == 1
    assert (await hospital.bill(bill_id)).status == "refunded"


async def test_k2_a_refund_job_taken_over_by_another_runner_records_nothing(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    await hospital.pay(payer, bill_id)
    refund_id = await request_refund(TEST, bill_id=bill_id)
    job_id = await value("SELECT id FROM job WHERE unique_key = $1", str(refund_id))
    slow = await jobs.claim(TEST, job_id=job_id)
    assert slow is not None
    lapse = "UPDATE job SET leased_until = now() - interval '1 second' WHERE id = $1 RETURNING id"
    await value(lapse, job_id)
    assert await jobs.claim(TEST, job_id=job_id) is not None
    with pytest.raises(jobs.Fenced):
        await submit_refund(slow)
    assert await value("SELECT status FROM refund WHERE id = $1", refund_id) == "submitted"
    await value(lapse, job_id)
    await hospital.finish_refunds()
    assert await value("SELECT status FROM refund WHERE id = $1", refund_id) == "succeeded"
    await hospital.assert_books_agree()


@pytest.mark.parametrize("channel_name", ["wechat", "alipay"])
async def test_k3_a_crash_before_the_commit_leaves_nothing_and_the_next_notice_counts(
    hospital: PayingHospital, channel_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)

    async def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed between the inbox row and the commit")

    with monkeypatch.context() as crash:
        crash.setattr(notices, "_refund_part", dies)
        await deliver(hospital, channel_name, attempt_id)
    assert await value("SELECT count(*) FROM pay_notice WHERE reference = $1", attempt_id.hex) == 0
    assert await journals(attempt_id) == 0
    assert (await hospital.bill(bill_id)).status == "paying"
    await deliver(hospital, channel_name, attempt_id)
    assert (await hospital.bill(bill_id)).status == "paid"
    assert await journals(attempt_id) == 1


@pytest.mark.parametrize("channel_name", ["wechat", "alipay"])
async def test_k4_a_crash_after_the_commit_is_told_again_and_counts_once(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    await hospital.fault(channel_name, "ignore_ack", reference=attempt_id.hex)
    await deliver(hospital, channel_name, attempt_id)
    await deliver(hospital, channel_name, attempt_id)
    assert (await hospital.bill(bill_id)).status == "paid"
    assert await journals(attempt_id) == 1
    await hospital.assert_books_agree()


def test_a_sender_is_given_up_only_after_its_longest_call() -> None:
    from app.billing.channel import CONNECT_SECONDS_MAX, READ_SECONDS_MAX
    from app.billing.rules import SUBMISSION_SECONDS_MAX

    assert timedelta(seconds=SUBMISSION_SECONDS_MAX) > timedelta(
        seconds=CONNECT_SECONDS_MAX + READ_SECONDS_MAX
    )
