"""Looking at a page as a careful inspector would."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, WebSocket

ID_CARD = re.compile(r"\b\d{17}[\dX]\b")


@dataclass
class Watched:
    """What a page did besides showing. A test that breaks something names the complaint it expects."""

    outside: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: str = ""

    def unexpected(self) -> list[str]:
        return [text for text in self.complaints if not self.expected or self.expected not in text]


@contextmanager
def watching(page: Page, *, ours: set[str]) -> Iterator[Watched]:
    """Whoever is called besides `ours` (host and port), and whatever is complained about, ends the test."""
    seen = Watched()

    def on_request(request: Request) -> None:
        if urlsplit(request.url).scheme in {"http", "https"} and urlsplit(request.url).netloc not in ours:
            seen.outside.append(request.url)

    def on_socket(opened: WebSocket) -> None:
        if urlsplit(opened.url).netloc not in ours:
            seen.outside.append(opened.url)
        opened.on("framereceived", lambda payload: seen.frames.append(str(payload)))
        opened.on("framesent", lambda payload: seen.frames.append(str(payload)))

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            seen.complaints.append(message.text)

    page.on("request", on_request)
    page.on("websocket", on_socket)
    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    yield seen
    assert seen.outside == [], seen.outside
    assert seen.unexpected() == [], seen.unexpected()


def barriers(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{problem['id']}: {node['html'][:120]}"
        for problem in found
        if problem["impact"] in {"serious", "critical"}
        for node in problem["nodes"]
    ]


def drawn_with(page: Page, selector: str) -> set[str]:
    """The fonts that really drew an element's characters."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    session.detach()
    return {font["familyName"] for font in fonts}


def overflowing(page: Page) -> list[str]:
    """Elements that stand out of the screen or of the board they belong to."""
    return page.evaluate(
        """() => [...document.querySelectorAll('main *')]
            .filter((element) => !element.closest('svg') && !element.matches('.heard'))
            .filter((element) => {
              const box = element.getBoundingClientRect();
              const outside = box.right > innerWidth + 1 || box.bottom > innerHeight + 1 || box.left < -1;
              return box.width && outside;
            })
            .map((element) => element.outerHTML.slice(0, 120))"""
    )


def small_targets(page: Page, least: int) -> list[str]:
    """Buttons that a finger would miss."""
    return page.evaluate(
        """(least) => [...document.querySelectorAll('button, a, [role=button]')]
            .filter((element) => {
              const box = element.getBoundingClientRect();
              return box.width < least || box.height < least;
            })
            .map((element) => element.innerText)""",
        least,
    )


def swipe(page: Page, text: str) -> None:
    """A reader that is a keyboard: characters, quickly, then Enter."""
    page.keyboard.type(text, delay=3)
    page.keyboard.press("Enter")
