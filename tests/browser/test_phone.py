"""The simulators' phones: paying by hand, as somebody does who tries the demo."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser.watching import Watched, barriers, overflowing, small_targets, watching
from tests.simulators import raw_alipay, raw_fiscal_invoice, raw_sms, raw_wechat_pay
from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau_money import Cashier, plain_client

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
FINGER = 44
WX, ALI, SMS, FISCAL, BUREAU = "wechat_pay", "alipay", "sms", "fiscal_invoice", "insurance_bureau"
NETWORK = "Failed to load resource"


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory, playwright: Playwright) -> Iterator[Simulators]:
    running = Simulators(tmp_path_factory.mktemp("platforms"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def simulators(platforms: Simulators) -> Simulators:
    platforms.new_merchant()
    return platforms


@pytest.fixture
def seen(page: Page, simulators: Simulators) -> Iterator[Watched]:
    ours = {urlsplit(card["control_url"]).netloc for card in simulators.cards.values()}
    with watching(page, ours=ours) as watched:
        yield watched


@pytest.fixture
def phone(page: Page, simulators: Simulators, seen: Watched) -> Callable[..., Page]:
    """Opens a platform's page."""

    def opened(name: str, size: dict[str, int] = PHONE) -> Page:
        page.set_viewport_size(size)  # type: ignore[arg-type] - a plain dict is a ViewportSize
        page.goto(simulators.cards[name]["control_url"] + "/")
        page.get_by_test_id("clock").get_by_text("业务时间").wait_for()
        return page

    return opened


def ordered(simulators: Simulators, **change: Any) -> dict[str, Any]:
    """An open WeChat order with a code to scan."""
    raw = raw_wechat_pay.Raw(simulators)
    order = raw_wechat_pay.an_order(simulators, **change)
    return order | raw_wechat_pay.native(raw, order).json()


def state(simulators: Simulators, name: str, order: dict[str, Any]) -> str:
    return simulators.control(name, "GET", f"/orders/{order['out_trade_no']}")["state"]


def waiting(page: Page, order: dict[str, Any]) -> Any:
    return page.get_by_role("listitem").filter(has_text=order["out_trade_no"][:6])


def test_a_newcomer_opens_a_wallet_and_pays_what_appears(
    simulators: Simulators, phone: Callable[..., Page]
) -> None:
    page = phone(WX)
    page.get_by_role("button", name="开一个新钱包").click()
    expect(page.get_by_test_id("balance")).to_have_text("¥1,000,000.00")

    order = ordered(simulators, description="门诊缴费", amount={"total": 12850, "currency": "CNY"})
    waiting(page, order).get_by_role("button", name="查看并付款").click(timeout=5_000)
    cashier = page.get_by_role("dialog")
    expect(cashier).to_contain_text("¥128.50")
    cashier.get_by_role("button", name="确认付款").click()
    expect(cashier).to_contain_text("付款成功")
    cashier.get_by_role("button", name="完成").click()

    expect(cashier).to_have_count(0)
    expect(page.get_by_test_id("balance")).to_have_text("¥999,871.50")
    assert state(simulators, WX, order) == "SUCCESS"
    simulators.merchant.wait(1)
    page.get_by_role("button", name="幕后").click()
    notice = page.get_by_role("listitem").filter(has_text=order["out_trade_no"])
    expect(notice).to_contain_text("已确认")


def test_an_order_for_this_payer_is_paid_from_the_list(
    simulators: Simulators, phone: Callable[..., Page]
) -> None:
    payer = simulators.control(WX, "POST", "/payers")["openid"]
    raw = raw_wechat_pay.Raw(simulators)
    order = raw_wechat_pay.an_order(simulators, payer={"openid": payer})
    raw.call("POST", "/v3/pay/transactions/jsapi", order)
    page = phone(WX)
    page.get_by_label("付款人").select_option(payer)
    waiting(page, order).get_by_role("button", name="查看并付款").click()
    page.get_by_role("button", name="确认付款").click()
    expect(page.get_by_role("dialog")).to_contain_text("付款成功")
    assert state(simulators, WX, order) == "SUCCESS"


def test_somebody_scans_an_alipay_code_and_pays(simulators: Simulators, phone: Callable[..., Page]) -> None:
    client = raw_alipay.Client(simulators)
    asked = {"out_trade_no": raw_alipay.number(), "total_amount": "88.00", "subject": "门诊缴费"}
    offered = client.call("alipay.trade.precreate", asked)
    simulators.control(ALI, "POST", "/payers")
    page = phone(ALI)
    page.get_by_label("二维码里的内容").fill(offered["qr_code"])
    page.get_by_role("button", name="扫码", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("¥88.00")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="确认付款").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("付款成功")
    assert state(simulators, ALI, asked) == "TRADE_SUCCESS"


def test_a_scanned_payment_code_waits_for_the_password(
    simulators: Simulators, phone: Callable[..., Page]
) -> None:
    payer = simulators.control(WX, "POST", "/payers")["openid"]
    page = phone(WX)
    page.get_by_label("付款人").select_option(payer)
    page.get_by_role("button", name="付款码").click()
    page.get_by_role("button", name="显示付款码").click()
    code = page.locator("output").inner_text().replace(" ", "")
    raw = raw_wechat_pay.Raw(simulators)
    change = {
        "notify_url": None,
        "payer": {"auth_code": code},
        "amount": {"total": 500_000, "currency": "CNY"},
    }
    order = raw_wechat_pay.an_order(simulators, scene_info={"store_info": {"id": "desk-1"}}, **change)
    assert raw.call("POST", "/v3/pay/transactions/codepay", order).json()["trade_state"] == "USERPAYING"
    asked = page.get_by_role("listitem").filter(has_text="¥5,000.00")
    asked.get_by_role("button", name="确认付款").click()
    expect(asked).to_have_count(0)
    assert state(simulators, WX, order) == "SUCCESS"


@pytest.mark.parametrize("way_out", ["拒绝付款", "先不付，走开"])
def test_who_refuses_or_walks_away_pays_nothing(
    simulators: Simulators, phone: Callable[..., Page], way_out: str
) -> None:
    order = ordered(simulators)
    simulators.control(WX, "POST", "/payers")
    page = phone(WX)
    waiting(page, order).get_by_role("button", name="查看并付款").click()
    page.get_by_role("dialog").get_by_role("button", name=way_out).click()
    done = page.get_by_role("dialog").get_by_role("button", name="完成")
    if way_out == "拒绝付款":
        done.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert state(simulators, WX, order) == "NOTPAY"


def test_a_poor_payer_is_told_why(simulators: Simulators, phone: Callable[..., Page], seen: Watched) -> None:
    seen.expected = NETWORK
    order = ordered(simulators)
    payer = simulators.control(WX, "POST", "/payers", balance_fen=1)["openid"]
    page = phone(WX)
    page.get_by_label("付款人").select_option(payer)
    waiting(page, order).get_by_role("button", name="查看并付款").click()
    page.get_by_role("button", name="确认付款").click()
    expect(page.get_by_role("dialog")).to_contain_text("零钱余额不足")
    assert state(simulators, WX, order) == "NOTPAY"


def test_a_fault_is_armed_and_taken_back(simulators: Simulators, phone: Callable[..., Page]) -> None:
    page = phone(ALI)
    page.get_by_role("button", name="幕后").click()
    page.get_by_role("combobox", name="故障").select_option("lose_reply")
    page.get_by_role("button", name="安排").click()
    expect(page.get_by_role("listitem").filter(has_text="lose_reply")).to_contain_text("还有 1 次")
    assert [fault["name"] for fault in simulators.control(ALI, "GET", "/faults")["armed"]] == ["lose_reply"]
    page.get_by_role("button", name="撤销", exact=True).click()
    expect(page.get_by_text("没有安排故障")).to_be_visible()


def test_a_broken_line_is_shown_and_heals(
    simulators: Simulators, phone: Callable[..., Page], seen: Watched
) -> None:
    seen.expected = NETWORK
    page = phone(WX)
    expect(page.get_by_test_id("line-down")).to_be_hidden()
    page.route("**/healthz", lambda route: route.abort("connectionrefused"))
    down = page.get_by_test_id("line-down")
    expect(down).to_be_visible()
    expect(down).to_contain_text(re.compile(r"连不上模拟器。画面停在 \d\d:\d\d:\d\d"))
    assert barriers(page) == []
    page.unroute("**/healthz")
    expect(down).to_be_hidden()


def test_messages_and_bills_arrive_by_themselves(simulators: Simulators, phone: Callable[..., Page]) -> None:
    page = phone(SMS)
    number = raw_sms.new_number()
    raw_sms.Client(simulators).send(number)
    expect(page.get_by_text("【就医演示医院】张先生您好")).to_be_visible()
    simulators.clock.forward(seconds=2)
    expect(page.get_by_text("已送达")).to_be_visible()

    page = phone(FISCAL)
    bill = raw_fiscal_invoice.issued(raw_fiscal_invoice.Client(simulators))
    shown = page.get_by_role("listitem").filter(has_text=bill["billNo"])
    expect(shown).to_contain_text("¥128.50")
    shown.get_by_role("button", name="拿去报销").click()
    expect(shown).to_contain_text("已报销入账")
    expect(shown.get_by_role("link", name="打开票据")).to_have_attribute("href", bill["pictureUrl"])


def test_an_insured_person_shows_a_code_and_sees_the_settlement(
    simulators: Simulators, phone: Callable[..., Page]
) -> None:
    page = phone(BUREAU)
    page.get_by_label("姓名").fill("测试丁")
    page.get_by_role("button", name="登记", exact=True).click()
    card = page.get_by_role("listitem").filter(has_text="测试丁")
    expect(card).to_contain_text("职工医保")
    card.get_by_role("button", name="出示医保码").click()
    expect(card.get_by_role("status")).to_have_text(re.compile(r"[0-9a-f]{32}"))

    cashier = Cashier(simulators, plain_client(simulators), name="测试戊")
    cashier.upload(cashier.line("XDEMO0001", "1200"))
    cashier.presettle("1200.00")
    settled = cashier.settle("1200.00")
    page.get_by_role("button", name="结算", exact=True).click()
    shown = page.get_by_role("listitem").filter(has_text=settled["setl_id"])
    expect(shown).to_contain_text("测试戊")
    expect(shown).to_contain_text("¥1,200.00")
    expect(shown).to_contain_text("已结算")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", [WX, ALI, SMS, FISCAL, BUREAU])
def test_every_screen_is_free_of_barriers(
    simulators: Simulators, phone: Callable[..., Page], name: str, size: dict[str, int]
) -> None:
    order = ordered(simulators, description="门诊缴费 · 耳鼻咽喉头颈外科 检验检查与药品费用合计")
    raw_sms.Client(simulators).send(raw_sms.new_number())
    for bank in (WX, ALI):
        simulators.control(bank, "POST", "/payers")
    page = phone(name, size)
    for tab in page.locator("nav button").all():
        tab.click()
        expect(page.locator("h2").first).to_be_visible()
        assert barriers(page) == []
        assert overflowing_sideways(page) == []
        assert small_targets(page, FINGER) == []
    if name == WX:
        page.get_by_role("button", name="付款", exact=True).click()
        waiting(page, order).get_by_role("button", name="查看并付款").click()
        assert barriers(page) == []


def overflowing_sideways(page: Page) -> list[str]:
    """The screens scroll, but never to the side."""
    scrolls = page.evaluate(
        """() => {
          const place = document.querySelector('.screens');
          return place.scrollWidth > place.clientWidth;
        }"""
    )
    return overflowing(page) if scrolls else []
