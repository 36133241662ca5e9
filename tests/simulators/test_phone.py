"""What a phone shows by itself, and the tap that pays an order placed for its owner."""

from typing import Any

import pytest

from tests.simulators import raw_alipay, raw_wechat_pay
from tests.simulators.conftest import Simulators
from tests.simulators.waiting import eventually

WX, ALI = "wechat_pay", "alipay"


def jsapi_order(simulators: Simulators, openid: str) -> dict[str, Any]:
    raw = raw_wechat_pay.Raw(simulators)
    order = raw_wechat_pay.an_order(simulators, payer={"openid": openid})
    assert raw.call("POST", "/v3/pay/transactions/jsapi", order).status_code == 200
    return order


def shown(simulators: Simulators, name: str, payer: str) -> dict[str, Any]:
    return simulators.control(name, "GET", f"/payers/{payer}/phone")


def numbers(items: list[dict[str, Any]]) -> list[str]:
    return [item["out_trade_no"] for item in items]


def test_a_wechat_phone_shows_its_orders_and_every_code(simulators: Simulators) -> None:
    mine, other = (simulators.control(WX, "POST", "/payers")["openid"] for _ in range(2))
    order = jsapi_order(simulators, mine)
    raw = raw_wechat_pay.Raw(simulators)
    native = raw_wechat_pay.an_order(simulators)
    code_url = raw_wechat_pay.native(raw, native).json()["code_url"]

    assert numbers(shown(simulators, WX, mine)["orders"]) == [order["out_trade_no"]]
    assert shown(simulators, WX, other)["orders"] == []
    assert code_url in [code["code"] for code in shown(simulators, WX, other)["codes"]]

    tap = {"out_trade_no": order["out_trade_no"]}
    assert simulators.control_answer(WX, "POST", f"/payers/{other}/taps", **tap).status_code == 404
    assert simulators.control(WX, "POST", f"/payers/{mine}/taps", **tap)["amount_fen"] == 100
    again = simulators.control_answer(WX, "POST", f"/payers/{mine}/taps", **tap)
    assert (again.status_code, again.json()["code"]) == (409, "ORDER_PAID")
    after = shown(simulators, WX, mine)
    assert (after["orders"], numbers(after["paid"])) == ([], [order["out_trade_no"]])

    raw_wechat_pay.refund(raw, order, 40)
    simulators.clock.forward(seconds=2)
    eventually(lambda: shown(simulators, WX, mine)["paid"][0]["refunded_fen"] == 40)
    simulators.clock.forward(hours=3)
    assert code_url not in [code["code"] for code in shown(simulators, WX, mine)["codes"]]


def test_an_alipay_phone_shows_its_trades_and_codes_nobody_scanned(simulators: Simulators) -> None:
    client = raw_alipay.Client(simulators)
    trade = raw_alipay.created(simulators, client)
    other = raw_alipay.new_payer(simulators)["user_id"]
    asked = {"out_trade_no": raw_alipay.number(), "total_amount": "88.00", "subject": "门诊缴费"}
    code = client.call("alipay.trade.precreate", asked)["qr_code"]

    assert numbers(shown(simulators, ALI, trade["payer"])["orders"]) == [trade["out_trade_no"]]
    assert [c["code"] for c in shown(simulators, ALI, other)["codes"]] == [code]
    simulators.control(ALI, "POST", f"/payers/{other}/scans", qr_code=code)
    assert shown(simulators, ALI, other)["codes"] == []
    assert numbers(shown(simulators, ALI, other)["orders"]) == [asked["out_trade_no"]]

    tap = {"out_trade_no": trade["out_trade_no"]}
    refused = simulators.control_answer(ALI, "POST", f"/payers/{other}/taps", **tap)
    assert refused.json()["code"] == "PAYER_MISMATCH"
    assert simulators.control(ALI, "POST", f"/payers/{trade['payer']}/taps", **tap)["amount_fen"] == 1230
    raw_alipay.refund(client, trade, "2.30", "back-1")
    [paid] = shown(simulators, ALI, trade["payer"])["paid"]
    assert paid["refunded_fen"] == 230


@pytest.mark.parametrize("name", [WX, ALI])
def test_wallets_are_listed_newest_first(simulators: Simulators, name: str) -> None:
    made = [simulators.control(name, "POST", "/payers", balance_fen=7)["id"] for _ in range(2)]
    listed = simulators.control(name, "GET", "/payers")["items"]
    assert [payer["id"] for payer in listed[:2]] == made[::-1]
    assert listed[0]["balance_fen"] == 7
    assert simulators.control_answer(name, "GET", "/payers/nobody/phone").status_code == 404
