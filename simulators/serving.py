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
async def serving(app: ASGIApp, port: int) -> AsyncIterator[str]:
    """Serve on this loopback port, or on a free one when it is 0 or taken; yields the address."""
    listener = _listener(port)
    server = QuietServer(
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
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listener(port: int) -> socket.socket:
    for wanted in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
