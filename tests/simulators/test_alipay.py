"""Our Alipay, spoken to by a client written from the protocol's text and the official SDK's."""

import json
import secrets
import time
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from alipay.aop.api.util.SignatureUtils import get_sign_content
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from simulators import keys
from simulators.alipay.telling import RETRY_AFTER
from simulators.clock import SHANGHAI, wall
from tests.simulators.conftest import Merchant, Received, Simulators

ALI = "alipay"


class Client:
    """Signs with the SDK's sign content and `cryptography`; believes only signed answers."""

    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[ALI]
        self.merchant = simulators.merchant
        pem = Path(self.card["merchant_private_key_path"]).read_bytes()
        assert b"BEGIN RSA PRIVATE KEY" in pem
        self.key: Any = load_pem_private_key(pem, password=None)
        self.alipay: Any = load_pem_public_key(Path(self.card["platform_public_key_path"]).read_bytes())

    def post(self, method: str, content: Any = None, **common: str) -> httpx.Response:
        params = {
            "app_id": self.card["appid"],
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": f"{wall().astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            "notify_url": self.merchant.url,
            **common,
        }
        if content is not None:
            params["biz_content"] = json.dumps(content, ensure_ascii=False)
        params = {k: v for k, v in params.items() if v}
        message = get_sign_content(params).encode()
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        params["sign"] = b64encode(signature).decode()
        # Like the SDK: what is common stands in the address, what is business in the form.
        form = {k: params.pop(k) for k in ("biz_content",) if k in params}
        return self.http.post(self.card["gateway_url"], params=params, data=form)

    def call(self, method: str, content: Any = None, **common: str) -> dict[str, Any]:
        """The answer, believed only when the exact bytes of the inner object are signed."""
        text = self.post(method, content, **common).text
        name = method.replace(".", "_") + "_response"
        if f'"{name}"' not in text:
            name = "error_response"
        begin = text.index(f'"{name}":') + len(name) + 3
        end = text.rindex(',"sign":"')
        signature = b64decode(text[end + 9 : -2])
        inner = text[begin:end]
        self.alipay.verify(signature, inner.encode(), padding.PKCS1v15(), hashes.SHA256())
        return json.loads(inner)

    def notice(self, told: Received) -> dict[str, str]:
        """A notification's fields, once its signature is believed."""
        fields = dict(parse_qsl(told.body.decode(), keep_blank_values=True))
        signature = b64decode(fields.pop("sign"))
        assert fields.pop("sign_type") == "RSA2"
        message = get_sign_content(fields).encode()
        self.alipay.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        return fields


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


def number() -> str:
    return f"A{secrets.token_hex(12)}"


def new_payer(simulators: Simulators) -> dict[str, Any]:
    return simulators.control(ALI, "POST", "/payers", balance_fen=1_000_000)


def created(simulators: Simulators, client: Client, **change: Any) -> dict[str, Any]:
    payer = new_payer(simulators)
    asked = {
        "out_trade_no": number(),
        "total_amount": "12.30",
        "subject": "门诊缴费",
        "product_code": "JSAPI_PAY",
        "op_app_id": client.card["appid"],
        "buyer_id": payer["user_id"],
        **change,
    }
    answer = client.call("alipay.trade.create", asked)
    assert answer["code"] == "10000", answer
    return {**asked, "trade_no": answer["trade_no"], "payer": payer["user_id"]}


def paid(simulators: Simulators, client: Client, **change: Any) -> dict[str, Any]:
    trade = created(simulators, client, **change)
    pay = {"tradeNO": trade["trade_no"]}
    moved = simulators.control(ALI, "POST", f"/payers/{trade['payer']}/payments", pay_params=pay)
    assert moved["result"] == "9000"
    return trade


def query(client: Client, out_trade_no: str) -> dict[str, Any]:
    return client.call("alipay.trade.query", {"out_trade_no": out_trade_no})


def refund(client: Client, trade: dict[str, Any], yuan: str, request_no: str) -> dict[str, Any]:
    asked = {
        "out_trade_no": trade["out_trade_no"],
        "refund_amount": yuan,
        "out_request_no": request_no,
    }
    return client.call("alipay.trade.refund", asked)


def test_a_trade_is_paid_told_and_found(simulators: Simulators, client: Client, merchant: Merchant) -> None:
    trade = paid(simulators, client, passback_params="visit%3D7")
    told = client.notice(merchant.wait(1)[0])
    assert told["trade_status"] == "TRADE_SUCCESS"
    assert told["total_amount"] == "12.30"
    assert told["seller_id"] == client.card["pid"]
    assert told["app_id"] == client.card["appid"]
    assert told["out_trade_no"] == trade["out_trade_no"]
    assert told["passback_params"] == "visit%3D7"
    found = query(client, trade["out_trade_no"])
    assert (found["code"], found["trade_status"]) == ("10000", "TRADE_SUCCESS")
    assert found["trade_no"] == told["trade_no"] == trade["trade_no"]
    assert found["buyer_user_id"] == trade["payer"]


def test_a_code_is_no_trade_until_it_is_scanned(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    asked = {"out_trade_no": number(), "total_amount": "500.00", "subject": "住院预交金"}
    code = client.call("alipay.trade.precreate", asked)["qr_code"]
    assert code.startswith("https://qr.alipay.com/")
    assert client.call("alipay.trade.precreate", asked)["qr_code"] == code
    one = {"out_trade_no": asked["out_trade_no"]}
    for method in ("alipay.trade.query", "alipay.trade.close"):
        assert client.call(method, one)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert "action" not in client.call("alipay.trade.cancel", one)
    payer = new_payer(simulators)["user_id"]
    simulators.control(ALI, "POST", f"/payers/{payer}/scans", qr_code=code)
    assert query(client, asked["out_trade_no"])["trade_status"] == "WAIT_BUYER_PAY"
    other = new_payer(simulators)["user_id"]
    wrong = simulators.control_answer(ALI, "POST", f"/payers/{other}/payments", qr_code=code)
    assert wrong.json()["code"] == "PAYER_MISMATCH"
    simulators.control(ALI, "POST", f"/payers/{payer}/abandonments", qr_code=code)
    simulators.control(ALI, "POST", f"/payers/{payer}/payments", qr_code=code)
    assert client.notice(merchant.wait(1)[0])["trade_status"] == "TRADE_SUCCESS"
    again = simulators.control_answer(ALI, "POST", f"/payers/{payer}/payments", qr_code=code)
    assert again.json()["code"] == "ORDER_PAID"


def test_a_code_that_nobody_scanned_runs_out(simulators: Simulators, client: Client) -> None:
    asked = {"out_trade_no": number(), "total_amount": "1", "subject": "预交金"}
    code = client.call("alipay.trade.precreate", {**asked, "qr_code_timeout_express": "15m"})
    simulators.clock.forward(minutes=16)
    payer = new_payer(simulators)["user_id"]
    late = simulators.control_answer(ALI, "POST", f"/payers/{payer}/payments", qr_code=code["qr_code"])
    assert late.json()["code"] == "PREPAY_EXPIRED"


def test_a_number_means_one_trade(simulators: Simulators, client: Client) -> None:
    trade = created(simulators, client)
    asked = {k: v for k, v in trade.items() if k not in ("trade_no", "payer")}
    assert client.call("alipay.trade.create", asked)["trade_no"] == trade["trade_no"]
    changed = client.call("alipay.trade.create", {**asked, "total_amount": "12.31"})
    assert changed["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    simulators.control(
        ALI,
        "POST",
        f"/payers/{trade['payer']}/payments",
        pay_params={"tradeNO": trade["trade_no"]},
    )
    assert client.call("alipay.trade.create", asked)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"


def test_a_trade_lapses_in_business_time_and_its_merchant_hears(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    trade = created(simulators, client, timeout_express="15m")
    simulators.clock.forward(minutes=16)
    told = client.notice(merchant.wait(1)[0])
    assert told["trade_status"] == "TRADE_CLOSED"
    assert "refund_fee" not in told
    assert query(client, trade["out_trade_no"])["trade_status"] == "TRADE_CLOSED"
    pay = {"tradeNO": trade["trade_no"]}
    path = f"/payers/{trade['payer']}/payments"
    late = simulators.control_answer(ALI, "POST", path, pay_params=pay)
    assert late.json()["code"] == "ORDER_CLOSED"


def test_only_an_unpaid_trade_is_closed(simulators: Simulators, client: Client) -> None:
    waiting, done = created(simulators, client), paid(simulators, client)
    close = "alipay.trade.close"
    assert client.call(close, {"trade_no": waiting["trade_no"]})["code"] == "10000"
    assert query(client, waiting["out_trade_no"])["trade_status"] == "TRADE_CLOSED"
    answer = client.call(close, {"trade_no": done["trade_no"]})
    assert answer["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


def test_cancelling_closes_or_refunds(simulators: Simulators, client: Client) -> None:
    waiting, done = created(simulators, client), paid(simulators, client)
    cancel = "alipay.trade.cancel"
    for trade, action in ((waiting, "close"), (done, "refund")):
        answer = client.call(cancel, {"out_trade_no": trade["out_trade_no"]})
        assert (answer["action"], answer["retry_flag"]) == (action, "N")
        assert query(client, trade["out_trade_no"])["trade_status"] == "TRADE_CLOSED"
        assert "action" not in client.call(cancel, {"out_trade_no": trade["out_trade_no"]})
    old = paid(simulators, client)
    simulators.clock.forward(days=2)
    late = client.call(cancel, {"out_trade_no": old["out_trade_no"]})
    assert late["sub_code"] == "ACQ.TRADE_CANCEL_TIME_OUT"


def test_a_partial_refund_is_told_as_success_again_and_the_last_as_closed(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    trade = paid(simulators, client)
    merchant.wait(1)
    first = refund(client, trade, "2.30", "part-1")
    assert (first["fund_change"], first["refund_fee"]) == ("Y", "2.30")
    assert refund(client, trade, "2.30", "part-1")["fund_change"] == "N"
    differing = refund(client, trade, "2.31", "part-1")
    assert differing["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert refund(client, trade, "1.00", "part-2")["code"] == "40005"
    simulators.clock.forward(seconds=3)
    too_much = refund(client, trade, "10.01", "part-2")
    assert too_much["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert refund(client, trade, "10.00", "part-2")["refund_fee"] == "12.30"
    told = [client.notice(received) for received in merchant.wait(3)[1:]]
    told.sort(key=lambda fields: fields["out_biz_no"])
    assert [t["trade_status"] for t in told] == ["TRADE_SUCCESS", "TRADE_CLOSED"]
    assert [t["refund_fee"] for t in told] == ["2.30", "12.30"]
    asked = {"out_trade_no": trade["out_trade_no"], "out_request_no": "part-2"}
    found = client.call("alipay.trade.fastpay.refund.query", asked)
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "10.00")
    absent = client.call("alipay.trade.fastpay.refund.query", {**asked, "out_request_no": "none"})
    assert absent == {"code": "10000", "msg": "Success"}
    assert refund(client, trade, "0.01", "part-3")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    order = simulators.control(ALI, "GET", f"/orders/{trade['out_trade_no']}")
    assert (order["paid_fen"], order["refunded_fen"]) == (1230, 1230)


def test_after_a_year_nothing_is_refunded(simulators: Simulators, client: Client) -> None:
    trade = paid(simulators, client)
    simulators.clock.forward(days=366)
    time.sleep(0.6)
    assert query(client, trade["out_trade_no"])["trade_status"] == "TRADE_FINISHED"
    assert refund(client, trade, "1.00", "late")["sub_code"] == "ACQ.TRADE_HAS_FINISHED"


@pytest.mark.parametrize(
    "change",
    [
        {"total_amount": "0"},
        {"total_amount": "1.234"},
        {"total_amount": "-1"},
        {"subject": ""},
        {"out_trade_no": ""},
        {"out_trade_no": "x" * 65},
        {"buyer_id": ""},
        {"product_code": "FAST_INSTANT_TRADE_PAY"},
        {"time_expire": "tomorrow"},
        {"time_expire": "2020-01-01 00:00:00"},
        {"timeout_express": "soon"},
    ],
)
def test_an_ill_formed_trade_is_refused(
    simulators: Simulators, client: Client, change: dict[str, Any]
) -> None:
    asked = {
        "out_trade_no": number(),
        "total_amount": "1.00",
        "subject": "门诊",
        "buyer_id": new_payer(simulators)["user_id"],
        **change,
    }
    answer = client.call("alipay.trade.create", asked)
    assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER")


@pytest.mark.parametrize(
    ("common", "sub_code"),
    [
        ({"sign_type": "RSA"}, "isv.invalid-signature-type"),
        ({"charset": "gbk"}, "isv.invalid-charset"),
        ({"timestamp": "yesterday"}, "isv.invalid-timestamp"),
        ({"timestamp": "2020-01-01 00:00:00"}, "isv.invalid-timestamp"),
    ],
)
def test_ill_formed_common_parameters_are_refused(
    client: Client, common: dict[str, str], sub_code: str
) -> None:
    answer = client.call("alipay.trade.query", {"out_trade_no": "any"}, **common)
    assert answer["sub_code"] == sub_code


@pytest.mark.parametrize(
    ("common", "method"),
    [({"app_id": "2021000000000000"}, "alipay.trade.query"), ({}, "alipay.trade.guess")],
)
def test_a_call_of_nobody_gets_an_unsigned_error(client: Client, common: dict[str, str], method: str) -> None:
    answer = client.post(method, {"out_trade_no": "any"}, **common).json()
    assert answer["error_response"]["code"] == "40002"
    assert "sign" not in answer


def test_a_wrong_key_fails_both_ways(simulators: Simulators, client: Client, merchant: Merchant) -> None:
    paid(simulators, client)
    told = merchant.wait(1)[0]
    client.alipay = keys.stranger().public_key()
    with pytest.raises(InvalidSignature):
        client.notice(told)
    with pytest.raises(InvalidSignature):
        query(client, "any")
    honest = Client(simulators)
    honest.key = keys.stranger()
    assert query(honest, "any")["sub_code"] == "isv.invalid-signature"


def test_a_login_code_tells_the_user_once(simulators: Simulators, client: Client) -> None:
    payer = new_payer(simulators)
    code = simulators.control(ALI, "POST", f"/payers/{payer['user_id']}/login-codes")["code"]
    login = "alipay.system.oauth.token"
    told = client.call(login, grant_type="authorization_code", code=code)
    assert "code" not in told
    assert (told["user_id"], told["open_id"]) == (payer["user_id"], payer["open_id"])
    used = client.call(login, grant_type="authorization_code", code=code)
    assert used["sub_code"] == "isv.code-invalid"
    wrong = client.call(login, grant_type="password", code=code)
    assert wrong["sub_code"] == "isv.grant-type-invalid"


def test_a_notice_is_tried_until_exactly_success(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    merchant.reply = b"success\n"
    trade = paid(simulators, client)
    for attempt, wait in enumerate(RETRY_AFTER, start=1):
        merchant.wait(attempt)
        simulators.clock.forward(seconds=wait.total_seconds())
    notices = [client.notice(received) for received in merchant.wait(8)]
    assert len({fields["notify_id"] for fields in notices}) == 1
    assert sum(RETRY_AFTER, timedelta()) == timedelta(hours=24, minutes=24)
    merchant.reply = b"success"
    path = f"/notices?reference={trade['out_trade_no']}"
    while simulators.control(ALI, "GET", path)["items"][0]["state"] == "pending":
        time.sleep(0.02)
    notice = simulators.control(ALI, "GET", path)["items"][0]
    assert notice["state"] == "given_up"
    again = simulators.control(ALI, "POST", f"/notices/{notice['id']}/deliver")
    assert again["state"] == "delivered"


@pytest.mark.parametrize("fault", ["tamper", "forge", "unknown_key"])
def test_a_spoilt_notice_is_not_believed(
    simulators: Simulators, client: Client, merchant: Merchant, fault: str
) -> None:
    no = number()
    simulators.control(ALI, "POST", "/faults", name=fault, reference=no)
    paid(simulators, client, out_trade_no=no)
    with pytest.raises(InvalidSignature):
        client.notice(merchant.wait(1)[0])


def test_a_stale_notice_is_well_signed_but_old(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    no = number()
    simulators.control(ALI, "POST", "/faults", name="stale", reference=no)
    paid(simulators, client, out_trade_no=no)
    told = client.notice(merchant.wait(1)[0])
    assert told["notify_time"] < told["gmt_payment"]


@pytest.mark.parametrize("fault", ["forged_reply", "tampered_reply"])
def test_a_spoilt_reply_is_not_believed(simulators: Simulators, client: Client, fault: str) -> None:
    simulators.control(ALI, "POST", "/faults", name=fault)
    with pytest.raises(InvalidSignature):
        query(client, "any")
    assert query(client, "any")["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_an_unsigned_reply_has_no_signature(simulators: Simulators, client: Client) -> None:
    simulators.control(ALI, "POST", "/faults", name="unsigned_reply")
    assert "sign" not in client.post("alipay.trade.query", {"out_trade_no": "any"}).json()


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        ("lose_request", False),
        ("lose_reply", True),
        ("error_before", False),
        ("error_after", True),
        ("unavailable_before", False),
        ("unavailable_after", True),
        ("busy", False),
    ],
)
def test_an_error_may_hide_a_trade(
    simulators: Simulators, client: Client, fault: str, happened: bool
) -> None:
    no = number()
    simulators.control(ALI, "POST", "/faults", name=fault, reference=no)
    asked = {
        "out_trade_no": no,
        "total_amount": "1.00",
        "subject": "门诊",
        "buyer_id": new_payer(simulators)["user_id"],
    }
    if fault.startswith("lose"):
        with pytest.raises(httpx.TransportError):
            client.post("alipay.trade.create", asked)
    elif fault.startswith("unavailable"):
        assert client.post("alipay.trade.create", asked).status_code == 502
    else:
        code = "40005" if fault == "busy" else "20000"
        assert client.call("alipay.trade.create", asked)["code"] == code
    assert (query(client, no)["code"] == "10000") is happened
