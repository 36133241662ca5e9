"""The staff login page and the page behind it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from app.identity.proving import FAILURES_MAX, LOCKED_MINUTES
from tests.browser.hospital import Hospital
from tests.browser.signing_in import (
    DESK,
    LARGE,
    Person,
    Phone,
    log_in,
    open_login,
    type_code,
    type_password,
)
from tests.browser.watching import Watched, barriers, drawn_with, overflowing, small_targets
from tests.hospital import RunningHospital

NETWORK = "Failed to load resource"
TARGET = 32
NEW_PASSWORD = "一句别人猜不到的话 2026"


@pytest.fixture(scope="module")
def people(running_hospital: RunningHospital) -> Iterator[Person]:
    """Of the ward's nurses, whom no other test of the screens needs: each test takes the next."""
    return iter(
        [
            Person(known["login_name"], known["password"], Phone(known["totp_seed"]), known)
            for known in reversed(running_hospital.credentials["staff"])
            if known["role"] == "nurse"
        ]
    )


@pytest.fixture
def nurse(people: Iterator[Person]) -> Person:
    return next(people)


def test_a_whole_login_by_keyboard(page: Page, hospital: Hospital, watched: Watched, nurse: Person) -> None:
    watched.expected = NETWORK  # a refusal is shown by the browser's console, too
    open_login(page, hospital.url)
    expect(page.get_by_text("var/demo/credentials.json")).to_be_visible()
    assert barriers(page) == []

    page.keyboard.press("Enter")
    expect(page.get_by_text("请输入用户名。")).to_be_visible()
    expect(page.get_by_label("用户名")).to_be_focused()

    type_password(page, nurse.login_name, nurse.password)
    expect(page.get_by_role("heading", name="确认是您本人")).to_be_visible()
    assert barriers(page) == []
    type_code(page, nurse.phone.code())

    expect(page.get_by_role("heading", name=nurse.known["name"])).to_be_visible()
    expect(page.get_by_text("护士", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile(r"今天 \d\d:\d\d"))).to_be_visible()
    assert "code=" not in page.url
    assert barriers(page) == []

    page.reload()
    expect(page.get_by_role("heading", name=nurse.known["name"])).to_be_visible()


@pytest.mark.parametrize("size", [DESK, LARGE], ids=["1366x768", "1920x1080"])
def test_it_is_read_on_any_desk(
    page: Page, hospital: Hospital, watched: Watched, size: dict[str, int]
) -> None:
    open_login(page, hospital.url, size)
    assert (overflowing(page), small_targets(page, TARGET)) == ([], [])
    assert all("CJK" in font or "Noto Sans SC" in font for font in drawn_with(page, "h1"))


def test_a_wrong_password_and_a_lock(page: Page, hospital: Hospital, watched: Watched, nurse: Person) -> None:
    watched.expected = NETWORK
    open_login(page, hospital.url)
    for _ in range(FAILURES_MAX):
        type_password(page, nurse.login_name, "wrong")
        expect(page.get_by_role("alert")).to_contain_text("用户名、密码或动态口令不正确")
        expect(page.get_by_label("密码")).to_be_focused()

    type_password(page, nurse.login_name, nurse.password)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"请 {LOCKED_MINUTES} 分钟后再试")
    expect(alert).to_contain_text(re.compile(r"\d\d:\d\d 以后可以再试"))
    assert barriers(page) == []


def test_capitals_are_told(page: Page, hospital: Hospital, watched: Watched) -> None:
    open_login(page, hospital.url)
    page.get_by_label("密码").evaluate(
        "(field) => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', modifierCapsLock: true }))"
    )
    expect(page.get_by_text("大写锁定已打开")).to_be_visible()


def test_a_new_login_is_completed_first(
    page: Page, hospital: Hospital, watched: Watched, nurse: Person
) -> None:
    watched.expected = NETWORK
    first_password = hospital.make_new(nurse.known["staff_id"])
    open_login(page, hospital.url)
    type_password(page, nurse.login_name, first_password)

    choose_password(page)
    recovery = bind_app(page)
    expect(page.get_by_role("status")).to_contain_text("动态口令已绑定")

    page.get_by_role("button", name="改用恢复码").press("Enter")
    expect(page.get_by_label("恢复码")).to_be_focused()
    page.keyboard.type(recovery)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=nurse.known["name"])).to_be_visible()


def choose_password(page: Page) -> None:
    page.get_by_role("heading", name="请设置新密码").wait_for()
    expect(page.get_by_label("新密码", exact=True)).to_be_focused()
    assert barriers(page) == []
    for text in ("password1234", NEW_PASSWORD):
        page.get_by_label("新密码", exact=True).fill(text)
        page.get_by_label("再输入一次").fill(text)
        page.keyboard.press("Enter")
        if text != NEW_PASSWORD:
            expect(page.get_by_role("alert")).to_contain_text("过于常见")


def bind_app(page: Page) -> str:
    """Scan, confirm by the first code; one of the recovery codes."""
    picture = page.get_by_role("img", name="绑定动态口令的二维码")
    picture.wait_for()
    assert picture.evaluate("(image) => image.naturalWidth") > 0
    assert (barriers(page), overflowing(page)) == ([], [])
    phone = Phone((page.locator(".seed").inner_text()).replace(" ", ""))
    expect(page.get_by_label("6 位数字")).to_be_focused()
    page.keyboard.type(phone.code())
    page.keyboard.press("Enter")

    codes = page.get_by_test_id("recovery-codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    assert barriers(page) == []
    page.get_by_role("button", name="已抄好").press("Enter")
    return recovery


def test_another_system_gets_its_answer(
    page: Page, hospital: Hospital, watched: Watched, nurse: Person
) -> None:
    """What /oauth/authorize sends here is answered, not replaced by a request of our own."""
    watched.expected = NETWORK
    pushed = page.request.post(
        f"{hospital.url}/oauth/par",
        form={
            "client_id": "staff_web",
            "redirect_uri": f"{hospital.url}/ui/signed-in",
            "response_type": "code",
            "state": "another",
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
        },
    ).json()
    page.goto(f"{hospital.url}/oauth/authorize?client_id=staff_web&request_uri={pushed['request_uri']}")
    with page.expect_request(re.compile(r"/ui/signed-in\?code=.*state=another")):
        type_password(page, nurse.login_name, nurse.password)
        type_code(page, nurse.phone.code())
    expect(page.get_by_text("登录没有完成")).to_be_visible()


@pytest.mark.parametrize("everywhere", [False, True], ids=["here", "everywhere"])
def test_logging_out(
    page: Page, hospital: Hospital, watched: Watched, nurse: Person, everywhere: bool
) -> None:
    watched.expected = NETWORK
    log_in(page, hospital.url, nurse)
    token = kept(page)["accessToken"]
    if everywhere:
        page.get_by_role("button", name="在所有设备上退出").press("Enter")
        expect(page.get_by_role("button", name="全部退出")).to_be_focused()
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name="退出登录", exact=True).press("Enter")

    expect(page.get_by_text("退出登录。")).to_be_visible()
    assert page.evaluate("Object.keys(sessionStorage).length") == 0
    me = f"{hospital.url}/api/staff/v1/me"
    page.wait_for_timeout(2_000)  # how long an ended login may still be good
    assert page.request.get(me, headers={"Authorization": f"Bearer {token}"}).status == 401
    page.get_by_role("link", name="去登录").press("Enter")
    expect(page.get_by_label("用户名")).to_be_focused()


def test_two_tabs_never_present_one_refresh_token_twice(
    page: Page, hospital: Hospital, watched: Watched, nurse: Person
) -> None:
    watched.expected = NETWORK
    log_in(page, hospital.url, nurse)
    presented: list[str] = []
    page.context.on("request", lambda request: presented.extend(refreshed(request)))
    with page.context.expect_page() as opened:
        page.evaluate("() => { window.open('/ui/signed-in'); }")
    copy = opened.value
    copy.get_by_role("heading", name=nurse.known["name"]).wait_for()
    assert kept(copy) == kept(page), "a copied tab starts with the same tokens"

    for _ in range(3):
        for tab in (page, copy):
            tab.evaluate("() => { document.querySelectorAll('.quiet')[0].click(); }")
        for tab in (page, copy):
            expect(tab.get_by_role("status")).to_contain_text("已续期")
    assert len(presented) == len(set(presented)) >= 3
    assert kept(copy) == kept(page)

    copy.close()
    page.get_by_role("button", name="续期").click()
    expect(page.get_by_role("status")).to_contain_text("已续期")
    page.reload()
    expect(page.get_by_role("heading", name=nurse.known["name"])).to_be_visible()


def kept(page: Page) -> dict[str, Any]:
    return json.loads(page.evaluate("sessionStorage.getItem('jiuyi.login')"))


def refreshed(request: Request) -> list[str]:
    if not request.url.endswith("/oauth/token"):
        return []
    body = json.loads(request.post_data or "{}")
    return [body["refresh_token"]] if body["grant_type"] == "refresh_token" else []
