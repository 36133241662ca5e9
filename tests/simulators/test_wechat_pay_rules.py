"""What WeChat Pay refuses and how: spoken raw, signed by hand from the protocol's text."""

import time
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.kernel.clock import wall
from tests.simulators.conftest import Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, an_order, native, paid, query, refund


@pytest.fixture
def raw(simulators: Simulators) -> Raw:
    return Raw(simulators)


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
