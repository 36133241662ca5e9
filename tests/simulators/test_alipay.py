"""Our Alipay, spoken to by a client written from the protocol's text and the official SDK's."""

import time

import pytest

from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_alipay import ALI, Client, created, new_payer, number, paid, query, refund


@pytest.fixture
def client(simulators: Simulators) -> Client:
    return Client(simulators)


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
