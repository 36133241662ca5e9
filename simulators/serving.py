"""HTTP servers of one process: loopback only, remembered ports, a connection that can be cut."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvicorn
from litestar.types import ASGIApp, HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
HANG_UP = "simulator.hang_up"
RESTART_AFTER_S = 1.0


class CuttableProtocol(HttpToolsProtocol):
    """Lets the application end the connection without a reply, as a broken line does."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"abort": self.transport.abort}}


class QuietServer(uvicorn.Server):
    """One of several servers in a process: signals belong to the process, not to a server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def hang_up(scope: HTTPScope) -> None:
    """End this request's connection at once."""
    cut: Any = (scope["extensions"] or {})[HANG_UP]["abort"]
    cut()


@asynccontextmanager
async def serving(*doors: tuple[ASGIApp, int]) -> AsyncIterator[list[str]]:
    """Serve each application on its loopback port, or on a free one when that is 0 or taken.

    Yields the addresses in the same order; all doors close at the same time.
    """
    listeners = [_listener(port) for _app, port in doors]
    servers = [_server(app) for app, _port in doors]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, listeners, strict=True)
    ]
    while not all(server.started for server in servers):
        for task in tasks:
            if task.done():
                await task
        await asyncio.sleep(0.01)
    try:
        yield [f"http://{LOOPBACK}:{listener.getsockname()[1]}" for listener in listeners]
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)
        for listener in listeners:
            listener.close()


def _server(app: ASGIApp) -> QuietServer:
    return QuietServer(
        uvicorn.Config(
            app,
            http=CuttableProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
    )


def _listener(port: int) -> socket.socket:
    for wanted in (port, 0):
        # Named as TCP: only then does asyncio send at once; otherwise each answer waits 40 ms for an ACK.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, wanted))
        except OSError:
            listener.close()
        else:
            listener.listen(128)
            return listener
    raise OSError("no free loopback port")


async def supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Keep a loop alive: whatever ends it is logged, and it begins again."""
    while True:
        try:
            await work()
        except Exception:  # the outermost loop: a dead one would be silent for ever
            log.exception("simulator_loop_failed", loop=name)
        await asyncio.sleep(RESTART_AFTER_S)
