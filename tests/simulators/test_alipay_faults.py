"""What Alipay refuses, what it tells again, and how it misbehaves when asked to."""

import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature

from simulators import keys
from simulators.alipay.telling import RETRY_AFTER
from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_alipay import ALI, Client, new_payer, number, paid, query


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


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


@pytest.mark.sees(ALI)
@pytest.mark.parametrize("fault", ["tamper", "forge", "unknown_key"])
def test_a_spoilt_notice_is_not_believed(
    simulators: Simulators, client: Client, merchant: Merchant, fault: str
) -> None:
    no = number()
    simulators.control(ALI, "POST", "/faults", name=fault, reference=no)
    paid(simulators, client, out_trade_no=no)
    with pytest.raises(InvalidSignature):
        client.notice(merchant.wait(1)[0])


@pytest.mark.sees(ALI, "stale")
def test_a_stale_notice_is_well_signed_but_old(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    no = number()
    simulators.control(ALI, "POST", "/faults", name="stale", reference=no)
    paid(simulators, client, out_trade_no=no)
    told = client.notice(merchant.wait(1)[0])
    assert told["notify_time"] < told["gmt_payment"]


@pytest.mark.sees(ALI)
@pytest.mark.parametrize("fault", ["forged_reply", "tampered_reply"])
def test_a_spoilt_reply_is_not_believed(simulators: Simulators, client: Client, fault: str) -> None:
    simulators.control(ALI, "POST", "/faults", name=fault)
    with pytest.raises(InvalidSignature):
        query(client, "any")
    assert query(client, "any")["sub_code"] == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.sees(ALI, "unsigned_reply")
def test_an_unsigned_reply_has_no_signature(simulators: Simulators, client: Client) -> None:
    simulators.control(ALI, "POST", "/faults", name="unsigned_reply")
    assert "sign" not in client.post("alipay.trade.query", {"out_trade_no": "any"}).json()


@pytest.mark.sees(ALI)
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
