"""What the channels' rarer answers do, and how their adapters are opened."""

from pathlib import Path
from typing import Any

import pytest

from app.billing.arrivals import book_payment
from app.billing.channel import NOT_ENOUGH, Rejected, Trade, TradeState
from app.billing.channels import ChannelAway, channel, close_channels, notify_url
from app.billing.payments import claim_order, start_attempt
from app.billing.queries import attempt_view
from app.billing.refunds import request_refund
from app.billing.resolving import resolve_attempt
from app.billing.tables import ChannelName, NoticeOutcome, PayMethod
from app.kernel.actor import system
from app.kernel.settings import settings
from tests.billing.conftest import PayingHospital
from tests.billing.test_late import in_minutes
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")


async def test_alipay_tells_that_an_order_lapsed_and_we_close_ours(hospital: PayingHospital) -> None:
    payer = await hospital.payer("alipay")
    bill_id = await make.bill(payer.person_id, expires_at=await in_minutes(TEST, minutes=15))
    attempt = await hospital.start(payer, bill_id, PayMethod.ALIPAY_MINI)
    await hospital.forward(minutes=16)
    assert (await hospital.until(attempt.id, "closed")).status == "closed"


async def test_an_unanswered_question_leaves_the_attempt_in_doubt(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)
    assert await claim_order(TEST, attempt_id=attempt_id, first=True, cause="api") is not None
    await hospital.fault("wechat", "unavailable_before", endpoint="query", times=1)
    await resolve_attempt(attempt_id=attempt_id, cause="sweep")
    assert (await attempt_view(TEST, attempt_id=attempt_id)).status == "unknown"
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt_id)).status == "awaiting_payer"


async def test_a_closing_that_is_not_answered_is_tried_again(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.start(payer, bill_id)
    await value("UPDATE bill SET status = 'cancelled' WHERE id = $1 RETURNING id", bill_id)
    await hospital.fault("wechat", "lose_reply", endpoint="close")
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "awaiting_payer"
    await hospital.sweep()
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "closed"


async def test_two_transactions_under_one_number_are_alarmed(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.pay(payer, bill_id)
    other = Trade(
        out_trade_no=attempt.id.hex, state=TradeState.PAID, amount_fen=1234, transaction_id="another"
    )
    merchant = channel(ChannelName.WECHAT).merchant
    outcome = await book_payment(
        TEST, name=ChannelName.WECHAT, merchant=merchant, trade=other, cause="notice"
    )
    assert outcome is NoticeOutcome.MISMATCHED
    alarm = "SELECT code FROM pay_alarm WHERE attempt_id = $1"
    assert await value(alarm, attempt.id) == "transaction_differs"


@pytest.mark.parametrize(
    ("code", "status", "alarm"),
    [(NOT_ENOUGH, "unknown", "refund_account_empty"), ("param_error", "failed", "refund_failed")],
)
async def test_a_refused_refund_is_alarmed(
    hospital: PayingHospital, code: str, status: str, alarm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    await hospital.pay(payer, bill_id)
    refund_id = await request_refund(TEST, bill_id=bill_id)

    async def no(*_: Any) -> Rejected:
        return Rejected(code)

    assert refund_id is not None
    with monkeypatch.context() as refusing:
        refusing.setattr(channel(ChannelName.WECHAT), "refund", no)
        await hospital.run_jobs()
    assert await value("SELECT status FROM refund WHERE id = $1", refund_id) == status
    assert await value("SELECT code FROM pay_alarm WHERE reference = $1", refund_id.hex) == alarm


async def test_a_channel_that_is_not_set_up_refuses_in_words(
    hospital: PayingHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.start(payer, bill_id)
    monkeypatch.setenv("JIUYI_SIMULATORS", str(tmp_path))
    settings.cache_clear()
    await close_channels()
    with pytest.raises(ChannelAway):
        channel(ChannelName.WECHAT)
    (tmp_path / "alipay.json").write_text("{}")
    with pytest.raises(ChannelAway):
        channel(ChannelName.ALIPAY)
    await resolve_attempt(attempt_id=attempt.id, cause="sweep")  # says so in the log, and nothing breaks
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "awaiting_payer"


async def test_changed_settings_open_a_new_adapter(hospital: PayingHospital) -> None:
    before = channel(ChannelName.WECHAT)
    assert channel(ChannelName.WECHAT) is before
    path = hospital.platforms.folder / "wechat_pay.json"
    path.write_bytes(path.read_bytes() + b"\n")
    after = channel(ChannelName.WECHAT)
    assert after is not before
    assert (await after.query("nobody-knows-it")) == Rejected("absent", "ORDER_NOT_EXIST")


def test_the_address_of_notices_has_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIUYI_PUBLIC_URL", "https://hospital.example")
    settings.cache_clear()
    assert notify_url(ChannelName.ALIPAY) == "https://hospital.example/pay/notify/alipay"
    settings.cache_clear()
