"""A client nobody here wrote speaks to our WeChat Pay: wechatpayv3, both key modes, both kinds."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import wechatpayv3
import wechatpayv3.async_

from simulators import keys
from tests.simulators.conftest import Merchant, Simulators

WX = "wechat_pay"


def settings_of(simulators: Simulators, **other: Any) -> dict[str, Any]:
    """What a stranger's client is configured with, from the card alone."""
    card = simulators.cards[WX]
    return {
        "wechatpay_type": wechatpayv3.WeChatPayType.JSAPI,
        "mchid": card["mchid"],
        "private_key": Path(card["merchant_private_key_path"]).read_text(),
        "cert_serial_no": card["merchant_serial"],
        "appid": card["appid"],
        "apiv3_key": card["apiv3_key"],
        "notify_url": simulators.merchant.url,
        "timeout": (3, 10),
        "public_key": Path(card["platform_public_key_path"]).read_text(),
        "public_key_id": card["platform_public_key_id"],
        **other,
    }


def client_of(simulators: Simulators, tmp_path: Path, *, mode: str = "public_key", **other: Any) -> Any:
    settings = settings_of(simulators, **other)
    if mode == "certificate":
        # The constructor would ask the real address; a certificate at hand keeps it quiet.
        shutil.copy(simulators.cards[WX]["platform_certificate_path"], tmp_path / "platform.pem")
        settings |= {"public_key": None, "public_key_id": None, "cert_dir": str(tmp_path)}
    client = wechatpayv3.WeChatPay(**settings)
    core = client._core  # pyright: ignore[reportPrivateUsage]
    core._gate_way = simulators.cards[WX]["base_url"]  # pyright: ignore[reportPrivateUsage]
    if mode == "certificate":
        core._cert_dir = None  # pyright: ignore[reportPrivateUsage]
        core._update_certificates()  # pyright: ignore[reportPrivateUsage]
    return client


def payer_of(simulators: Simulators) -> str:
    return simulators.control(WX, "POST", "/payers", balance_fen=100_000)["openid"]


def pay_params(client: Any, appid: str, prepay_id: str) -> dict[str, str]:
    stamp, nonce, package = str(int(time.time())), "n0nce", f"prepay_id={prepay_id}"
    sign = client.sign([appid, stamp, nonce, package])
    return {
        "appId": appid,
        "timeStamp": stamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": sign,
    }


def paid_by_jsapi(simulators: Simulators, client: Any, number: str, total: int = 1500) -> dict[str, Any]:
    openid = payer_of(simulators)
    code, body = client.pay(
        description="门诊挂号",
        out_trade_no=number,
        amount={"total": total},
        payer={"openid": openid},
    )
    assert code == 200, body
    appid = simulators.cards[WX]["appid"]
    params = pay_params(client, appid, json.loads(body)["prepay_id"])
    return simulators.control(WX, "POST", f"/payers/{openid}/payments", pay_params=params)


@pytest.mark.parametrize("mode", ["public_key", "certificate"])
def test_an_order_is_paid_told_and_found(
    simulators: Simulators, merchant: Merchant, tmp_path: Path, mode: str
) -> None:
    number = f"order-jsapi-{mode}"
    client = client_of(simulators, tmp_path, mode=mode)
    moved = paid_by_jsapi(simulators, client, number)
    told = merchant.wait(1)[0]
    notice = client.callback(told.headers, told.body)
    assert notice["event_type"] == "TRANSACTION.SUCCESS"
    assert notice["resource"]["out_trade_no"] == number
    assert notice["resource"]["amount"]["payer_total"] == 1500
    for asked in ({"out_trade_no": number}, {"transaction_id": moved["transaction_id"]}):
        code, body = client.query(**asked)
        assert code == 200
        assert json.loads(body) == notice["resource"]
    order = simulators.control(WX, "GET", f"/orders/{number}")
    assert (order["state"], order["paid_fen"]) == ("SUCCESS", 1500)


def test_a_native_code_is_scanned_and_paid(
    simulators: Simulators, merchant: Merchant, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path)
    code, body = client.pay(
        description="住院预交金",
        out_trade_no="order-native",
        amount={"total": 50000},
        pay_type=wechatpayv3.WeChatPayType.NATIVE,
    )
    assert code == 200
    code_url = json.loads(body)["code_url"]
    openid = payer_of(simulators)
    seen = simulators.control(WX, "POST", f"/payers/{openid}/scans", code_url=code_url)
    assert seen["amount_fen"] == 50000
    simulators.control(WX, "POST", f"/payers/{openid}/abandonments", code_url=code_url)
    assert json.loads(client.query(out_trade_no="order-native")[1])["trade_state"] == "NOTPAY"
    simulators.control(WX, "POST", f"/payers/{openid}/payments", code_url=code_url)
    told = merchant.wait(1)[0]
    assert client.callback(told.headers, told.body)["resource"]["trade_type"] == "NATIVE"


def test_an_unpaid_order_is_closed_and_stays_closed(simulators: Simulators, tmp_path: Path) -> None:
    client = client_of(simulators, tmp_path)
    order = {
        "description": "挂号",
        "amount": {"total": 100},
        "payer": {"openid": payer_of(simulators)},
    }
    code, first = client.pay(out_trade_no="order-closed", **order)
    again = client.pay(out_trade_no="order-closed", **order)
    assert (code, first) == again
    assert client.close("order-closed")[0] == 204
    assert client.close("order-closed")[0] == 204
    assert json.loads(client.query(out_trade_no="order-closed")[1])["trade_state"] == "CLOSED"
    code, body = client.pay(out_trade_no="order-closed", **order)
    assert (code, json.loads(body)["code"]) == (400, "ORDER_CLOSED")


def test_refunds_are_accepted_then_done_and_told(
    simulators: Simulators, merchant: Merchant, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path)
    paid_by_jsapi(simulators, client, "order-refund")
    merchant.wait(1)
    asked = {
        "out_trade_no": "order-refund",
        "amount": {"refund": 500, "total": 1500, "currency": "CNY"},
    }
    code, body = client.refund(out_refund_no="refund-1", **asked)
    assert (code, json.loads(body)["status"]) == (200, "PROCESSING")
    assert client.refund(out_refund_no="refund-1", **asked)[0] == 200
    simulators.clock.forward(seconds=2)
    told = merchant.wait(2)[1]
    notice = client.callback(told.headers, told.body)
    assert notice["event_type"] == "REFUND.SUCCESS"
    assert notice["resource"]["refund_status"] == "SUCCESS"
    assert notice["resource"]["amount"] == {
        "total": 1500, "refund": 500, "payer_total": 1500, "payer_refund": 500,
    }  # fmt: skip
    code, body = client.query_refund("refund-1")
    assert (code, json.loads(body)["status"]) == (200, "SUCCESS")
    assert json.loads(client.query(out_trade_no="order-refund")[1])["trade_state"] == "REFUND"
    code, body = client.refund(out_refund_no="refund-2", **asked)
    assert (code, json.loads(body)["code"]) == (429, "FREQUENCY_LIMITED")
    simulators.clock.forward(minutes=1)
    assert client.refund(out_refund_no="refund-2", **asked)[0] == 200
    order = simulators.control(WX, "GET", "/orders/order-refund")
    assert [r["amount_fen"] for r in order["refunds"]] == [500, 500]
    totals = simulators.control(WX, "GET", "/book")["merchant"]
    assert totals["net_fen"] == totals["balance_fen"]


async def test_the_async_client_agrees(simulators: Simulators, tmp_path: Path) -> None:
    sync = client_of(simulators, tmp_path)
    client = wechatpayv3.async_.AsyncWeChatPay(
        **settings_of(simulators, wechatpay_type=wechatpayv3.async_.WeChatPayType.NATIVE)
    )
    client._core._gate_way = simulators.cards[WX]["base_url"]  # pyright: ignore[reportPrivateUsage]
    async with client:
        code, body = await client.pay(description="押金", out_trade_no="order-async", amount={"total": 1})
        assert code == 200, body
        assert (await client.query(out_trade_no="order-async"))[0] == 200
        assert (await client.close("order-async"))[0] == 204
    assert json.loads(sync.query(out_trade_no="order-async")[1])["trade_state"] == "CLOSED"


def test_a_client_with_a_wrong_private_key_is_refused(simulators: Simulators, tmp_path: Path) -> None:
    stranger = keys.private_pem(keys.stranger(), keys.PKCS8).decode()
    client = client_of(simulators, tmp_path, private_key=stranger)
    code, body = client.query(out_trade_no="order-none")
    assert (code, json.loads(body)["code"]) == (401, "SIGN_ERROR")


def test_a_client_with_a_wrong_platform_key_believes_nothing(
    simulators: Simulators, merchant: Merchant, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path)
    deceived = client_of(simulators, tmp_path, public_key=keys.public_pem(keys.stranger()).decode())
    paid_by_jsapi(simulators, client, "order-key")
    told = merchant.wait(1)[0]
    assert deceived.callback(told.headers, told.body) is None
    with pytest.raises(Exception, match="failed to verify the signature"):
        deceived.query(out_trade_no="order-key")


def test_a_client_with_a_wrong_secret_cannot_read_notices(
    simulators: Simulators, merchant: Merchant, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path)
    paid_by_jsapi(simulators, client, "order-secret")
    told = merchant.wait(1)[0]
    assert client_of(simulators, tmp_path, apiv3_key="x" * 32).callback(told.headers, told.body) is None


@pytest.mark.sees(WX)
@pytest.mark.parametrize("fault", ["tamper", "forge", "signtest", "wrong_secret", "unknown_key"])
def test_a_spoilt_notice_is_not_believed_and_comes_again(
    simulators: Simulators, merchant: Merchant, tmp_path: Path, fault: str
) -> None:
    client = client_of(simulators, tmp_path)
    merchant.status = 401
    number = f"order-{fault}"
    simulators.control(WX, "POST", "/faults", name=fault, reference=number)
    paid_by_jsapi(simulators, client, number)
    spoilt = merchant.wait(1)[0]
    assert not believed(client, spoilt.headers, spoilt.body)
    merchant.status = 204
    simulators.clock.forward(seconds=15)
    good = merchant.wait(2)[1]
    assert client.callback(good.headers, good.body)["resource"]["out_trade_no"] == number
    assert client.callback(good.headers, good.body)["id"] == json.loads(good.body)["id"]


def believed(client: Any, headers: dict[str, str], body: bytes) -> bool:
    """wechatpayv3 answers None, or trips over what it does not expect."""
    try:
        return client.callback(headers, body) is not None
    except (ValueError, IndexError):
        return False


@pytest.mark.sees(WX)
@pytest.mark.parametrize("fault", ["forged_reply", "unsigned_reply", "tampered_reply"])
def test_a_spoilt_reply_is_not_believed(simulators: Simulators, tmp_path: Path, fault: str) -> None:
    client = client_of(simulators, tmp_path)
    number = f"order-{fault}"
    paid_by_jsapi(simulators, client, number)
    simulators.control(WX, "POST", "/faults", name=fault, endpoint="query")
    with pytest.raises(Exception, match=r"verify|support"):
        client.query(out_trade_no=number)
    assert client.query(out_trade_no=number)[0] == 200


@pytest.mark.sees(WX, "lose_reply", "lose_request")
def test_a_lost_reply_leaves_an_order_and_a_lost_request_does_not(
    simulators: Simulators, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path)
    openid = payer_of(simulators)
    for fault, found in (("lose_request", 404), ("lose_reply", 200)):
        simulators.control(WX, "POST", "/faults", name=fault, endpoint="jsapi")
        with pytest.raises(OSError, match=r"aborted|closed|reset"):
            client.pay(
                description="挂号",
                out_trade_no=f"order-{fault}",
                amount={"total": 1},
                payer={"openid": openid},
            )
        assert client.query(out_trade_no=f"order-{fault}")[0] == found


@pytest.mark.sees(WX)
@pytest.mark.parametrize(
    ("fault", "status", "happened"),
    [
        ("error_before", 500, False),
        ("error_after", 500, True),
        ("unavailable_before", 502, False),
        ("unavailable_after", 502, True),
        ("busy", 429, False),
    ],
)
def test_an_error_may_hide_an_order(
    simulators: Simulators, tmp_path: Path, fault: str, status: int, happened: bool
) -> None:
    client, number = client_of(simulators, tmp_path), f"order-{fault}"
    simulators.control(WX, "POST", "/faults", name=fault, reference=number)
    code, _ = client.pay(
        description="挂号",
        out_trade_no=number,
        amount={"total": 1},
        payer={"openid": payer_of(simulators)},
    )
    assert code == status
    assert (client.query(out_trade_no=number)[0] == 200) is happened


@pytest.mark.sees(WX)
@pytest.mark.parametrize(("fault", "found"), [("delay_before", 404), ("delay_after", 200)])
def test_a_client_that_cannot_wait_may_have_ordered(
    simulators: Simulators, tmp_path: Path, fault: str, found: int
) -> None:
    hasty, number = client_of(simulators, tmp_path, timeout=(3, 0.7)), f"order-{fault}"
    simulators.control(WX, "POST", "/faults", name=fault, endpoint="jsapi", seconds=2.5)
    payer = {"openid": payer_of(simulators)}
    with pytest.raises(OSError, match="timed out"):
        hasty.pay(description="挂号", out_trade_no=number, amount={"total": 1}, payer=payer)
    assert client_of(simulators, tmp_path).query(out_trade_no=number)[0] == found


def test_ports_keys_and_book_survive_a_restart(keys_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(keys_folder, tmp_path / "keys")
    first = Simulators(tmp_path)
    first.start()
    first.new_merchant()
    client = client_of(first, tmp_path)
    paid_by_jsapi(first, client, "order-before")
    first.stop()
    again = Simulators(tmp_path)
    again.start()
    try:
        assert again.cards == first.cards
        code, body = client.query(out_trade_no="order-before")
        assert (code, json.loads(body)["trade_state"]) == (200, "SUCCESS")
    finally:
        again.stop()
