"""Payment codes at Alipay: charged, confirmed, cancelled; told only when paid."""

from typing import Any

import pytest

from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_alipay import ALI, Client, number, query, refund

PAY, CANCEL = "alipay.trade.pay", "alipay.trade.cancel"


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


def phone(simulators: Simulators, fen: int = 10_000_000) -> str:
    """A payer who holds a phone."""
    return simulators.control(ALI, "POST", "/payers", balance_fen=fen)["user_id"]


def shown(simulators: Simulators, payer: str) -> str:
    return simulators.control(ALI, "POST", f"/payers/{payer}/payment-codes")["auth_code"]


def a_scan(code: str, **change: Any) -> dict[str, Any]:
    return {
        "out_trade_no": number(),
        "scene": "bar_code",
        "auth_code": code,
        "total_amount": "12.30",
        "subject": "门诊缴费",
        **change,
    }


def tapped(simulators: Simulators, payer: str, what: str, order: dict[str, Any]) -> Any:
    path = f"/payers/{payer}/{what}"
    return simulators.control_answer(ALI, "POST", path, out_trade_no=order["out_trade_no"])


def test_a_code_is_charged_told_and_found(simulators: Simulators, client: Client, merchant: Merchant) -> None:
    payer = phone(simulators)
    order = a_scan(shown(simulators, payer))
    paid = client.call(PAY, order)
    assert (paid["code"], paid["msg"]) == ("10000", "Success")
    assert paid["receipt_amount"] == paid["buyer_pay_amount"] == paid["total_amount"] == "12.30"
    assert paid["fund_bill_list"] == [{"amount": "12.30", "fund_channel": "ALIPAYACCOUNT"}]
    assert (paid["buyer_user_id"], paid["out_trade_no"]) == (payer, order["out_trade_no"])
    told = client.notice(merchant.wait(1)[0])
    assert (told["trade_status"], told["gmt_payment"]) == ("TRADE_SUCCESS", paid["gmt_payment"])
    found = query(client, order["out_trade_no"])
    assert (found["trade_status"], found["trade_no"]) == ("TRADE_SUCCESS", paid["trade_no"])
    assert client.call(PAY, order)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"


def test_a_large_sum_waits_for_the_password(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    payer = phone(simulators)
    small = a_scan(shown(simulators, payer), total_amount="1000.00")
    assert client.call(PAY, small)["code"] == "10000"
    large = a_scan(shown(simulators, payer), total_amount="1000.01")
    waiting = client.call(PAY, large)
    assert (waiting["code"], waiting["msg"]) == ("10003", " order success pay inprocess")
    assert client.call(PAY, large) == waiting
    assert (waiting["receipt_amount"], "gmt_payment" in waiting) == ("0.00", False)
    assert query(client, large["out_trade_no"])["trade_status"] == "WAIT_BUYER_PAY"
    asked = simulators.control(ALI, "GET", f"/payers/{payer}/confirmations")["items"]
    assert [(item["out_trade_no"], item["amount_fen"]) for item in asked] == [
        (large["out_trade_no"], 100_001)
    ]
    assert tapped(simulators, payer, "refusals", large).json()["result"] == "6001"
    assert query(client, large["out_trade_no"])["trade_status"] == "WAIT_BUYER_PAY"
    assert tapped(simulators, phone(simulators), "confirmations", large).json()["code"] == "PAYER_MISMATCH"
    assert tapped(simulators, payer, "confirmations", large).json()["result"] == "9000"
    assert query(client, large["out_trade_no"])["trade_status"] == "TRADE_SUCCESS"
    assert tapped(simulators, payer, "confirmations", large).json()["code"] == "ORDER_PAID"
    assert [client.notice(told)["trade_status"] for told in merchant.wait(2)] == ["TRADE_SUCCESS"] * 2


def test_cancelling_closes_or_refunds_without_a_word(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    payer = phone(simulators)
    paid = a_scan(shown(simulators, payer))
    waiting = a_scan(shown(simulators, payer), total_amount="2000")
    assert [client.call(PAY, order)["code"] for order in (paid, waiting)] == ["10000", "10003"]
    merchant.wait(1)
    for order, action in ((paid, "refund"), (waiting, "close")):
        one = {"out_trade_no": order["out_trade_no"]}
        answer = client.call(CANCEL, one)
        assert (answer["action"], answer["retry_flag"]) == (action, "N")
        assert query(client, order["out_trade_no"])["trade_status"] == "TRADE_CLOSED"
        assert client.call(PAY, order)["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    assert tapped(simulators, payer, "confirmations", waiting).json()["code"] == "ORDER_CLOSED"
    assert simulators.control(ALI, "GET", f"/payers/{payer}")["balance_fen"] == 10_000_000
    references = simulators.control(ALI, "GET", "/notices")["items"]
    kinds = [
        n["kind"] for n in references if n["reference"] in (paid["out_trade_no"], waiting["out_trade_no"])
    ]
    assert kinds == ["TRADE_SUCCESS"]
    nothing = client.call(CANCEL, {"out_trade_no": number()})
    assert (nothing["code"], nothing["retry_flag"], "action" in nothing) == ("10000", "N", False)


def test_a_password_nobody_types_lets_the_trade_lapse(simulators: Simulators, client: Client) -> None:
    payer = phone(simulators)
    order = a_scan(shown(simulators, payer), total_amount="2000", timeout_express="5m")
    assert client.call(PAY, order)["code"] == "10003"
    simulators.clock.forward(minutes=4)
    assert query(client, order["out_trade_no"])["trade_status"] == "WAIT_BUYER_PAY"
    simulators.clock.forward(minutes=1)
    assert query(client, order["out_trade_no"])["trade_status"] == "TRADE_CLOSED"


def test_a_code_is_good_once_and_for_a_minute(simulators: Simulators, client: Client) -> None:
    payer = phone(simulators)
    used, old = shown(simulators, payer), shown(simulators, payer)
    assert client.call(PAY, a_scan(used))["code"] == "10000"
    for code in (used, "280000000000000000", "130000000000000000", "28000000000000x"):
        refused = client.call(PAY, a_scan(code))
        assert (refused["code"], refused["sub_code"]) == ("40004", "ACQ.PAYMENT_AUTH_CODE_INVALID")
        assert refused["receipt_amount"] == "0.00"
    simulators.clock.forward(seconds=60)
    late = a_scan(old)
    assert client.call(PAY, late)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert query(client, late["out_trade_no"])["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert client.call(PAY, {**late, "auth_code": shown(simulators, payer)})["code"] == "10000"


def test_an_empty_wallet_spends_the_code_not_the_number(simulators: Simulators, client: Client) -> None:
    poor, rich = phone(simulators, 1229), phone(simulators, 1230)
    order = a_scan(shown(simulators, poor))
    assert client.call(PAY, order)["sub_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    assert client.call(PAY, order)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert client.call(PAY, {**order, "auth_code": shown(simulators, rich)})["code"] == "10000"


def test_a_number_means_one_trade_of_one_buyer(simulators: Simulators, client: Client) -> None:
    payer = phone(simulators)
    order = a_scan(shown(simulators, payer), total_amount="2000")
    assert client.call(PAY, order)["code"] == "10003"
    changed = {**order, "auth_code": shown(simulators, payer), "total_amount": "2001"}
    assert client.call(PAY, changed)["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    other = {**order, "auth_code": shown(simulators, phone(simulators))}
    assert client.call(PAY, other)["sub_code"] == "ACQ.TRADE_BUYER_NOT_MATCH"
    simulators.control(ALI, "POST", f"/payers/{payer}/no-password-limit", limit_fen=500_000)
    again = {**order, "auth_code": shown(simulators, payer)}
    assert client.call(PAY, again)["code"] == "10000"


@pytest.mark.parametrize(
    "change",
    [
        {"scene": "wave_code"},
        {"product_code": "JSAPI_PAY"},
        {"auth_code": ""},
        {"subject": ""},
        {"total_amount": "0"},
        {"out_trade_no": ""},
        {"timeout_express": "soon"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_ill_formed_scan_is_refused(
    simulators: Simulators, client: Client, change: dict[str, str]
) -> None:
    order = a_scan(shown(simulators, phone(simulators)))
    refused = client.call(PAY, {**order, **change})
    assert (refused["code"], refused["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER")
    assert client.call(PAY, order)["code"] == "10000"


def test_a_charged_code_is_refunded_like_any_trade(
    simulators: Simulators, client: Client, merchant: Merchant
) -> None:
    order = a_scan(shown(simulators, phone(simulators)))
    client.call(PAY, order)
    assert refund(client, order, "2.30", "part-1")["fund_change"] == "Y"
    told = [client.notice(received) for received in merchant.wait(2)]
    assert [fields.get("refund_fee") for fields in told] == [None, "2.30"]
