"""Payment codes at WeChat Pay: charged, confirmed, refused, reversed; by wechatpayv3 and by hand."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import wechatpayv3
import wechatpayv3.async_

from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, number, query, refund
from tests.simulators.test_wechat_pay_client import client_of, settings_of

BY_CODE = wechatpayv3.WeChatPayType.CODEPAY
PLACE = {"store_info": {"out_id": "window-3"}}


@pytest.fixture
def raw(simulators: Simulators) -> Raw:
    return Raw(simulators)


def phone(simulators: Simulators, **more: Any) -> str:
    """A payer who holds a phone."""
    return simulators.control(WX, "POST", "/payers", **more)["openid"]


def shown(simulators: Simulators, openid: str) -> str:
    code = simulators.control(WX, "POST", f"/payers/{openid}/payment-codes")
    assert code["expires_in"] == 60
    return code["auth_code"]


def a_scan(raw: Raw, code: str, fen: int = 1200, **change: Any) -> dict[str, Any]:
    order = {
        "appid": raw.card["appid"],
        "mchid": raw.card["mchid"],
        "description": "门诊缴费",
        "out_trade_no": number(),
        "payer": {"auth_code": code},
        "amount": {"total": fen, "currency": "CNY"},
        "scene_info": PLACE,
        **change,
    }
    return {name: value for name, value in order.items() if value is not None}


def charge(raw: Raw, order: dict[str, Any]) -> Any:
    return raw.call("POST", "/v3/pay/transactions/codepay", order)


def reverse(raw: Raw, no: str) -> Any:
    content = {"appid": raw.card["appid"], "mchid": raw.card["mchid"]}
    return raw.call("POST", f"/v3/pay/transactions/out-trade-no/{no}/reverse", content)


def state_of(raw: Raw, no: str) -> str:
    return query(raw, no).json()["trade_state"]


def answered(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_wechatpayv3_charges_a_code_and_reverses_it(
    simulators: Simulators, merchant: Merchant, tmp_path: Path
) -> None:
    client, openid = client_of(simulators, tmp_path, wechatpay_type=BY_CODE), phone(simulators)
    no, code = number(), shown(simulators, openid)
    order = {"description": "门诊缴费", "amount": {"total": 1200}, "scene_info": PLACE}
    status, body = client.pay(out_trade_no=no, payer={"auth_code": code}, pay_type=BY_CODE, **order)
    paid = json.loads(body)
    assert (status, paid["trade_state"], paid["trade_type"]) == (200, "SUCCESS", "MICROPAY")
    assert (paid["payer"]["openid"], paid["amount"]["payer_total"]) == (openid, 1200)
    assert client.query(out_trade_no=no) == (200, body)
    status, body = client.codepay_reverse(no)
    assert (status, json.loads(body)["out_trade_no"]) == (200, no)
    assert json.loads(client.query(out_trade_no=no)[1])["trade_state"] == "REVOKED"
    assert client.codepay_reverse(no)[0] == 200
    seen = simulators.control(WX, "GET", f"/orders/{no}")
    assert (seen["paid_fen"], seen["refunded_fen"]) == (1200, 1200)
    assert simulators.control(WX, "GET", f"/notices?reference={no}")["items"] == []
    assert merchant.received == []


@asynccontextmanager
async def async_client(simulators: Simulators) -> AsyncIterator[Any]:
    settings = settings_of(simulators, wechatpay_type=wechatpayv3.async_.WeChatPayType.CODEPAY)
    client = wechatpayv3.async_.AsyncWeChatPay(**settings)
    client._core._gate_way = simulators.cards[WX]["base_url"]  # pyright: ignore[reportPrivateUsage]
    async with client:
        yield client


async def test_the_async_client_waits_for_a_password_and_reverses(simulators: Simulators) -> None:
    openid, no = phone(simulators), number()
    order = {"description": "住院预交金", "amount": {"total": 100_001}, "scene_info": PLACE}
    async with async_client(simulators) as client:
        payer = {"auth_code": shown(simulators, openid)}
        status, body = await client.pay(out_trade_no=no, payer=payer, **order)
        told = json.loads(body)
        assert (status, told["code"], told["trade_state"]) == (202, "USERPAYING", "USERPAYING")
        assert json.loads((await client.query(out_trade_no=no))[1])["trade_state"] == "USERPAYING"
        assert (await client.codepay_reverse(no))[0] == 200
        assert json.loads((await client.query(out_trade_no=no))[1])["trade_state"] == "REVOKED"
    late = simulators.control_answer(WX, "POST", f"/payers/{openid}/confirmations", out_trade_no=no)
    assert (late.status_code, late.json()["code"]) == (409, "ORDER_CLOSED")


def test_the_payer_confirms_or_refuses_or_does_nothing(simulators: Simulators, raw: Raw) -> None:
    openid = phone(simulators)
    simulators.control(WX, "POST", f"/payers/{openid}/no-password-limit", limit_fen=0)
    orders = [a_scan(raw, shown(simulators, openid)) for _ in range(3)]
    assert [charge(raw, order).status_code for order in orders] == [202, 202, 202]
    confirmed, refused, ignored = (order["out_trade_no"] for order in orders)
    asked = simulators.control(WX, "GET", f"/payers/{openid}/confirmations")["items"]
    assert [item["out_trade_no"] for item in asked] == [confirmed, refused, ignored]
    stranger = simulators.control_answer(
        WX, "POST", f"/payers/{phone(simulators)}/confirmations", out_trade_no=confirmed
    )
    assert stranger.json()["code"] == "PAYER_MISMATCH"
    simulators.control(WX, "POST", f"/payers/{openid}/confirmations", out_trade_no=confirmed)
    simulators.control(WX, "POST", f"/payers/{openid}/refusals", out_trade_no=refused)
    assert [state_of(raw, no) for no in (confirmed, refused, ignored)] == [
        "SUCCESS",
        "PAYERROR",
        "USERPAYING",
    ]
    simulators.clock.forward(seconds=46)
    assert state_of(raw, ignored) == "PAYERROR"
    assert charge(raw, orders[0]).json()["trade_state"] == "SUCCESS"
    assert answered(charge(raw, orders[1])) == (403, "TRADE_ERROR")
    assert reverse(raw, refused).status_code == 200
    assert answered(charge(raw, orders[1])) == (400, "ORDER_CLOSED")


@pytest.mark.parametrize("fen", [100_000, 100_001], ids=["a thousand", "more"])
def test_a_thousand_yuan_needs_no_password_and_a_fen_more_does(
    simulators: Simulators, raw: Raw, fen: int
) -> None:
    answer = charge(raw, a_scan(raw, shown(simulators, phone(simulators)), fen))
    assert answer.status_code == (200 if fen == 100_000 else 202)


def test_a_code_is_good_once_and_for_a_minute(simulators: Simulators, raw: Raw) -> None:
    openid = phone(simulators)
    used, old = shown(simulators, openid), shown(simulators, openid)
    first = a_scan(raw, used)
    assert charge(raw, first).status_code == 200
    assert charge(raw, first).status_code == 200
    assert answered(charge(raw, a_scan(raw, used))) == (400, "AUTH_CODE_INVALID")
    assert answered(charge(raw, a_scan(raw, "139999999999999999"))) == (400, "AUTH_CODE_INVALID")
    assert answered(charge(raw, {**first, "payer": {"auth_code": old}})) == (403, "OUT_TRADE_NO_USED")
    simulators.clock.forward(seconds=60)
    late = a_scan(raw, old)
    assert answered(charge(raw, late)) == (400, "AUTH_CODE_EXPIRED")
    assert query(raw, late["out_trade_no"]).status_code == 404
    assert simulators.control(WX, "GET", f"/orders/{first['out_trade_no']}")["paid_fen"] == 1200


def test_an_empty_wallet_fails_the_payment(simulators: Simulators, raw: Raw) -> None:
    order = a_scan(raw, shown(simulators, phone(simulators, balance_fen=1199)))
    assert answered(charge(raw, order)) == (403, "NOT_ENOUGH")
    assert state_of(raw, order["out_trade_no"]) == "PAYERROR"
    rich = a_scan(raw, shown(simulators, phone(simulators, balance_fen=1200)))
    assert charge(raw, rich).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"payer": {"auth_code": "163456789012345678"}},
        {"payer": {"auth_code": "13345678901234567"}},
        {"payer": None},
        {"scene_info": None},
        {"scene_info": {"device_id": "pos-1"}},
        {"scene_info": {"store_info": {}}},
        {"amount": {"total": 0}},
    ],
    ids=["prefix", "length", "no payer", "no scene", "no store", "empty store", "nothing to pay"],
)
def test_an_ill_formed_scan_is_refused(simulators: Simulators, raw: Raw, change: dict[str, Any]) -> None:
    code = shown(simulators, phone(simulators))
    assert answered(charge(raw, a_scan(raw, code, **change))) == (400, "PARAM_ERROR")
    assert charge(raw, a_scan(raw, code)).status_code == 200


def test_what_cannot_be_reversed(simulators: Simulators, raw: Raw) -> None:
    assert answered(reverse(raw, "nothing-here")) == (404, "ORDER_NOT_EXIST")
    openid = phone(simulators)
    old, refunded = (a_scan(raw, shown(simulators, openid)) for _ in range(2))
    assert [charge(raw, order).status_code for order in (old, refunded)] == [200, 200]
    assert refund(raw, refunded, 100).status_code == 200
    assert answered(reverse(raw, refunded["out_trade_no"])) == (400, "INVALID_REQUEST")
    close = {"mchid": raw.card["mchid"]}
    path = f"/v3/pay/transactions/out-trade-no/{old['out_trade_no']}/close"
    assert answered(raw.call("POST", path, close)) == (400, "INVALID_REQUEST")
    simulators.clock.forward(days=7, seconds=1)
    assert answered(reverse(raw, old["out_trade_no"])) == (400, "INVALID_REQUEST")


def test_an_order_of_another_kind_is_neither_reversed_nor_taken_over(
    simulators: Simulators, raw: Raw
) -> None:
    scan = a_scan(raw, shown(simulators, phone(simulators)))
    other = {k: v for k, v in scan.items() if k not in ("payer", "scene_info")}
    other |= {"notify_url": simulators.merchant.url, "out_trade_no": number()}
    assert raw.call("POST", "/v3/pay/transactions/native", other).status_code == 200
    assert answered(reverse(raw, other["out_trade_no"])) == (400, "INVALID_REQUEST")
    taken = {**scan, "out_trade_no": other["out_trade_no"]}
    assert answered(charge(raw, taken)) == (403, "OUT_TRADE_NO_USED")
    assert charge(raw, scan).status_code == 200
    taken = {**other, "out_trade_no": scan["out_trade_no"]}
    again = raw.call("POST", "/v3/pay/transactions/native", taken)
    assert answered(again) == (403, "OUT_TRADE_NO_USED")


def test_a_reversed_payment_is_not_refunded_again(simulators: Simulators, raw: Raw) -> None:
    openid = phone(simulators)
    order = a_scan(raw, shown(simulators, openid))
    charge(raw, order)
    poorer = simulators.control(WX, "GET", f"/payers/{openid}")["balance_fen"]
    assert reverse(raw, order["out_trade_no"]).status_code == 200
    assert simulators.control(WX, "GET", f"/payers/{openid}")["balance_fen"] == poorer + 1200
    assert answered(refund(raw, order, 100)) == (400, "INVALID_REQUEST")
