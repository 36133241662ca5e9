"""Every fault the simulators know is seen by a test that speaks to them over the wire.

A test says so with `@pytest.mark.sees(platform, "fault")`, or `sees(platform)` when its parameter
`fault` names them; what nobody sees fails here.
"""

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Merchant, Simulators
from tests.simulators.raw_alipay import ALI, paid, refund
from tests.simulators.raw_wechat_pay import WX, an_order, number
from tests.simulators.shops import AlipayShop, WechatShop

Shop = WechatShop | AlipayShop


@pytest.fixture(params=[WechatShop, AlipayShop], ids=[WX, ALI])
def shop(simulators: Simulators, request: pytest.FixtureRequest) -> Shop:
    return request.param(simulators)


def arm(shop: Shop, name: str, no: str, **more: Any) -> None:
    shop.simulators.control(shop.name, "POST", "/faults", name=name, reference=no, **more)


def notice_of(shop: Shop, no: str, *, attempts: int = 0) -> dict[str, Any]:
    """The order's one notification, once it was tried this often."""
    while True:
        [notice] = shop.simulators.control(shop.name, "GET", f"/notices?reference={no}")["items"]
        if notice["attempts"] >= attempts:
            return notice
        time.sleep(0.02)


@pytest.mark.sees(WX, "withhold")
@pytest.mark.sees(ALI, "withhold")
def test_a_withheld_notice_goes_when_released(shop: Shop, merchant: Merchant) -> None:
    held, other = number(), number()
    arm(shop, "withhold", held)
    shop.pay(held)
    shop.pay(other)
    merchant.wait(1)
    assert notice_of(shop, held)["state"] == "withheld"
    assert shop.simulators.control(shop.name, "POST", "/notices/release")["due"] == 1
    merchant.wait(2)


@pytest.mark.sees(WX, "lose", "ignore_ack", "duplicate")
@pytest.mark.sees(ALI, "lose", "ignore_ack", "duplicate")
def test_a_notice_can_be_lost_doubled_or_denied_its_ack(shop: Shop, merchant: Merchant) -> None:
    no = number()
    for fault in ("lose", "ignore_ack", "duplicate"):
        arm(shop, fault, no)
    shop.pay(no)
    for attempt, arrived in ((1, 0), (2, 1), (3, 3)):
        notice = notice_of(shop, no, attempts=attempt)
        assert len(merchant.received) == arrived
        shop.simulators.control(shop.name, "POST", "/notices/hurry")
    assert notice["state"] == "delivered"
    assert [delivery["fault"] for delivery in notice["deliveries"]] == ["lose", "ignore_ack", "duplicate"]
    assert len({told.body for told in merchant.received[1:]}) == 1
    shop.simulators.control(shop.name, "POST", f"/notices/{notice['id']}/deliver")
    assert len(merchant.received) == 4


@pytest.mark.sees(WX, "delay")
@pytest.mark.sees(ALI, "delay")
def test_a_delayed_notice_comes_later(shop: Shop, merchant: Merchant) -> None:
    late, other = number(), number()
    arm(shop, "delay", late, seconds=90)
    shop.pay(late)
    shop.pay(other)
    merchant.wait(1)
    assert shop.is_paid(late)
    assert (notice_of(shop, late)["state"], notice_of(shop, late)["attempts"]) == ("pending", 0)
    shop.simulators.clock.forward(seconds=90)
    merchant.wait(2)
    assert notice_of(shop, late, attempts=1)["state"] == "delivered"


@pytest.mark.sees(WX, "reorder")
@pytest.mark.sees(ALI, "reorder")
@pytest.mark.parametrize("fault", ["reorder", None], ids=["reordered", "control"])
def test_a_refund_can_be_told_before_its_payment(shop: Shop, merchant: Merchant, fault: str | None) -> None:
    no = number()
    if fault is not None:
        arm(shop, fault, no)
    shop.pay(no)
    if fault is None:
        merchant.wait(1)
    shop.refund_part(no)
    kinds = [shop.kind(told) for told in merchant.wait(2)]
    in_order = [shop.paid_kind, shop.refunded]
    assert kinds == (in_order if fault is None else in_order[::-1])


@pytest.mark.sees(WX, "early")
@pytest.mark.sees(ALI, "early")
def test_a_notice_can_come_from_the_future(shop: Shop, merchant: Merchant) -> None:
    early, punctual = number(), number()
    arm(shop, "early", early)
    shop.pay(early)
    first = merchant.wait(1)[0]
    shop.pay(punctual)
    second = merchant.wait(2)[1]
    assert 300 < shop.stamp(first) - first.at.timestamp() <= 302
    assert abs(shop.stamp(second) - second.at.timestamp()) <= 2


@pytest.mark.sees(WX, "codepay_userpaying")
@pytest.mark.sees(ALI, "codepay_userpaying")
def test_a_small_sum_can_need_the_password(shop: Shop) -> None:
    forced, other = number(), number()
    arm(shop, "codepay_userpaying", forced)
    assert shop.scan(forced) is False
    assert shop.is_paid(forced) is False
    assert shop.scan(other) is True


@pytest.mark.sees(WX, "cancel_retry")
@pytest.mark.sees(ALI, "cancel_retry")
def test_a_cancellation_can_ask_to_be_repeated(shop: Shop) -> None:
    no, other = number(), number()
    assert shop.scan(no)
    assert shop.scan(other)
    arm(shop, "cancel_retry", no)
    assert shop.cancel(other) is True
    assert shop.cancel(no) is False
    assert shop.is_paid(no) is True
    assert shop.cancel(no) is True
    assert shop.is_paid(no) is False


@pytest.mark.sees(WX, "paid_during_close")
@pytest.mark.sees(ALI, "paid_during_close")
def test_a_payer_can_pay_while_the_order_is_closed(shop: Shop, merchant: Merchant) -> None:
    no, other = number(), number()
    shop.place(no)
    shop.place(other)
    arm(shop, "paid_during_close", no)
    assert shop.close(other) == ""
    assert shop.close(no) == shop.says_paid
    assert shop.is_paid(no) is True
    assert shop.is_paid(other) is False
    assert [shop.kind(told) for told in merchant.wait(1)] == [shop.paid_kind]
    seen = shop.simulators.control(shop.name, "GET", f"/orders/{no}")
    assert seen["paid_fen"] == seen["amount_fen"] > 0


@pytest.mark.parametrize("balance_fen", [100, 99], ids=["enough", "too little"])
def test_the_one_who_pays_while_it_is_closed_is_the_one_who_ordered(
    simulators: Simulators, balance_fen: int
) -> None:
    shop = WechatShop(simulators)
    openid = simulators.control(WX, "POST", "/payers", balance_fen=balance_fen)["openid"]
    order = an_order(simulators, payer={"openid": openid})
    assert shop.raw.call("POST", "/v3/pay/transactions/jsapi", order).status_code == 200
    arm(shop, "paid_during_close", order["out_trade_no"])
    assert shop.close(order["out_trade_no"]) == ("ORDER_PAID" if balance_fen == 100 else "")
    left = simulators.control(WX, "GET", f"/payers/{openid}")["balance_fen"]
    assert left == (0 if balance_fen == 100 else 99)


@pytest.mark.sees(WX)
@pytest.mark.parametrize(("fault", "sign"), [("clock_ahead", 1), ("clock_behind", -1)])
@pytest.mark.parametrize("seconds", [120, 400], ids=["tolerable", "too much"])
def test_the_platforms_clock_can_be_wrong(
    simulators: Simulators, fault: str, sign: int, seconds: int
) -> None:
    shop, no = WechatShop(simulators), number()
    arm(shop, fault, no, seconds=seconds)
    wrong, right = (float(shop.ask(no).headers["Wechatpay-Timestamp"]) for _ in range(2))
    assert abs(wrong - sign * seconds - time.time()) <= 2
    assert abs(right - time.time()) <= 2


@pytest.mark.sees(ALI)
@pytest.mark.parametrize(("fault", "happened"), [("delay_before", False), ("delay_after", True)])
def test_a_client_that_cannot_wait_may_have_paid(simulators: Simulators, fault: str, happened: bool) -> None:
    shop, no = AlipayShop(simulators), number()
    arm(shop, fault, no, seconds=2.5, endpoint="alipay.trade.pay")
    with httpx.Client(timeout=0.7, trust_env=False) as hasty:
        shop.client.http = hasty
        with pytest.raises(httpx.TimeoutException):
            shop.scan(no)
    shop.client.http = simulators.http
    assert (shop.ask(no).json()["alipay_trade_query_response"]["code"] == "10000") is happened


@pytest.mark.sees(ALI, "fund_change_n")
def test_a_refund_can_have_happened_although_it_denies_it(simulators: Simulators) -> None:
    shop = AlipayShop(simulators)
    trade = paid(simulators, shop.client)
    arm(shop, "fund_change_n", trade["out_trade_no"])
    denied = refund(shop.client, trade, "2.30", "part-1")
    assert (denied["code"], denied["fund_change"], denied["refund_fee"]) == ("10000", "N", "2.30")
    asked = {"out_trade_no": trade["out_trade_no"], "out_request_no": "part-1"}
    found = shop.client.call("alipay.trade.fastpay.refund.query", asked)
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "2.30")
    simulators.clock.forward(seconds=3)
    assert refund(shop.client, trade, "1.00", "part-2")["fund_change"] == "Y"


def test_every_fault_is_seen_by_a_test(simulators: Simulators) -> None:
    told = {
        (platform, fault["name"])
        for platform in simulators.cards
        for fault in simulators.control(platform, "GET", "/faults")["known"]
    }
    seen = {claim for test in written_tests() for claim in claims_of(test)}
    assert told - seen == set()
    assert seen - told == set()


def test_a_claim_is_read_from_marks_and_parameters() -> None:
    """The positive control: what claims nothing has no claims."""

    @pytest.mark.sees(WX, "lose")
    @pytest.mark.sees(ALI)
    @pytest.mark.parametrize(("fault", "status"), [("busy", 429), ("stale", 200), ("", 0)])
    def claiming() -> None: ...

    assert sorted(claims_of(claiming)) == [(ALI, "busy"), (ALI, "stale"), (WX, "lose")]
    assert list(claims_of(lambda: None)) == []


def written_tests() -> Iterator[Any]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        yield from (value for name, value in vars(module).items() if name.startswith("test_"))


def claims_of(test: Any) -> Iterator[tuple[str, str]]:
    marks = getattr(test, "pytestmark", [])
    for mark in marks:
        if mark.name == "sees":
            platform, *faults = mark.args
            yield from ((platform, fault) for fault in faults or parameters_of(marks) if fault)


def parameters_of(marks: list[pytest.Mark]) -> Iterator[str]:
    """The values that the parameter `fault` takes; an empty one is a control."""
    for mark in marks:
        if mark.name != "parametrize":
            continue
        names = mark.args[0].split(",") if isinstance(mark.args[0], str) else list(mark.args[0])
        if "fault" in names:
            place = names.index("fault")
            yield from (row if len(names) == 1 else row[place] for row in mark.args[1])
