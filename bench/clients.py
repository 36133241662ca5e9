"""The load: so many keep-alive connections, each asking again as soon as it was answered.

A process of its own, `python -m bench.clients`: a Load as JSON on stdin, a Measured as JSON on stdout.
"""

import asyncio
import re
import statistics
import sys
import time
from collections import Counter
from itertools import cycle
from typing import cast

import msgspec
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
STATUS_AT = slice(9, 12)  # "HTTP/1.1 200 OK"
PATIENCE_SECONDS = 10.0  # for the last answers, after the time is up


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One GET of one login."""

    path: str
    token: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One list of requests for each client, asked in turn for `seconds`."""

    host: str
    port: int
    seconds: float
    clients: list[list[Ask]]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in milliseconds as a client feels them; `statuses` counts the answers by status code."""

    median_ms: float
    p99_ms: float
    per_second: float
    statuses: dict[str, int]


class Broken(Exception):
    """The server closed a connection, or said something that is not an HTTP answer of known length."""


class Client(asyncio.Protocol):
    """One connection. Never more than one request is on its way, so what comes is its answer."""

    def __init__(self, requests: list[bytes], until: float) -> None:
        self.requests = cycle(requests)
        self.until = until
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self.ask()

    def ask(self) -> None:
        self.answer, self.asked_at = b"", time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head = self.answer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self.answer, 0, head + 2)
        if length is None:
            self.give_up(Broken(self.answer[:head]))
        elif len(self.answer) >= head + 4 + int(length[1]):
            self.answered(time.perf_counter())

    def answered(self, now: float) -> None:
        self.seconds.append(now - self.asked_at)
        self.statuses[self.answer[STATUS_AT].decode()] += 1
        if now < self.until:
            self.ask()
        else:
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(exc or Broken("the server closed the connection"))

    def give_up(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def request(ask: Ask, load: Load) -> bytes:
    return (
        f"GET {ask.path} HTTP/1.1\r\nHost: {load.host}:{load.port}\r\n"
        f"Authorization: Bearer {ask.token}\r\nAccept: application/json\r\n\r\n"
    ).encode()


async def put(load: Load) -> Measured:
    """Connect all clients at once, let them ask until the time is up, and look at what they felt."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [
        Client([request(ask, load) for ask in asks], until=began + load.seconds) for asks in load.clients
    ]
    for client in clients:
        await loop.create_connection(lambda client=client: client, load.host, load.port)
    async with asyncio.timeout(load.seconds + PATIENCE_SECONDS):
        for client in clients:
            await client.done
    return measured([s for client in clients for s in client.seconds], clients, time.perf_counter() - began)


def measured(seconds: list[float], clients: list[Client], took: float) -> Measured:
    seconds.sort()
    statuses = sum((client.statuses for client in clients), Counter[str]())
    return Measured(
        median_ms=round(statistics.median(seconds) * 1000, 3),
        p99_ms=round(seconds[int(len(seconds) * 0.99)] * 1000, 3),
        per_second=round(len(seconds) / took, 1),
        statuses=dict(statuses),
    )


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(put(load))))


if __name__ == "__main__":
    main()
