"""A client of hosp.rt.v1 as a careful stranger would write it: it trusts no frame and remembers all."""

import asyncio
import json
from typing import Any, Self

import websockets
from websockets.asyncio.client import ClientConnection

Frame = dict[str, Any]


class Client:
    """One screen: its place in each stream outlives its sockets."""

    def __init__(
        self,
        url: str,
        *streams: str,
        client_id: str = "screen",
        window: int = 32,
        acks: bool = True,
        resumes: bool = True,
    ) -> None:
        self.url = url
        self.streams = streams
        self.client_id = client_id
        self.window = window
        self.acks = acks
        self.resumes = resumes
        self.epochs: dict[str, str] = {}
        self.last: dict[str, int] = {}
        self.frames: list[Frame] = []
        self.events: list[Frame] = []  # those that were next, in order
        self.holes = 0
        self.repeats = 0
        self.deaf_to: set[int] = set()  # numbers lost on the way, once each
        self.socket: ClientConnection | None = None
        self.reader: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self.close_code: int | None = None

    async def connect(self, ticket: str) -> Self:
        self.close_code = None
        self.socket = await websockets.connect(self.url)
        await self.say(self.hello(ticket))
        self.reader = asyncio.create_task(self._read(self.socket))
        return self

    def hello(self, ticket: str) -> Frame:
        return {
            "t": "hello",
            "v": "hosp.rt.v1",
            "ticket": ticket,
            "client_id": self.client_id,
            "boot_id": "boot",
            "streams": [self._wanted(name) for name in self.streams],
            "window": self.window,
        }

    def _wanted(self, name: str) -> Frame:
        if not self.resumes or name not in self.last:
            return {"s": name}
        return {"s": name, "epoch": self.epochs[name], "after": self.last[name]}

    async def say(self, frame: Frame | str) -> None:
        assert self.socket is not None
        await self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                await self._take(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        self.close_code = socket.close_code
        self.changed.set()

    async def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        match frame["t"]:
            case "welcome":
                for offer in frame["streams"]:
                    if offer["mode"] == "snapshot":
                        self.last.pop(offer["s"], None)
                    self.epochs[offer["s"]] = offer["epoch"]
            case "snap":
                self.epochs[frame["s"]], self.last[frame["s"]] = frame["epoch"], frame["q"]
                await self._ack(frame["s"])
            case "ev":
                await self._take_event(frame)
            case "gap":
                self.last.pop(frame["s"], None)
            case "ping":
                await self.say({"t": "pong", "n": frame["n"]})
        self.changed.set()

    async def _take_event(self, frame: Frame) -> None:
        stream, q = frame["s"], frame["q"]
        if q in self.deaf_to:
            self.deaf_to.discard(q)
            return
        if q <= self.last[stream]:
            self.repeats += 1
        elif q == self.last[stream] + 1:
            self.last[stream] = q
            self.events.append(frame)
            await self._ack(stream)
        else:
            self.holes += 1
            await self.say({"t": "resync", "s": stream, "after": self.last[stream]})

    async def _ack(self, stream: str) -> None:
        if self.acks:
            await self.say({"t": "ack", "s": stream, "q": self.last[stream]})

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["t"] == kind]

    def numbers(self, stream: str | None = None) -> list[int]:
        return [e["q"] for e in self.events if stream in (None, e["s"])]

    async def until(self, condition: Any, seconds: float = 5.0) -> None:
        """Wait for it, or fail with what was heard instead."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            heard = [(f["t"], f.get("q")) for f in self.frames[-20:]]
            raise AssertionError(f"not within {seconds} s; heard {heard}, closed {self.close_code}") from None

    async def has(self, kind: str, count: int = 1, seconds: float = 5.0) -> Frame:
        await self.until(lambda: len(self.of(kind)) >= count, seconds)
        return self.of(kind)[-1]

    async def closed(self, seconds: float = 5.0) -> int | None:
        await self.until(lambda: self.close_code is not None, seconds)
        return self.close_code

    async def cut(self) -> None:
        """The line breaks: no goodbye in either direction."""
        if self.socket is not None:
            self.socket.transport.abort()
        await self._read_to_the_end()
        self.socket = None

    async def leave(self) -> None:
        if self.socket is not None:
            await self.socket.close()
        await self._read_to_the_end()

    async def _read_to_the_end(self) -> None:
        """Awaiting the reader itself would hand it the cancellation of who waits here."""
        if self.reader is not None:
            await asyncio.wait([self.reader])
            self.reader.result()
