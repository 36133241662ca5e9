"""Notices are believed when genuine, counted once, and acknowledged after the commit: N1 to N12."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.billing import arrivals
from app.billing.channel import Notice, NoticeForged, Offer, Success
from app.billing.channels import channel
from app.billing.payments import record_order
from app.billing.queries import attempt_view
from app.billing.refunds import request_refund
from app.billing.resolving import Standing, end_attempt, note_doubt, note_waiting
from app.billing.tables import AttemptStatus, ChannelName, PayMethod
from app.billing.wechat_pay import WechatPay
from app.kernel import clock, database
from app.kernel.actor import system
from app.kernel.ids import new_id
from app.kernel.settings import settings
from tests.billing.conftest import SIMULATOR, PayingHospital, Recorded
from tests.make import billing as make
from tests.make.rows import value

pytestmark = pytest.mark.commits

TEST = system("test")
METHOD = {"wechat": PayMethod.WECHAT_JSAPI, "alipay": PayMethod.ALIPAY_MINI}
CHANNELS = pytest.mark.parametrize("channel_name", ["wechat", "alipay"])


async def paid_in_silence(hospital: PayingHospital, channel_name: str, **values: Any) -> tuple[UUID, UUID]:
    """(bill, attempt) that a payer has paid, while the platform keeps its notice back."""
    payer = await hospital.payer(channel_name)
    bill_id = await make.bill(payer.person_id, **values)
    attempt = await hospital.start(payer, bill_id, METHOD[channel_name])
    await hospital.fault(channel_name, "withhold", reference=attempt.id.hex)
    await hospital.tap(payer, attempt)
    return bill_id, attempt.id


async def notice_ids(hospital: PayingHospital, channel_name: str, attempt_id: UUID) -> list[str]:
    path = f"/notices?reference={attempt_id.hex}"
    told = await hospital.platforms.call(SIMULATOR[channel_name], "GET", path)
    return [item["id"] for item in told["items"]]


async def deliver(
    hospital: PayingHospital, channel_name: str, attempt_id: UUID, *, times: int = 1
) -> list[Any]:
    """Have the platform send the order's first notice now, so many times at once."""
    first, *_ = await notice_ids(hospital, channel_name, attempt_id)
    path = f"/notices/{first}/deliver"
    return await asyncio.gather(
        *(hospital.platforms.call(SIMULATOR[channel_name], "POST", path) for _ in range(times))
    )


async def journals(attempt_id: UUID) -> int:
    return await value("SELECT count(*) FROM journal WHERE source_key = $1", f"payment:{attempt_id}")


@CHANNELS
async def test_n1_a_notice_keeps_its_row_state_book_and_fact_together(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    assert (await hospital.bill(bill_id)).status == "paying"
    await deliver(hospital, channel_name, attempt_id)
    born_together = await value(
        "SELECT count(DISTINCT moment) FROM"
        " (SELECT received_at AS moment FROM pay_notice WHERE reference = $1"
        " UNION ALL SELECT posted_at FROM journal WHERE source_key = $2"
        " UNION ALL SELECT at FROM event WHERE aggregate_id = $3 AND kind = 'bill.paid') AS moments",
        attempt_id.hex,
        f"payment:{attempt_id}",
        bill_id,
    )
    assert born_together == 1  # the transaction's own time stamp
    assert (await hospital.bill(bill_id)).status == "paid"
    assert (await attempt_view(TEST, attempt_id=attempt_id)).status == "succeeded"


async def recorded(
    hospital: PayingHospital, channel_name: str, attempt_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> Recorded:
    """The order's notice as it came over the wire; we did not take it, and nothing has happened yet."""
    kept: list[Recorded] = []

    async def record(headers: Mapping[str, str], body: bytes) -> Notice:
        signed = {k: v for k, v in headers.items() if k.startswith("wechatpay-") or k == "content-type"}
        kept.append((signed, body))
        raise NoticeForged("recorded")

    with monkeypatch.context() as recording:
        recording.setattr(channel(ChannelName(channel_name)), "read_notice", record)
        await deliver(hospital, channel_name, attempt_id)
    return kept[0]


@CHANNELS
async def test_n2_a_notice_twenty_times_at_once_counts_once(
    hospital: PayingHospital, channel_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    notice = await recorded(hospital, channel_name, attempt_id, monkeypatch)
    assert await hospital.replay(channel_name, notice, times=20) == [200] * 20
    assert await journals(attempt_id) == 1
    assert await value("SELECT count(*) FROM pay_notice WHERE reference = $1", attempt_id.hex) == 1
    told = "SELECT count(*) FROM event WHERE aggregate_id = $1 AND kind = 'bill.paid'"
    assert await value(told, bill_id) == 1
    await hospital.assert_books_agree()


@pytest.mark.parametrize("effect_key", [True, False], ids=["effect key", "neither"])
async def test_n2_control_without_the_inbox(
    hospital: PayingHospital, effect_key: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two walls stand behind each other. Without the inbox the attempt still counts once; without both,
    the check above fails, since repeats run into the last wall and are not acknowledged."""
    _, attempt_id = await paid_in_silence(hospital, "wechat")
    notice = await recorded(hospital, "wechat", attempt_id, monkeypatch)
    adapter = channel(ChannelName.WECHAT)
    read = adapter.read_notice

    async def always_new(headers: Mapping[str, str], body: bytes) -> Notice:
        return msgspec.structs.replace(await read(headers, body), id=new_id().hex)

    monkeypatch.setattr(adapter, "read_notice", always_new)
    if not effect_key:
        monkeypatch.setattr(arrivals, "PAID_ATTEMPTS", set())
    statuses = await hospital.replay("wechat", notice, times=5)
    assert (statuses == [200] * 5) is effect_key
    assert await journals(attempt_id) == 1


@CHANNELS
async def test_n3_a_refund_told_before_its_payment_loses_nothing(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    await hospital.sweep()  # the query finds it paid, its notice is still kept back
    assert await request_refund(TEST, bill_id=bill_id) is not None
    await hospital.finish_refunds()
    assert (await hospital.bill(bill_id)).status == "refunded"
    await deliver(hospital, channel_name, attempt_id)
    assert (await hospital.bill(bill_id)).status == "refunded"
    assert await journals(attempt_id) == 1
    await hospital.assert_books_agree()


async def test_n4_what_is_settled_is_never_downgraded(hospital: PayingHospital) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.pay(payer, bill_id)
    before = Standing(
        id=attempt.id,
        out_trade_no=attempt.id.hex,
        channel=ChannelName.WECHAT,
        merchant="",
        method=PayMethod.WECHAT_JSAPI,
        status=AttemptStatus.SUBMITTED,
        looks=0,
        over=False,
        past_end=False,
        ready=True,
    )
    await note_waiting(TEST, standing=before, cause="test")
    await note_doubt(TEST, standing=before, cause="test")
    await end_attempt(TEST, attempt_id=attempt.id, cause="test")
    await record_order(TEST, attempt_id=attempt.id, outcome=Success(Offer(code_url="x")), cause="test")
    assert (await attempt_view(TEST, attempt_id=attempt.id)).status == "succeeded"


FORGERIES = [
    ("wechat", "tamper"),
    ("wechat", "forge"),
    ("wechat", "stale"),
    ("wechat", "signtest"),
    ("wechat", "unknown_key"),
    ("alipay", "tamper"),
    ("alipay", "forge"),
]


@pytest.mark.parametrize(("channel_name", "fault"), FORGERIES)
async def test_n5_a_notice_that_is_not_genuine_changes_nothing(
    hospital: PayingHospital, channel_name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    await hospital.fault(channel_name, fault, reference=attempt_id.hex)

    async def no_call(*_: Any, **__: Any) -> None:
        raise AssertionError("a stranger made us call out")

    monkeypatch.setattr(channel(ChannelName(channel_name)).client, "send", no_call)  # type: ignore[attr-defined] - both have one
    first, *_ = await notice_ids(hospital, channel_name, attempt_id)
    await hospital.platforms.call(SIMULATOR[channel_name], "POST", f"/notices/{first}/deliver")
    told = await hospital.platforms.call(
        SIMULATOR[channel_name], "GET", f"/notices?reference={attempt_id.hex}"
    )
    assert told["items"][0]["deliveries"][-1]["status"] == 401
    assert (await hospital.bill(bill_id)).status == "paying"
    assert await value("SELECT count(*) FROM pay_notice WHERE reference = $1", attempt_id.hex) == 0
    monkeypatch.undo()
    await hospital.clear_faults()
    await deliver(hospital, channel_name, attempt_id)
    assert (await hospital.bill(bill_id)).status == "paid"


async def test_n5_control_without_verification_a_forgery_pays(
    hospital: PayingHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, "wechat")
    monkeypatch.setattr(WechatPay, "_verify", lambda *_: None)
    await hospital.fault("wechat", "forge", reference=attempt_id.hex)
    await deliver(hospital, "wechat", attempt_id)
    assert (await hospital.bill(bill_id)).status == "paid"


async def test_n5_garbage_is_refused(hospital: PayingHospital) -> None:
    async with httpx.AsyncClient(base_url=hospital.url, trust_env=False) as stranger:
        for path in ("/pay/notify/wechat", "/pay/notify/alipay"):
            for body in (b"", b"{}", b"\xff\xfe", b"sign_type=RSA2&sign=!", b"a=1&a=2"):
                reply = await stranger.post(path, content=body)
                assert reply.status_code == 401, (path, body)


@CHANNELS
async def test_n6_another_amount_is_kept_in_suspense_and_alarmed(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    await value("UPDATE attempt SET amount_fen = 1233 WHERE id = $1 RETURNING id", attempt_id)
    suspense = (await hospital.books()).suspense_fen
    await deliver(hospital, channel_name, attempt_id)
    assert (await hospital.bill(bill_id)).status == "paying"
    assert await value("SELECT outcome FROM pay_notice WHERE reference = $1", attempt_id.hex) == "mismatched"
    assert await value("SELECT code FROM pay_alarm WHERE attempt_id = $1", attempt_id) == "amount_differs"
    assert (await hospital.books()).suspense_fen == suspense + 1234
    await hospital.sweep()  # asking again finds the same, and posts nothing more
    assert (await hospital.books()).suspense_fen == suspense + 1234
    await hospital.assert_books_agree()


@CHANNELS
async def test_n6_an_unknown_number_is_kept_in_suspense_and_alarmed(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    await value(
        "UPDATE attempt SET out_trade_no = 'another' || right(id::text, 12) WHERE id = $1 RETURNING id",
        attempt_id,
    )
    suspense = (await hospital.books()).suspense_fen
    await deliver(hospital, channel_name, attempt_id)
    assert await value("SELECT code FROM pay_alarm WHERE reference = $1", attempt_id.hex) == "order_unknown"
    assert (await hospital.books()).suspense_fen == suspense + 1234
    assert (await hospital.bill(bill_id)).status == "paying"
    await value("UPDATE attempt SET alarmed = true WHERE id = $1 RETURNING id", attempt_id)
    await hospital.assert_books_agree()


@CHANNELS
async def test_n6_another_merchants_order_moves_nothing(
    hospital: PayingHospital, channel_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    adapter: Any = channel(ChannelName(channel_name))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(adapter, "config", msgspec.structs.replace(adapter.config, appid="another"))
        await deliver(hospital, channel_name, attempt_id)
    assert await value("SELECT code FROM pay_alarm WHERE attempt_id = $1", attempt_id) == "merchant_differs"
    assert await journals(attempt_id) == 0
    assert (await hospital.bill(bill_id)).status == "paying"
    await hospital.sweep()
    assert (await hospital.bill(bill_id)).status == "paid"


@CHANNELS
async def test_n7_with_the_database_away_the_notice_is_not_acknowledged(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    first, *_ = await notice_ids(hospital, channel_name, attempt_id)
    await database.close_pool()
    path = f"/notices/{first}/deliver"
    await hospital.platforms.answer(SIMULATOR[channel_name], "POST", path)
    await database.open_pool(dsn=settings().database_url)
    told = await hospital.platforms.call(
        SIMULATOR[channel_name], "GET", f"/notices?reference={attempt_id.hex}"
    )
    assert told["items"][0]["deliveries"][-1]["status"] == 503
    assert (await hospital.bill(bill_id)).status == "paying"
    await deliver(hospital, channel_name, attempt_id)
    assert (await hospital.bill(bill_id)).status == "paid"


@CHANNELS
async def test_n8_without_any_notice_the_sweeper_finds_the_payment(
    hospital: PayingHospital, channel_name: str
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, channel_name)
    await hospital.sweep()
    assert (await hospital.bill(bill_id)).status == "paid"
    await deliver(hospital, channel_name, attempt_id)  # and the notice that comes at last changes nothing
    assert await journals(attempt_id) == 1
    await hospital.assert_books_agree()


async def test_n10_a_partial_refund_told_by_alipay_is_no_second_payment(hospital: PayingHospital) -> None:
    payer = await hospital.payer("alipay")
    bill_id = await make.bill(payer.person_id, prices=(10_000_000, 5_000_000))
    attempt = await hospital.pay(payer, bill_id, PayMethod.ALIPAY_MINI)
    source_id = (await hospital.bill(bill_id)).lines[0].source_id
    await request_refund(TEST, bill_id=bill_id, source_ids=[source_id])
    await hospital.finish_refunds()
    kinds: list[str] = []
    for _ in range(100):
        kinds = await value("SELECT array_agg(kind ORDER BY received_at) FROM pay_notice")
        if "TRADE_SUCCESS.REFUND" in kinds:
            break
        await asyncio.sleep(0.05)
    assert "TRADE_SUCCESS.REFUND" in kinds
    bill = await hospital.bill(bill_id)
    assert (bill.status, bill.refunded_fen) == ("part_refunded", 1000)
    assert await journals(attempt.id) == 1
    await hospital.assert_books_agree()


@CHANNELS
async def test_n11_the_acknowledgement_is_what_the_channel_counts(
    hospital: PayingHospital, channel_name: str
) -> None:
    _, attempt_id = await paid_in_silence(hospital, channel_name)
    await deliver(hospital, channel_name, attempt_id)
    told = await hospital.platforms.call(
        SIMULATOR[channel_name], "GET", f"/notices?reference={attempt_id.hex}"
    )
    delivery = told["items"][0]["deliveries"][-1]
    assert delivery["status"] == 200
    assert (
        delivery["reply"]
        == {"wechat": '{"code":"SUCCESS","message":"成功"}', "alipay": "success"}[channel_name]
    )


@CHANNELS
async def test_n12_a_captured_notice_a_hundred_times_books_once(
    hospital: PayingHospital, channel_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, attempt_id = await paid_in_silence(hospital, channel_name)
    notice = await recorded(hospital, channel_name, attempt_id, monkeypatch)
    for _ in range(10):
        assert await hospital.replay(channel_name, notice, times=10) == [200] * 10
    assert await journals(attempt_id) == 1
    assert await value("SELECT count(*) FROM pay_notice WHERE reference = $1", attempt_id.hex) == 1


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-290, 200), (290, 200), (301, 401)])
async def test_n12_a_captured_notice_is_good_for_five_minutes(
    hospital: PayingHospital, seconds: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill_id, attempt_id = await paid_in_silence(hospital, "wechat")
    headers, body = await recorded(hospital, "wechat", attempt_id, monkeypatch)
    sent_at = datetime.fromtimestamp(int(headers["wechatpay-timestamp"]), UTC)
    with monkeypatch.context() as later:
        later.setattr(clock, "wall", lambda: sent_at + timedelta(seconds=seconds))
        assert await hospital.replay("wechat", (headers, body), times=1) == [status]
        # A new time stamp does not help: the signature covers it.
        renewed = {**headers, "wechatpay-timestamp": str(int(sent_at.timestamp()) + seconds)}
        assert await hospital.replay("wechat", (renewed, body), times=1) == [401]
    assert ((await hospital.bill(bill_id)).status == "paid") is (status == 200)
