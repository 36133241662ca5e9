"""Every request from outside: its id, its log line, and its place in the figures."""

import time
from typing import Any

import structlog
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from app.edge.buckets import Buckets, Demand, Rate
from app.kernel.http import REFUSAL, request_id_of
from app.kernel.settings import settings
from app.logs import lines_about, route_of
from app.metrics.labels import CODES_MAX, OTHER, ROUTES_MAX, Bounded

log = structlog.get_logger()

SLOW_SECONDS = 0.5
READS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = READS | {"POST", "PUT", "PATCH", "DELETE"}
# A flood of refusals must fill neither the disk nor the line of who answers: the rest is only counted.
LINES = Rate(per_minute=6000, burst=500)

REQUESTS = Bounded(
    Counter("jiuyi_requests", "Requests answered", ["method", "route", "status"]), most=5 * ROUTES_MAX
)
SECONDS = Bounded(
    Histogram(
        "jiuyi_request_seconds",
        "From the first byte to the last word of the answer",
        ["method", "route"],
        buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    ),
    most=ROUTES_MAX,
)
REFUSALS = Bounded(Counter("jiuyi_refusals", "Requests refused, by stable code", ["code"]), most=CODES_MAX)
WITHHELD = Counter("jiuyi_request_lines_withheld", "Log lines of requests left out in a flood")

_lines = Buckets(keys_max=1)


class Observed(Litestar):
    """The app, with whatever passes its door observed: also what no route answers."""

    async def __call__(
        self,
        scope: Scope | LifeSpanScope,
        receive: Receive | LifeSpanReceive,
        send: Send | LifeSpanSend,
    ) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        request_id = request_id_of(ASGIConnection(scope))
        with lines_about(scope, request_id=request_id):
            if scope["type"] == "http":
                await self._answer(scope, receive, send, request_id)  # type: ignore[arg-type] - the same
            else:
                await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await super().__call__(scope, receive, noting)
        finally:
            note(scope, status=status, seconds=time.perf_counter() - began)


def note(scope: Any, *, status: int, seconds: float) -> None:
    """Count a request, and write its line if it is worth one."""
    method = scope["method"] if scope["method"] in METHODS else OTHER
    route = route_of(scope)
    REQUESTS.of(method, route, f"{status // 100}xx").inc()
    SECONDS.of(method, route).observe(seconds)
    code = scope["state"].get(REFUSAL)
    if code is not None:
        REFUSALS.of(code).inc()
    if is_worth_a_line(method, status, seconds):
        if _lines.take([Demand("line", LINES)]) > 0:
            WITHHELD.inc()
            return
        told = {"code": code} if code else {}
        say = log.warning if status >= 500 else log.info
        say("request", status=status, ms=round(1000 * seconds, 1), **told)


def is_worth_a_line(method: str, status: int, seconds: float) -> bool:
    """Every write, whatever was refused or failed, and what was slow; JIUYI_LOG_READS=1: all of them."""
    return method not in READS or status >= 400 or seconds >= SLOW_SECONDS or settings().log_reads
