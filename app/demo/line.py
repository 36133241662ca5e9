"""A websocket that listens as phones, displays and nurse stations do: hosp.rt.v1 from the outside."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from app.demo.callers import Caller, StepBroken, expect

HEARD_SECONDS_MAX = 10.0


class Line:
    """Streams heard by one login. Everything is acknowledged; nothing may be missing or come twice."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self.states: dict[str, Any] = {}
        self.last: dict[str, int] = {}
        self.news = asyncio.Condition()
        self.trouble: str | None = None
        self.task = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, caller: Caller, url: str, *streams: str) -> "Line":
        ticket = await caller.post("/rt/tickets")
        socket = await connect(url.replace("http", "ws", 1) + "/rt", max_size=2**20)
        hello = {
            "t": "hello",
            "v": "hosp.rt.v1",
            "ticket": ticket["ticket"],
            "client_id": uuid.uuid4().hex,
            "boot_id": uuid.uuid4().hex,
            "streams": [{"s": stream} for stream in streams],
            "window": 32,
        }
        await socket.send(msgspec.json.encode(hello).decode())
        welcome = msgspec.json.decode(await socket.recv())
        expect(welcome["t"] == "welcome", f"no welcome but {welcome}")
        line = cls(socket)
        await line.until(lambda: len(line.states) == len(streams), "the first snapshots")
        return line

    async def close(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.socket.close()

    async def _listen(self) -> None:
        async for text in self.socket:
            frame = msgspec.json.decode(text)
            match frame["t"]:
                case "ping":
                    await self._say({"t": "pong", "n": frame["n"]})
                case "snap":
                    self.states[frame["s"]] = frame["state"]
                    self.last[frame["s"]] = frame["q"]
                case "ev":
                    await self._take(frame)
            async with self.news:
                self.news.notify_all()

    async def _take(self, frame: dict[str, Any]) -> None:
        stream, number = frame["s"], frame["q"]
        if number != self.last[stream] + 1:
            self.trouble = f"{stream}: {number} after {self.last[stream]}"
        self.last[stream] = number
        self.heard.append((time.monotonic(), frame))
        if "state" in frame["d"]:
            self.states[stream] = frame["d"]["state"]
        await self._say({"t": "ack", "s": stream, "q": number})

    async def _say(self, frame: dict[str, Any]) -> None:
        await self.socket.send(msgspec.json.encode(frame).decode())

    async def until(self, condition: Callable[[], object], what: str) -> None:
        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(condition), HEARD_SECONDS_MAX)
            except TimeoutError as error:
                raise StepBroken(f"not heard within {HEARD_SECONDS_MAX:.0f} s: {what}") from error
        expect(self.trouble is None, f"the line lost count: {self.trouble}")

    async def hear(self, kind: str, fits: Callable[[dict[str, Any]], object]) -> tuple[float, dict[str, Any]]:
        """The first event of `kind` that fits, with the moment (time.monotonic) when it arrived."""

        def found() -> tuple[float, dict[str, Any]] | None:
            return next(((at, f["d"]) for at, f in self.heard if f["type"] == kind and fits(f["d"])), None)

        await self.until(found, kind)
        result = found()
        assert result is not None
        return result
