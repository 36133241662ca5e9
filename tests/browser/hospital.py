"""A running hospital as the browser tests see it: an address, two screens, and people who move things."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.browser.doctors import Doctors

READY_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Screen:
    """A page and the key that the device behind it was given."""

    address: str
    device_id: str
    device_key: str

    @property
    def link(self) -> str:
        """What an engineer opens once on the device."""
        return f"{self.address}#device_id={self.device_id}&device_key={self.device_key}"


@dataclass(frozen=True)
class Booked:
    """Somebody who has a paid booking of this half-day in the display's zone and may check in now."""

    full_name: str
    id_number: str


@dataclass(frozen=True)
class Hospital:
    url: str
    kiosk: Screen
    display: Screen
    book: Callable[[], Booked]
    call_next: Callable[[], str]  # a doctor of the display's zone calls; the number called


@contextmanager
def open_hospital(request: pytest.FixtureRequest) -> Iterator[Hospital]:
    """The demo hospital on a database and a port of its own."""
    if find_spec("app.seed") is None:
        pytest.skip("there is no demo hospital to seed yet")
    server, redis_url = request.getfixturevalue("servers")
    data: Path = request.getfixturevalue("data_folder")
    database = f"{request.getfixturevalue('template')}_browser"
    environment = {
        "DATABASE_URL": server.rsplit("/", 1)[0] + "/" + database,
        "REDIS_URL": redis_url,
        "JIUYI_DATA": str(data),
    }
    with cloned(server, request.getfixturevalue("template"), database), running(environment) as url:
        told = json.loads((data / "demo" / "credentials.json").read_text(encoding="utf-8"))
        wall = device(told, "hall_display")
        visitors = iter(told["visitors"])
        doctors = Doctors(url, told["staff"], zone_id=wall["place"]["id"])
        yield Hospital(
            url=url,
            kiosk=screen(url, "kiosk", device(told, "kiosk")),
            display=screen(url, "display", wall),
            book=lambda: booked(next(visitors)),
            call_next=doctors.call_next,
        )


@contextmanager
def cloned(server: str, template: str, database: str) -> Iterator[None]:
    asyncio.run(_execute(server, f'CREATE DATABASE "{database}" TEMPLATE "{template}"'))
    try:
        yield
    finally:
        asyncio.run(_execute(server, f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'))


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def device(told: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(device for device in told["devices"] if device["kind"] == kind)


def screen(url: str, page: str, device: dict[str, Any]) -> Screen:
    return Screen(f"{url}/ui/{page}", device["device_id"], device["device_key"])


def booked(visitor: dict[str, Any]) -> Booked:
    return Booked(full_name=visitor["name"], id_number=visitor["id_number"])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(environment: dict[str, str]) -> Iterator[str]:
    """The address of our own server, worker and simulators on the given database, until the block ends."""
    port = free_port()
    env = {**os.environ, **environment, "JIUYI_PORT": str(port), "JIUYI_DEMO": "1"}
    subprocess.run([sys.executable, "-m", "app.cli", "seed"], env=env, check=True)
    processes = [
        subprocess.Popen([sys.executable, "-m", "app.cli", name], env=env)
        for name in ("simulators", "serve", "worker")
    ]
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        yield url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return
        time.sleep(0.2)
    raise TimeoutError(f"{url}/readyz did not answer 200 within {READY_SECONDS_MAX} s")
