"""Simulators in this process, on free loopback ports, with a business clock the test can move."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State

from app.kernel.clock import LOCAL, wall
from simulators import notices, running
from simulators.alipay.platform import Alipay
from simulators.insurance_bureau.platform import Bureau
from simulators.main import all_running
from simulators.serving import serving
from simulators.wechat_pay.platform import WechatPay

WAIT_S = 5.0
# A test that moves the clock need not wait half a second until somebody looks at it.
notices.LOOK_EVERY_S = running.LOOK_EVERY_S = 0.05


class MovableClock:
    """Business time: ten in the morning when the test begins, at whatever hour, and what the test adds."""

    def __init__(self) -> None:
        now = wall()
        morning = now.astimezone(LOCAL).replace(hour=10, minute=0, second=0, microsecond=0)
        self.offset = morning - now

    async def now(self) -> datetime:
        return wall() + self.offset

    def forward(self, **by: float) -> None:
        self.offset += timedelta(**by)


class Received:
    """One notification as it came over the wire."""

    def __init__(self, headers: dict[str, str], body: bytes, at: datetime) -> None:
        self.headers = headers
        self.body = body
        self.at = at


class Merchant:
    """The hospital's side: a server that takes notifications and answers as told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self.status = 200
        self.reply = b"success"

    def wait(self, count: int) -> list[Received]:
        """The notifications, once there are this many."""
        deadline = wall() + timedelta(seconds=WAIT_S)
        while len(self.received) < count:
            assert wall() < deadline, f"{len(self.received)} of {count} notifications came"
            threading.Event().wait(0.02)
        return self.received


class Simulators:
    """Both platforms, their cards and control APIs, running in a thread of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = MovableClock()
        self.merchants: dict[str, Merchant] = {}
        self.merchant = Merchant("")
        self.cards: dict[str, dict[str, str]] = {}
        self.http = httpx.Client(timeout=10, trust_env=False)
        self._merchant_base = ""
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20), "the simulators did not start"

    def stop(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self.http.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the simulators did not stop"

    def new_merchant(self) -> Merchant:
        """An address of its own for each test, so that late retries of others do not matter."""
        place = f"/notify/{len(self.merchants)}"
        self.merchant = self.merchants[place] = Merchant(self._merchant_base + place)
        return self.merchant

    def control(self, name: str, method: str, path: str, /, **json: Any) -> Any:
        """One call of a control API; its answer must be a good one."""
        answer = self.control_answer(name, method, path, **json)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def control_answer(self, name: str, method: str, path: str, /, **json: Any) -> httpx.Response:
        address = self.cards[name]["control_url"] + path
        return self.http.request(method, address, json=json if method == "POST" else None)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with (
            serving((_merchant_app(self.merchants), 0)) as [self._merchant_base],
            all_running(self.folder, self.clock.now) as self.cards,
        ):
            self._ready.set()
            await self._stop.wait()


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys made once: RSA keys are slow to find."""
    folder = tmp_path_factory.mktemp("keys")

    async def now() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    for platform in (WechatPay(folder, now), Alipay(folder, now), Bureau(folder, now)):
        platform.store.close()
    return folder / "keys"


@pytest.fixture(scope="module")
def module_simulators(tmp_path_factory: pytest.TempPathFactory, keys_folder: Path) -> Iterator[Simulators]:
    folder = tmp_path_factory.mktemp("simulators")
    shutil.copytree(keys_folder, folder / "keys")
    started = Simulators(folder)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def simulators(module_simulators: Simulators) -> Iterator[Simulators]:
    """The module's simulators, with no fault armed and a merchant that nobody has told anything."""
    module_simulators.new_merchant()
    yield module_simulators
    for name in module_simulators.cards:
        module_simulators.control(name, "DELETE", "/faults")
        assert module_simulators.control(name, "GET", "/book")["balanced"]


@pytest.fixture
def merchant(simulators: Simulators) -> Merchant:
    return simulators.merchant


def _merchant_app(merchants: dict[str, Merchant]) -> Litestar:
    @post("/notify/{number:str}")
    async def notify(request: Request[Any, Any, State]) -> Response[bytes | None]:
        body = await request.body()
        merchant = merchants[request.url.path]
        merchant.received.append(Received(dict(request.headers), body, wall()))
        reply = None if merchant.status == 204 else merchant.reply
        return Response(reply, status_code=merchant.status, media_type="text/plain")

    return Litestar([notify], openapi_config=None, logging_config=None)
