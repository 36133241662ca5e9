"""The running hospital as the browser tests see it: two screens, and people who move things."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.browser.people import People
from tests.hospital import RunningHospital

ASKED_SECONDS_MAX = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class Screen:
    """A page, and the link that makes it a demo device: what is opened once on it."""

    address: str
    link: str


@dataclass(frozen=True)
class Booked:
    """Somebody who has a paid booking of today in the display's zone and may check in now."""

    full_name: str
    id_number: str


@dataclass(frozen=True)
class Hospital:
    url: str
    kiosk: Screen
    display: Screen
    book: Callable[[], Booked]
    wait: Callable[[], Booked]  # booked, and checked in at another kiosk
    call_next: Callable[[], str]  # a doctor of the display's zone calls; the number called
    now: Callable[[], datetime]  # what time it is there
    make_new: Callable[[str], str]  # a staff id's login starts over; its one-time password
    offer: Callable[[str], str]  # an administrator's code for a new device of a kind, in that zone


@contextmanager
def screens_of(running: RunningHospital) -> Iterator[Hospital]:
    """Its first kiosk, and the display of the zone that the kiosk stands in."""
    kiosk = device(running, "kiosk")
    display = device(running, "hall_display")
    assert kiosk["place"] == display["place"]
    with aside() as ask, people_of(running, display["place"]["id"], ask) as people:
        yield Hospital(
            url=running.url,
            kiosk=screen(running, "kiosk", kiosk),
            display=screen(running, "display", display),
            book=lambda: booked(*ask(people.book())),
            wait=lambda: booked(*ask(people.wait())),
            call_next=lambda: ask(people.call_next()),
            now=lambda: ask(people.now()),
            make_new=lambda staff_id: ask(people.make_new(staff_id)),
            offer=lambda kind: ask(people.offer(kind)),
        )


def device(running: RunningHospital, kind: str) -> dict[str, Any]:
    return next(device for device in running.credentials["devices"] if device["kind"] == kind)


def screen(running: RunningHospital, page: str, device: dict[str, Any]) -> Screen:
    address = f"{running.url}/ui/{page}"
    return Screen(address, f"{address}#{urlsplit(device['url']).fragment}")


def booked(full_name: str, id_number: str) -> Booked:
    return Booked(full_name=full_name, id_number=id_number)


class Ask:
    """Runs what is asked on a loop in a thread of its own: Playwright's own runs in this one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(ASKED_SECONDS_MAX)


@contextmanager
def aside() -> Iterator[Ask]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Ask(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def people_of(running: RunningHospital, zone_id: str, ask: Ask) -> Iterator[People]:
    people = People(running, zone_id)
    ask(people.open())
    try:
        yield people
    finally:
        ask(people.close())
