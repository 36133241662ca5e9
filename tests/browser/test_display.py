"""The hall display as the hall sees and hears it."""

import json
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import HALL
from tests.browser.hospital import Booked, Hospital
from tests.browser.watching import ID_CARD, Watched, barriers, drawn_with, overflowing

NETWORK = "Failed to load resource"
ZONE_STREAM = re.compile(r"^zone:.+:queue$")


class Line:
    """The socket between the display and the hospital, in our hands."""

    def __init__(self, page: Page) -> None:
        self.cut = False
        self.routes: list[WebSocketRoute] = []
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.change = lambda frame: [frame]
        page.route_web_socket("**/rt", self.open)

    def open(self, route: WebSocketRoute) -> None:
        if self.cut:
            route.close(code=1013)
            return
        server = route.connect_to_server()
        self.routes.append(route)

        def from_page(text: str | bytes) -> None:
            self.sent.append(json.loads(text))
            server.send(text)

        def from_server(text: str | bytes) -> None:
            frame = json.loads(text)
            self.received.append(frame)
            for passed in self.change(frame):
                route.send(json.dumps(passed))

        route.on_message(from_page)
        server.on_message(from_server)

    def drop(self) -> None:
        self.cut = True
        self.routes[-1].close(code=1011)

    def restore(self) -> None:
        self.cut = False


@pytest.fixture
def line(page: Page) -> Line:
    return Line(page)


@pytest.fixture
def waiting(hospital: Hospital) -> Booked:
    """Somebody who has checked in and waits in the display's zone."""
    return hospital.wait()


def called_number(page: Page) -> str:
    return page.get_by_test_id("now").locator(".number").inner_text()


def test_a_call_is_on_the_wall_and_in_the_air_within_a_second(
    waiting: Booked, display: Page, hospital: Hospital, watched: Watched
) -> None:
    number = hospital.call_next()
    called_at = time.monotonic()
    expect(display.get_by_test_id("now")).to_contain_text(number, timeout=3_000)
    seconds = time.monotonic() - called_at

    assert seconds < 1.0
    expect(display.get_by_test_id("spoken")).to_contain_text(number)


def test_no_full_name_reaches_the_hall(
    waiting: Booked, display: Page, hospital: Hospital, watched: Watched
) -> None:
    number = hospital.call_next()
    expect(display.get_by_test_id("now")).to_contain_text(number)

    heard = "".join(watched.frames)
    assert number in heard  # the check looks at the right place
    for text in (heard, json.dumps([json.loads(frame) for frame in watched.frames], ensure_ascii=False)):
        assert waiting.full_name not in text
        assert not ID_CARD.search(text)
    assert waiting.full_name not in display.content()


def test_a_broken_line_is_shown_and_heals_to_the_present(
    waiting: Booked, line: Line, display: Page, hospital: Hospital, watched: Watched
) -> None:
    line.drop()
    banner = display.get_by_test_id("line-down")
    expect(banner).to_be_visible(timeout=5_000)
    expect(banner).to_contain_text(re.compile(r"画面停在 \d\d:\d\d:\d\d"))
    assert barriers(display) == []

    number = hospital.call_next()
    line.restore()

    expect(display.get_by_test_id("now")).to_contain_text(number, timeout=20_000)
    expect(banner).to_have_count(0)


def test_a_call_that_came_too_late_is_shown_but_not_spoken(
    waiting: Booked, line: Line, display: Page, hospital: Hospital, watched: Watched
) -> None:
    def late(frame: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**frame, "at": "2020-01-01T00:00:00Z"}] if frame["t"] == "ev" else [frame]

    line.change = late
    number = hospital.call_next()

    expect(display.get_by_test_id("now").or_(display.locator(".others"))).to_contain_text([number])
    expect(display.get_by_test_id("spoken")).to_be_empty()


def test_a_repeated_frame_is_taken_once(
    waiting: Booked, line: Line, display: Page, hospital: Hospital, watched: Watched
) -> None:
    display.evaluate(
        """() => {
          window.spoken = [];
          const air = document.querySelector('[data-testid=spoken]');
          new MutationObserver(() => window.spoken.push(air.textContent))
            .observe(air, { childList: true, characterData: true, subtree: true });
        }"""
    )
    line.change = lambda frame: [frame, frame] if frame["t"] == "ev" else [frame]
    number = hospital.call_next()

    expect(display.get_by_test_id("spoken")).to_contain_text(number)
    display.wait_for_timeout(500)
    assert len(display.evaluate("() => window.spoken")) == 1


def test_a_hole_in_the_stream_is_asked_for(
    waiting: Booked, line: Line, display: Page, hospital: Hospital, watched: Watched
) -> None:
    dropped: list[dict[str, Any]] = []

    def drop_one_and_forge_the_next(frame: dict[str, Any]) -> list[dict[str, Any]]:
        if frame["t"] != "ev" or dropped:
            return [frame]
        dropped.append(frame)
        return [{**frame, "q": frame["q"] + 1, "d": {"state": {"zone": {"id": "x", "name": "错"}}}}]

    line.change = drop_one_and_forge_the_next
    number = hospital.call_next()

    expect(display.get_by_test_id("now")).to_contain_text(number, timeout=5_000)
    resync = [frame for frame in line.sent if frame["t"] == "resync"]
    assert [frame["after"] for frame in resync] == [dropped[0]["q"] - 1]


def test_the_hello_names_the_zone_and_the_ack_follows(
    waiting: Booked, line: Line, display: Page, hospital: Hospital, watched: Watched
) -> None:
    hello = line.sent[0]
    assert (hello["t"], hello["v"]) == ("hello", "hosp.rt.v1")
    assert [bool(ZONE_STREAM.match(stream["s"])) for stream in hello["streams"]] == [True]

    hospital.call_next()
    display.wait_for_timeout(1_500)
    last_event = [frame["q"] for frame in line.received if frame["t"] == "ev"][-1]
    acks = [frame["q"] for frame in line.sent if frame["t"] == "ack"]
    assert acks[-1] == last_event


def test_silence_for_forty_seconds_is_a_broken_line(
    page: Page, line: Line, hospital: Hospital, watched: Watched
) -> None:
    page.set_viewport_size(HALL)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.clock.install()
    page.goto(hospital.display.link)
    page.get_by_test_id("now").wait_for()
    line.cut = True  # the next connection is refused; this one stays open and says nothing more
    line.change = lambda frame: []

    page.clock.run_for(39_000)
    expect(page.get_by_test_id("line-down")).to_have_count(0)
    page.clock.run_for(3_000)
    expect(page.get_by_test_id("line-down")).to_be_visible()


def test_two_hundred_waiting_people_turn_pages_without_overflow(
    line: Line, page: Page, hospital: Hospital, watched: Watched
) -> None:
    def crowd(frame: dict[str, Any]) -> list[dict[str, Any]]:
        if frame["t"] == "snap":
            frame["state"]["waiting"] = [somebody(number) for number in range(200)]
            frame["state"]["missed"] = [
                {"number": f"A{number:03d}", "masked_name": "欧**娜"} for number in range(12)
            ]
        return [frame]

    line.change = crowd
    watched.expected = NETWORK  # the page's clock runs ahead of the hospital's, whose time it learns by a 401
    page.set_viewport_size(HALL)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.clock.install()
    page.goto(hospital.display.link)
    page.get_by_text("200 人").wait_for()

    seen: set[str] = set()
    marks: set[str] = set()
    for _ in range(20):
        assert overflowing(page) == []
        seen.update(page.locator(".waiting .number").all_inner_texts())
        marks.update(page.locator(".mark").all_inner_texts())
        page.clock.run_for(8_000)
    assert len(seen) == 200
    assert marks == {"优先", "复诊", "过号"}
    assert barriers(page) == []


def somebody(number: int) -> dict[str, Any]:
    department = ("耳鼻咽喉头颈外科", "心血管内科", "儿科")[number % 3]
    return {
        "number": f"N{number:03d}",
        "masked_name": ("司马*如", "王*", "古*·买买提明")[number % 3],
        "department": department,
        "room": f"{department}{number % 6 + 1}诊室",
        "marks": (["priority"], ["return"], ["missed"], [])[number // 3 % 4],
    }


def test_the_board_is_free_of_barriers_and_drawn_in_our_font(display: Page) -> None:
    display.evaluate("() => document.fonts.ready")

    assert barriers(display) == []
    fonts = drawn_with(display, "h1")
    assert fonts
    assert all("Noto Sans" in name for name in fonts), fonts


def test_nothing_moves_for_those_who_ask_for_stillness(
    waiting: Booked, display: Page, hospital: Hospital
) -> None:
    display.emulate_media(reduced_motion="reduce")
    number = hospital.call_next()
    expect(display.get_by_test_id("now")).to_contain_text(number)

    assert display.evaluate("() => document.getAnimations().length") == 0


def test_an_unknown_device_is_told_what_to_do(page: Page, hospital: Hospital, watched: Watched) -> None:
    watched.expected = NETWORK
    page.goto(f"{hospital.display.address}#device_id=nobody&private_jwk=wrong")

    expect(page.get_by_role("heading", name="这块屏幕还没有登记")).to_be_visible()


def test_a_display_that_never_reached_the_hospital_says_so(
    page: Page, hospital: Hospital, watched: Watched
) -> None:
    watched.expected = NETWORK
    page.route("**/oauth/device", lambda route: route.abort("connectionrefused"))
    page.goto(hospital.display.link)

    expect(page.get_by_role("heading", name="暂时连不上叫号系统")).to_be_visible()
    assert barriers(page) == []
