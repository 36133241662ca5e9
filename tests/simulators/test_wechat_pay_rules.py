"""What WeChat Pay refuses and how: spoken raw, signed by hand from the protocol's text."""

import json
import secrets
import time
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from simulators.clock import wall
from simulators.wechat_pay.telling import RETRY_AFTER
from tests.simulators.conftest import Merchant, Simulators

WX = "wechat_pay"


class Raw:
    """The smallest honest client: every header can be changed by the test."""

    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[WX]
        pem = Path(self.card["merchant_private_key_path"]).read_bytes()
        self.key: Any = load_pem_private_key(pem, password=None)

    def call(self, method: str, path: str, content: Any = None, **change: Any) -> httpx.Response:
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "Authorization": self.authorization(method, path, change.get("signed", body), **change),
            "Wechatpay-Serial": change.get("serial", self.card["platform_public_key_id"]),
        }
        address = self.card["base_url"] + path
        return self.http.request(method, address, content=body, headers=headers)

    def authorization(self, method: str, path: str, body: bytes, **change: Any) -> str:
        stamp = str(int(time.time()) + change.get("late", 0))
        nonce = secrets.token_hex(8)
        message = f"{method}\n{path}\n{stamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        fields = {
            "mchid": change.get("mchid", self.card["mchid"]),
            "serial_no": change.get("serial_no", self.card["merchant_serial"]),
            "nonce_str": nonce,
            "timestamp": stamp,
            "signature": b64encode(signature).decode(),
        }
        scheme = change.get("scheme", "WECHATPAY2-SHA256-RSA2048")
        return f"{scheme} " + ",".join(f'{k}="{v}"' for k, v in fields.items())


@pytest.fixture
def raw(simulators: Simulators) -> Raw:
    return Raw(simulators)


def number() -> str:
    return f"T{secrets.token_hex(12)}"


def an_order(simulators: Simulators, **change: Any) -> dict[str, Any]:
    card = simulators.cards[WX]
    order = {
        "appid": card["appid"],
        "mchid": card["mchid"],
        "description": "门诊挂号费",
        "out_trade_no": number(),
        "notify_url": simulators.merchant.url,
        "amount": {"total": 100, "currency": "CNY"},
    }
    return {k: v for k, v in {**order, **change}.items() if v is not None}


def native(raw: Raw, order: dict[str, Any]) -> httpx.Response:
    return raw.call("POST", "/v3/pay/transactions/native", order)


def query(raw: Raw, out_trade_no: str) -> httpx.Response:
    mchid = raw.card["mchid"]
    return raw.call("GET", f"/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={mchid}")


def paid(simulators: Simulators, raw: Raw, **change: Any) -> dict[str, Any]:
    order = an_order(simulators, **change)
    code_url = native(raw, order).json()["code_url"]
    openid = simulators.control(WX, "POST", "/payers")["openid"]
    simulators.control(WX, "POST", f"/payers/{openid}/payments", code_url=code_url)
    return order


def refund(raw: Raw, order: dict[str, Any], fen: int, **change: Any) -> httpx.Response:
    total = order["amount"]["total"]
    asked = {
        "out_trade_no": order["out_trade_no"],
        "out_refund_no": number(),
        "amount": {"refund": fen, "total": total, "currency": "CNY"},
        **change,
    }
    return raw.call("POST", "/v3/refund/domestic/refunds", asked)


@pytest.mark.parametrize(
    "change",
    [
        {"late": 302},
        {"late": -302},
        {"scheme": "WECHATPAY2-SHA256-RSA1024"},
        {"serial_no": "00"},
        {"mchid": "1900000001"},
        {"signed": b"another body"},
    ],
    ids=["future", "past", "scheme", "serial", "merchant", "body"],
)
def test_a_call_not_signed_by_the_merchant_is_refused(
    simulators: Simulators, raw: Raw, change: dict[str, Any]
) -> None:
    answer = raw.call("POST", "/v3/pay/transactions/native", an_order(simulators), **change)
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")


def test_a_reply_is_signed_over_its_raw_bytes(simulators: Simulators, raw: Raw) -> None:
    order = an_order(simulators)
    close = {"mchid": raw.card["mchid"]}
    path = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}/close"
    for answer, status in ((native(raw, order), 200), (raw.call("POST", path, close), 204)):
        assert answer.status_code == status
        head = answer.headers
        pem = Path(raw.card["platform_public_key_path"]).read_bytes()
        stamp, nonce = head["Wechatpay-Timestamp"], head["Wechatpay-Nonce"]
        message = f"{stamp}\n{nonce}\n".encode() + answer.content + b"\n"
        key: Any = load_pem_public_key(pem)
        signature = b64decode(head["Wechatpay-Signature"])
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        assert head["Wechatpay-Serial"] == raw.card["platform_public_key_id"]
        assert abs(int(head["Wechatpay-Timestamp"]) - time.time()) < 5
        assert head["Request-ID"].endswith("-0")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"out_trade_no": "short"}, 400, "PARAM_ERROR"),
        ({"out_trade_no": "有中文的订单号码"}, 400, "PARAM_ERROR"),
        ({"description": ""}, 400, "PARAM_ERROR"),
        ({"description": "长" * 128}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 0}}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 1.5}}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 1, "currency": "USD"}}, 400, "PARAM_ERROR"),
        ({"amount": None}, 400, "PARAM_ERROR"),
        ({"notify_url": "https://hospital.example/n?x=1"}, 400, "PARAM_ERROR"),
        ({"notify_url": "http://hospital.example/n"}, 400, "PARAM_ERROR"),
        ({"notify_url": "https://10.0.0.8/n"}, 400, "PARAM_ERROR"),
        ({"time_expire": "tomorrow"}, 400, "PARAM_ERROR"),
        ({"time_expire": "2099-01-01T00:00:00"}, 400, "PARAM_ERROR"),
        ({"time_expire": "2020-01-01T00:00:00+08:00"}, 400, "PARAM_ERROR"),
        ({"appid": "wx0000000000000000"}, 400, "APPID_MCHID_NOT_MATCH"),
        ({"mchid": "1900000001"}, 401, "SIGN_ERROR"),
    ],
)
def test_an_ill_formed_order_is_refused(
    simulators: Simulators, raw: Raw, change: dict[str, Any], status: int, code: str
) -> None:
    answer = native(raw, an_order(simulators, **change))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_parameter_error_names_the_place(simulators: Simulators, raw: Raw) -> None:
    answer = native(raw, an_order(simulators, amount={"total": "1"}))
    assert answer.json()["detail"]["field"] == "/amount/total"
    assert raw.call("POST", "/v3/pay/transactions/jsapi", an_order(simulators)).status_code == 400


def test_a_number_used_for_another_order_is_refused(simulators: Simulators, raw: Raw) -> None:
    order = an_order(simulators)
    first = native(raw, order)
    assert native(raw, dict(reversed(order.items()))).json() == first.json()
    answer = native(raw, {**order, "amount": {"total": 101, "currency": "CNY"}})
    assert (answer.status_code, answer.json()["code"]) == (403, "OUT_TRADE_NO_USED")
    assert answer.headers["Request-ID"].endswith("-268498688")


def test_a_prepay_lives_two_hours_and_is_renewed_by_the_same_order(simulators: Simulators, raw: Raw) -> None:
    order = an_order(simulators)
    old = native(raw, order).json()["code_url"]
    simulators.clock.forward(hours=2)
    openid = simulators.control(WX, "POST", "/payers")["openid"]
    late = simulators.control_answer(WX, "POST", f"/payers/{openid}/payments", code_url=old)
    assert (late.status_code, late.json()["code"]) == (409, "PREPAY_EXPIRED")
    new = native(raw, order).json()["code_url"]
    assert new != old
    simulators.control(WX, "POST", f"/payers/{openid}/payments", code_url=new)
    again = native(raw, order)
    assert (again.status_code, again.json()["code"]) == (400, "ORDER_PAID")


def test_an_order_lapses_in_business_time(simulators: Simulators, raw: Raw) -> None:
    expires = wall() + simulators.clock.offset + timedelta(minutes=15)
    order = an_order(simulators, time_expire=expires.isoformat())
    code_url = native(raw, order).json()["code_url"]
    assert query(raw, order["out_trade_no"]).json()["trade_state"] == "NOTPAY"
    simulators.clock.forward(minutes=16)
    assert query(raw, order["out_trade_no"]).json()["trade_state"] == "CLOSED"
    openid = simulators.control(WX, "POST", "/payers")["openid"]
    late = simulators.control_answer(WX, "POST", f"/payers/{openid}/payments", code_url=code_url)
    assert late.json()["code"] == "ORDER_CLOSED"


def test_a_paid_order_is_not_closed(simulators: Simulators, raw: Raw) -> None:
    order = paid(simulators, raw)
    path = f"/v3/pay/transactions/out-trade-no/{order['out_trade_no']}/close"
    answer = raw.call("POST", path, {"mchid": raw.card["mchid"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "ORDER_PAID")


def test_what_does_not_exist_is_not_found(raw: Raw) -> None:
    nothing = "/v3/pay/transactions/out-trade-no/nothing-here"
    mchid = {"mchid": raw.card["mchid"]}
    assert query(raw, "nothing-here").json()["code"] == "ORDER_NOT_EXIST"
    assert raw.call("POST", f"{nothing}/close", mchid).status_code == 404
    by_id = f"/v3/pay/transactions/id/4200000000?mchid={raw.card['mchid']}"
    assert raw.call("GET", by_id).status_code == 404
    answer = raw.call("GET", "/v3/refund/domestic/refunds/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")


def test_a_stranger_cannot_pay_anothers_order(simulators: Simulators, raw: Raw) -> None:
    owner, other = (simulators.control(WX, "POST", "/payers")["openid"] for _ in range(2))
    order = an_order(simulators, payer={"openid": owner})
    prepay_id = raw.call("POST", "/v3/pay/transactions/jsapi", order).json()["prepay_id"]
    fields = [raw.card["appid"], "1700000000", "nonce", f"prepay_id={prepay_id}"]
    message = "\n".join([*fields, ""]).encode()
    sign = b64encode(raw.key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()
    names = ("appId", "timeStamp", "nonceStr", "package")
    params = {**dict(zip(names, fields, strict=True)), "signType": "RSA", "paySign": sign}
    path = "/payers/{}/payments"
    wrong = simulators.control_answer(WX, "POST", path.format(other), pay_params=params)
    assert wrong.json()["code"] == "PAYER_MISMATCH"
    forged = {**params, "timeStamp": "1700000001"}
    wrong = simulators.control_answer(WX, "POST", path.format(owner), pay_params=forged)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "PAY_SIGN_INVALID")
    simulators.control(WX, "POST", path.format(owner), pay_params=params)
    again = simulators.control_answer(WX, "POST", path.format(owner), pay_params=params)
    assert again.json()["code"] == "ORDER_PAID"


def test_an_empty_wallet_pays_nothing(simulators: Simulators, raw: Raw) -> None:
    code_url = native(raw, an_order(simulators)).json()["code_url"]
    openid = simulators.control(WX, "POST", "/payers", balance_fen=99)["openid"]
    answer = simulators.control_answer(WX, "POST", f"/payers/{openid}/payments", code_url=code_url)
    assert answer.json()["code"] == "NOT_ENOUGH"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": {"refund": 101, "total": 100, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"amount": {"refund": 1, "total": 99, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"amount": {"refund": 0, "total": 100, "currency": "CNY"}}, 400, "PARAM_ERROR"),
        ({"out_trade_no": "nothing-here"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"transaction_id": "4200", "out_trade_no": "both"}, 400, "PARAM_ERROR"),
        ({"notify_url": "ftp://hospital.example"}, 400, "PARAM_ERROR"),
    ],
)
def test_an_impossible_refund_is_refused(
    simulators: Simulators, raw: Raw, change: dict[str, Any], status: int, code: str
) -> None:
    answer = refund(raw, paid(simulators, raw), 1, **change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


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


def test_a_withheld_notice_goes_when_released(simulators: Simulators, raw: Raw, merchant: Merchant) -> None:
    no = number()
    simulators.control(WX, "POST", "/faults", name="withhold", reference=no)
    paid(simulators, raw, out_trade_no=no)
    notice = simulators.control(WX, "GET", f"/notices?reference={no}")["items"][0]
    assert (notice["state"], merchant.received) == ("withheld", [])
    assert simulators.control(WX, "POST", "/notices/release")["due"] == 1
    merchant.wait(1)


def test_a_notice_can_be_lost_doubled_or_denied_its_ack(
    simulators: Simulators, raw: Raw, merchant: Merchant
) -> None:
    no = number()
    for fault in ("lose", "ignore_ack", "duplicate"):
        simulators.control(WX, "POST", "/faults", name=fault, reference=no)
    paid(simulators, raw, out_trade_no=no)
    path = f"/notices?reference={no}"
    while not simulators.control(WX, "GET", path)["items"][0]["attempts"]:
        time.sleep(0.02)
    assert merchant.received == []
    simulators.control(WX, "POST", "/notices/hurry")
    merchant.wait(1)
    while simulators.control(WX, "GET", path)["items"][0]["attempts"] < 2:
        time.sleep(0.02)
    simulators.control(WX, "POST", "/notices/hurry")
    merchant.wait(3)
    while simulators.control(WX, "GET", path)["items"][0]["state"] == "pending":
        time.sleep(0.02)
    notice = simulators.control(WX, "GET", path)["items"][0]
    faults = [d["fault"] for d in notice["deliveries"]]
    assert faults == ["lose", "ignore_ack", "duplicate"]
    again = simulators.control(WX, "POST", f"/notices/{notice['id']}/deliver")
    assert len(again["deliveries"]) == 4
    assert len(merchant.received) == 4


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
