"""Background tasks that are watched: one that ends is started again, and everybody can see that it was."""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from prometheus_client import Counter
from structlog.contextvars import bind_contextvars

log = structlog.get_logger()

BACKOFF_SECONDS_MAX = 5.0
STEADY_SECONDS = 30.0
CANCEL_AGAIN_SECONDS = 0.5

RESTARTS = Counter("jiuyi_task_restarts", "Background tasks that ended and were started again", ["task"])


class Watched:
    """Runs named functions for ever. Each starts with an empty context: no transaction is inherited."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.restarts: dict[str, int] = {}
        self.stopping = False

    def start(self, name: str, forever: Callable[[], Awaitable[None]]) -> None:
        self.restarts.setdefault(name, 0)
        RESTARTS.labels(name)  # from now on 0, so that the first restart is seen as a rise
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._watch(name, forever), name=name, context=contextvars.Context())
        task.add_done_callback(partial(self._start_again, name, forever))
        self.tasks.append(task)

    def _start_again(
        self, name: str, forever: Callable[[], Awaitable[None]], ended: asyncio.Task[None]
    ) -> None:
        """Only `stop` ends a watched task: a cancellation that somebody else sent is one more failure."""
        if not self.stopping and ended in self.tasks:
            log.warning("task_cancelled", task=name)
            self.tasks.remove(ended)
            self._count_restart(name)
            self.start(name, forever)

    def _count_restart(self, name: str) -> None:
        self.restarts[name] += 1
        RESTARTS.labels(name).inc()

    async def _watch(self, name: str, forever: Callable[[], Awaitable[None]]) -> None:
        pause = 0.1
        bind_contextvars(task=name)  # in the task's own context: it ends with it
        while not self.stopping:
            started = time.monotonic()
            try:
                await forever()
                log.warning("task_returned")
            except asyncio.CancelledError:
                raise
            except Exception:
                log.warning("task_failed", exc_info=True)
            self._count_restart(name)
            pause = (
                0.1 if time.monotonic() - started > STEADY_SECONDS else min(pause * 2, BACKOFF_SECONDS_MAX)
            )
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """Cancel until they have ended: a library may take one cancellation for a time-out of its own."""
        self.stopping = True
        while pending := [task for task in self.tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
        self.tasks.clear()
        self.stopping = False
