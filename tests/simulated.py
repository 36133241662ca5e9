"""Both payment platforms for a test: real servers in a thread of their own, on our business time."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from simulators.clock import wall
from simulators.main import all_running

START_SECONDS_MAX = 20


class Platforms:
    """WeChat Pay and Alipay as outside clients see them, and what payers and tests do with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offset = timedelta(0)
        self.cards: dict[str, dict[str, str]] = {}
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def now(self) -> datetime:
        return wall() + self.offset

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with all_running(self.folder, self.now) as self.cards:
            self._ready.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_SECONDS_MAX), "the platforms did not start"

    def stop(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def call(self, platform: str, method: str, path: str, **body: Any) -> Any:
        """One call of a control API; its answer must be a good one."""
        reply = await self.answer(platform, method, path, **body)
        assert reply.status_code < 300, reply.text
        return reply.json()

    async def answer(self, platform: str, method: str, path: str, **body: Any) -> httpx.Response:
        # A client per call: each test has an event loop of its own.
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            address = self.cards[platform]["control_url"] + path
            return await client.request(method, address, json=body if method == "POST" else None)


@contextmanager
def platforms_running(folder: Path) -> Iterator[Platforms]:
    platforms = Platforms(folder)
    platforms.start()
    try:
        yield platforms
    finally:
        platforms.stop()
