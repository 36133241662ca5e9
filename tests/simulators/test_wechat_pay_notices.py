"""Refunds, notifications and the control API of WeChat Pay, in good days and bad."""

import json
import time
from datetime import timedelta

import pytest

from simulators.wechat_pay.telling import RETRY_AFTER
from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, an_order, native, number, paid, query, refund


@pytest.fixture
def raw(simulators: Simulators) -> Raw:
    return Raw(simulators)


def test_refunds_never_exceed_what_was_paid(simulators: Simulators, raw: Raw) -> None:
    order = paid(simulators, raw)
    first = refund(raw, order, 60, out_refund_no="parts-one")
    assert first.json()["status"] == "PROCESSING"
    simulators.clock.forward(minutes=1)
    assert refund(raw, order, 41).json()["code"] == "INVALID_REQUEST"
    other = refund(raw, order, 40, out_refund_no="parts-one")
    assert other.json()["code"] == "INVALID_REQUEST"
    assert refund(raw, order, 40).status_code == 200
    unpaid = an_order(simulators)
    native(raw, unpaid)
    assert refund(raw, unpaid, 1).json()["code"] == "INVALID_REQUEST"
    simulators.clock.forward(days=366)
    assert refund(raw, order, 1).json()["code"] == "INVALID_REQUEST"


@pytest.mark.sees(WX)
@pytest.mark.parametrize(("fault", "status"), [("refund_abnormal", "ABNORMAL"), ("refund_closed", "CLOSED")])
def test_a_refund_can_end_badly(
    simulators: Simulators, raw: Raw, merchant: Merchant, fault: str, status: str
) -> None:
    order = paid(simulators, raw)
    merchant.wait(1)
    no = number()
    simulators.control(WX, "POST", "/faults", name=fault, reference=no)
    refund(raw, order, 30, out_refund_no=no, notify_url=merchant.url)
    simulators.clock.forward(seconds=2)
    assert json.loads(merchant.wait(2)[1].body)["event_type"] == f"REFUND.{status}"
    path = f"/v3/refund/domestic/refunds/{no}"
    assert raw.call("GET", path).json()["status"] == status
    if status == "ABNORMAL":
        simulators.control(WX, "POST", f"/refunds/{no}/outcome", status="SUCCESS")
        assert raw.call("GET", path).json()["status"] == "SUCCESS"
    else:
        simulators.clock.forward(minutes=1)
        assert refund(raw, order, 100).status_code == 200


def test_a_refund_ends_once(simulators: Simulators, raw: Raw) -> None:
    order, no = paid(simulators, raw), number()
    simulators.control(WX, "POST", "/faults", name="refund_stuck", reference=no)
    refund(raw, order, 30, out_refund_no=no)
    for status in ("SUCCESS", "CLOSED", "ABNORMAL"):
        ended = simulators.control(WX, "POST", f"/refunds/{no}/outcome", status=status)
        assert ended["state"] == "SUCCESS"
    entries = simulators.control(WX, "GET", "/book/entries")["items"]
    kinds = {e["kind"] for e in entries if e["reference"] == no}
    assert kinds == {"refund_accepted", "refund_success"}


@pytest.mark.sees(WX, "refund_stuck")
def test_a_stuck_refund_waits_for_the_control_api(simulators: Simulators, raw: Raw) -> None:
    order, no = paid(simulators, raw), number()
    simulators.control(WX, "POST", "/faults", name="refund_stuck", reference=no)
    refund(raw, order, 30, out_refund_no=no)
    simulators.clock.forward(days=1)
    path = f"/v3/refund/domestic/refunds/{no}"
    assert raw.call("GET", path).json()["status"] == "PROCESSING"
    assert simulators.control(WX, "GET", "/book")["merchant"]["refunding_fen"] >= 30
    simulators.control(WX, "POST", f"/refunds/{no}/outcome", status="SUCCESS")
    assert raw.call("GET", path).json()["status"] == "SUCCESS"


def test_a_notice_is_tried_fifteen_times_more_then_given_up(
    simulators: Simulators, raw: Raw, merchant: Merchant
) -> None:
    merchant.status = 500
    order = paid(simulators, raw)
    for attempt, wait in enumerate(RETRY_AFTER, start=1):
        merchant.wait(attempt)
        simulators.clock.forward(seconds=wait.total_seconds())
    merchant.wait(16)
    path = f"/notices?reference={order['out_trade_no']}"
    notice = simulators.control(WX, "GET", path)["items"][0]
    while notice["state"] == "pending":
        notice = simulators.control(WX, "GET", path)["items"][0]
    assert (notice["state"], notice["attempts"]) == ("given_up", 16)
    assert sum(RETRY_AFTER, timedelta()) == timedelta(hours=24, minutes=4)
    assert len({json.loads(r.body)["id"] for r in merchant.received}) == 1


@pytest.mark.sees(WX)
@pytest.mark.parametrize("fault", ["stale", "stale_reply"])
def test_a_stale_message_is_well_signed_but_old(
    simulators: Simulators, raw: Raw, merchant: Merchant, fault: str
) -> None:
    no = number()
    if fault == "stale":
        simulators.control(WX, "POST", "/faults", name=fault, reference=no)
        paid(simulators, raw, out_trade_no=no)
        stamp = int(merchant.wait(1)[0].headers["wechatpay-timestamp"])
    else:
        simulators.control(WX, "POST", "/faults", name=fault)
        stamp = int(query(raw, no).headers["Wechatpay-Timestamp"])
    assert 300 < time.time() - stamp < 310


def test_the_control_api_refuses_what_it_does_not_know(simulators: Simulators) -> None:
    for method, path, json_body, code in (
        ("POST", "/faults", {"name": "flood"}, "NO_SUCH_FAULT"),
        ("GET", "/payers/o-nobody", {}, "NO_SUCH_PAYER"),
        ("POST", "/payers", {"id": "me"}, "ID_INVALID"),
        ("GET", "/orders/none", {}, "NOT_FOUND"),
        ("POST", "/notices/none/deliver", {}, "NO_SUCH_NOTICE"),
        ("POST", "/refunds/none/outcome", {"status": "CLOSED"}, "NOT_FOUND"),
    ):
        answer = simulators.control_answer(WX, method, path, **json_body)
        assert answer.json()["code"] == code


def test_the_book_can_be_read_page_by_page(simulators: Simulators, raw: Raw) -> None:
    paid(simulators, raw)
    first = simulators.control(WX, "GET", "/book/entries?limit=2")
    second = simulators.control(WX, "GET", f"/book/entries?limit=500&after={first['next']}")
    assert [e["amount_fen"] for e in first["items"]] == [-100_000_000, 100_000_000]
    assert sum(e["amount_fen"] for e in second["items"]) == 0
    orders = simulators.control(WX, "GET", "/orders?limit=1")
    assert len(orders["items"]) == 1
    assert orders["next"]
