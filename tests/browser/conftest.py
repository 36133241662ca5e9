"""Debian's Chromium, driven from outside; a page that shouts or calls out of the house fails its test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Playwright, sync_playwright

from tests.browser.hospital import Hospital, screens_of
from tests.browser.watching import Watched, watching
from tests.hospital import RunningHospital

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
BUILT = Path(__file__).parents[2] / "app" / "static" / "web" / "kiosk.html"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
HALL = {"width": 1920, "height": 1080}
KIOSK = {"width": 1080, "height": 1920}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    # Playwright keeps an event loop running in this thread until the session ends; a test that brings
    # its own loop can only run before it.
    items.sort(key=lambda item: here in item.path.parents)
    missing = "Chromium (apt-get install chromium)" if CHROMIUM is None else None
    if missing is None and not BUILT.exists():
        missing = "the built pages (make setup)"
    if missing is None or os.environ.get("CI") == "true":
        return
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"browser tests need {missing}"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "headless": True, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "zh-CN", "timezone_id": "Asia/Shanghai"}


@pytest.fixture(scope="session")
def hospital(running_hospital: RunningHospital) -> Iterator[Hospital]:
    with screens_of(running_hospital) as opened:
        yield opened


@pytest.fixture(scope="session")
def playwright(hospital: Hospital) -> Iterator[Playwright]:
    """Started after the hospital and ended before it, whose end needs an event loop of its own."""
    with sync_playwright() as started:
        yield started


@pytest.fixture
def watched(page: Page, hospital: Hospital) -> Iterator[Watched]:
    """What the page does besides showing: requests, socket frames, console."""
    with watching(page, ours={urlsplit(hospital.url).netloc}) as seen:
        yield seen


@pytest.fixture
def display(page: Page, hospital: Hospital, watched: Watched) -> Page:
    """The hall display, live."""
    page.set_viewport_size(HALL)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.goto(hospital.display.link)
    page.get_by_test_id("now").wait_for()
    return page


@pytest.fixture
def kiosk(page: Page, hospital: Hospital, watched: Watched) -> Page:
    """The kiosk on its home page."""
    page.set_viewport_size(KIOSK)  # type: ignore[arg-type] - a plain dict is a ViewportSize
    page.goto(hospital.kiosk.link)
    page.get_by_role("heading", name="自助报到").wait_for()
    return page
