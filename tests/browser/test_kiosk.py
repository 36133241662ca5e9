"""The kiosk as a patient meets it."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from app.kernel.clock import LOCAL
from tests.browser.conftest import KIOSK
from tests.browser.hospital import Booked, Hospital
from tests.browser.watching import ID_CARD, Watched, barriers, drawn_with, overflowing, small_targets, swipe

NETWORK = "Failed to load resource"
WRONG_ID = "110105194912310021"  # its last digit does not fit


@pytest.fixture
def booked(hospital: Hospital) -> Booked:
    return hospital.book()


def check_in(kiosk: Page, booked: Booked) -> None:
    swipe(kiosk, booked.id_number)
    kiosk.get_by_role("button", name="报到", exact=True).first.click()
    kiosk.get_by_role("heading", name="报到成功").wait_for()


def test_a_card_leads_to_a_ticket(kiosk: Page, booked: Booked, watched: Watched) -> None:
    check_in(kiosk, booked)

    ticket = kiosk.get_by_test_id("ticket")
    expect(ticket).to_contain_text(re.compile(r"[A-Z]+\d{3}"))
    expect(ticket).to_contain_text(re.compile(r"前面还有\s*(\d+ 人|下一位就是您)"))
    expect(ticket.get_by_role("img", name="排队进度二维码")).to_be_visible()
    assert booked.full_name not in kiosk.content()
    assert not ID_CARD.search(kiosk.content())


def test_the_number_is_the_largest_thing_on_the_ticket(kiosk: Page, booked: Booked) -> None:
    check_in(kiosk, booked)

    sizes = kiosk.evaluate(
        "() => [...document.querySelectorAll('main *')].map((e) => [parseFloat(getComputedStyle(e).fontSize),"
        " e.className]).sort((a, b) => b[0] - a[0])"
    )
    assert sizes[0] == [96, "number"]
    assert sizes[1][0] < 96


@pytest.mark.parametrize("mode", ["standard", "elder"])
def test_every_page_on_the_way_is_free_of_barriers(kiosk: Page, booked: Booked, mode: str) -> None:
    least = 72
    if mode == "elder":
        kiosk.get_by_role("button", name="大字版").click()
    assert (barriers(kiosk), small_targets(kiosk, least), overflowing(kiosk)) == ([], [], [])

    swipe(kiosk, booked.id_number)
    kiosk.get_by_role("button", name="报到", exact=True).first.wait_for()
    assert (barriers(kiosk), small_targets(kiosk, least), overflowing(kiosk)) == ([], [], [])

    kiosk.get_by_role("button", name="报到", exact=True).first.click()
    kiosk.get_by_role("heading", name="报到成功").wait_for()
    assert (barriers(kiosk), small_targets(kiosk, least), overflowing(kiosk)) == ([], [], [])


def test_the_check_for_barriers_finds_a_planted_one(kiosk: Page) -> None:
    kiosk.evaluate("() => { document.querySelector('.small').style.color = '#ddd'; }")

    assert any(found.startswith("color-contrast") for found in barriers(kiosk))


def test_chinese_is_drawn_in_our_font(kiosk: Page) -> None:
    kiosk.evaluate("() => document.fonts.ready")

    fonts = drawn_with(kiosk, "h1")

    assert fonts
    assert all("Noto Sans" in name for name in fonts), fonts


def test_a_wrong_card_is_refused_in_plain_words(kiosk: Page, watched: Watched) -> None:
    watched.expected = NETWORK
    swipe(kiosk, WRONG_ID)

    refusal = kiosk.get_by_role("alert")
    expect(refusal).to_contain_text("请核对证件")
    expect(refusal).to_contain_text("编号")
    assert barriers(kiosk) == []

    kiosk.get_by_role("button", name="重新刷卡").click()
    expect(kiosk.get_by_role("heading", name="自助报到")).to_be_visible()


def test_the_readers_enter_presses_no_button(kiosk: Page, booked: Booked) -> None:
    swipe(kiosk, booked.id_number)
    back = kiosk.get_by_role("button", name="首页")
    back.focus()

    swipe(kiosk, booked.id_number)

    expect(kiosk.get_by_role("button", name="报到", exact=True).first).to_be_visible()


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    kiosk: Page, booked: Booked, watched: Watched
) -> None:
    watched.expected = NETWORK
    keys: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    kiosk.route("**/api/kiosk/v1/check-ins", lose_the_first_answer)
    check_in(kiosk, booked)

    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_an_answer_that_never_comes_is_called_unknown_not_failed(
    kiosk: Page, booked: Booked, watched: Watched
) -> None:
    watched.expected = NETWORK
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.abort("connectionreset")

    kiosk.route("**/api/kiosk/v1/check-ins", lose)
    swipe(kiosk, booked.id_number)
    kiosk.get_by_role("button", name="报到", exact=True).first.click()
    kiosk.get_by_role("heading", name="还不能确定是否报到成功").wait_for()
    assert barriers(kiosk) == []

    kiosk.unroute("**/api/kiosk/v1/check-ins")
    with kiosk.expect_request("**/api/kiosk/v1/check-ins") as asked:
        kiosk.get_by_role("button", name="再试一次").click()

    kiosk.get_by_role("heading", name="报到成功").wait_for()
    assert set(keys) == {asked.value.headers["idempotency-key"]}


def test_without_the_server_the_page_says_so_and_recovers_alone(kiosk: Page, watched: Watched) -> None:
    watched.expected = NETWORK
    kiosk.route("**/api/**", lambda route: route.abort("connectionrefused"))
    swipe(kiosk, WRONG_ID)

    kiosk.get_by_role("heading", name="暂时不能在这里报到").wait_for()
    assert barriers(kiosk) == []

    kiosk.unroute("**/api/**")
    kiosk.get_by_role("heading", name="自助报到").wait_for(timeout=10_000)


def test_who_walks_away_leaves_nothing_behind(page: Page, hospital: Hospital, watched: Watched) -> None:
    booked = hospital.book()
    page.set_viewport_size(KIOSK)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.clock.install()
    page.goto(hospital.kiosk.link)
    page.get_by_role("heading", name="自助报到").wait_for()
    swipe(page, booked.id_number)
    greeting = page.get_by_role("heading", name="您好").inner_text()

    page.clock.run_for(50_500)
    expect(page.get_by_test_id("idle-seconds")).to_have_text("10")
    assert barriers(page) == []
    page.get_by_role("button", name="继续办理").click()
    expect(page.get_by_role("alertdialog")).to_have_count(0)

    page.clock.run_for(61_000)
    expect(page.get_by_role("heading", name="自助报到")).to_be_visible()
    for step in (lambda: None, page.go_back, page.go_forward):
        step()
        page.get_by_role("heading", name="自助报到").wait_for()
        assert greeting not in page.content()


def test_the_devices_key_does_not_stay_in_the_address(kiosk: Page, hospital: Hospital) -> None:
    assert kiosk.url == hospital.kiosk.address
    kiosk.reload()
    kiosk.get_by_role("heading", name="自助报到").wait_for()


def test_the_kiosk_shows_the_hospitals_time(kiosk: Page, hospital: Hospital) -> None:
    now = hospital.now().astimezone(LOCAL)
    minutes = [f"{now + timedelta(minutes=late):%H:%M}" for late in (-1, 0, 1)]

    expect(kiosk.get_by_role("banner").locator("time")).to_have_text(re.compile("|".join(minutes)))
