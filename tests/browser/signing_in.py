"""A member of staff at the login page, with her phone's authenticator app in her hand."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from app.identity.totp import STEP_SECONDS, code_of, step_at
from app.kernel import clock

DESK = {"width": 1366, "height": 768}
LARGE = {"width": 1920, "height": 1080}


@dataclass
class Phone:
    """Shows each code once: the server takes none twice, and one of the next half minute."""

    seed: str
    last_step: int = 0

    def code(self) -> str:
        step = max(step_at(clock.wall()), self.last_step + 1)
        while step > step_at(clock.wall()) + 1:
            time.sleep(STEP_SECONDS / 10)
        self.last_step = step
        return code_of(self.seed, step)


@dataclass
class Person:
    login_name: str
    password: str
    phone: Phone
    known: dict[str, Any]


def open_login(page: Page, url: str, size: dict[str, int] = DESK) -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.goto(f"{url}/ui/login")
    expect(page.get_by_label("用户名")).to_be_focused()


def type_password(page: Page, name: str, password: str) -> None:
    """By keyboard alone, from the focus that the page gave."""
    page.get_by_label("用户名").fill("")
    page.get_by_label("用户名").focus()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def log_in(page: Page, url: str, person: Person) -> None:
    open_login(page, url)
    type_password(page, person.login_name, person.password)
    type_code(page, person.phone.code())
    page.get_by_role("button", name="退出登录", exact=True).wait_for()
    assert urlsplit(page.url)[2:4] == ("/ui/signed-in", "")


def type_code(page: Page, code: str) -> None:
    expect(page.get_by_label("动态口令")).to_be_focused()
    page.keyboard.type(code)
    page.keyboard.press("Enter")
