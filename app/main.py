"""The Litestar app: mounts every router, renders every refusal, says whether it is alive and ready."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Response, Router, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from app.billing.channels import close_channels
from app.edge.counting import SHARED_BUCKETS
from app.edge.headers import add_headers
from app.identity.policy import PUBLIC
from app.identity.signed_in import current_actor, current_token_exp, enforce_policy
from app.kernel.actor import system
from app.kernel.database import close_pool, fetch_value, open_pool, query
from app.kernel.errors import DomainError
from app.kernel.hints import close_hints
from app.kernel.http import BODY_BYTES_MAX, EXCEPTION_HANDLERS, request_command
from app.kernel.settings import settings
from app.limiting import limit_requests
from app.metrics.processes import ProcessKind, telling
from app.metrics.requests import Observed
from app.metrics.routes import metrics
from app.routing import routers
from app.traces.access_log import ACCESS_LOG
from app.trail import leave_trace
from app.veil import Veiled
from notifications.hub import HUB

READY_SECONDS_MAX = 2.0


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    ready: bool
    database: bool
    hub: bool
    instance: str


@get("/healthz", permission="public", sync_to_thread=False, include_in_schema=False)
def healthz() -> dict[str, str]:
    """Alive: the event loop answers."""
    return {"status": "alive"}


@get("/readyz", permission="public", include_in_schema=False)
async def readyz() -> Response[Readiness]:
    """Ready: the database answers and the hub has looked at it lately."""
    database = await database_answers()
    hub = HUB.is_live()
    ready = database and hub
    return Response(
        Readiness(ready=ready, database=database, hub=hub, instance=settings().instance),
        status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


async def database_answers() -> bool:
    try:
        await asyncio.wait_for(_ask(system("readyz")), READY_SECONDS_MAX)
    except (DomainError, OSError, TimeoutError):
        return False
    return True


@query
async def _ask(actor: Any) -> int:
    return await fetch_value("SELECT 1")


async def drain() -> None:
    """Send the sockets away. The server calls it before it closes them; the lifespan ends too late."""
    await HUB.close()


@asynccontextmanager
async def lifespan(hospital: Litestar) -> AsyncIterator[None]:
    await open_pool()
    ACCESS_LOG.open()
    HUB.start()
    try:
        async with telling(ProcessKind.SERVE) as hospital.state.process:
            yield
    finally:
        await HUB.stop()
        await ACCESS_LOG.close()
        await close_channels()
        await SHARED_BUCKETS.close()
        await close_hints()
        await close_pool()


def build() -> Litestar:
    return Observed(
        route_handlers=[healthz, readyz, metrics, *routers()],
        lifespan=[lifespan],
        state=State({"process": ProcessKind.SERVE}),
        guards=[limit_requests, enforce_policy],
        before_send=[leave_trace, add_headers],
        exception_handlers=EXCEPTION_HANDLERS,
        response_class=Veiled,
        dependencies={
            "actor": Provide(current_actor),
            "token_exp": Provide(current_token_exp),
            "asked": Provide(request_command),
        },
        request_max_body_size=BODY_BYTES_MAX,
        # The description only: its usual readers are scripts from other people's servers.
        openapi_config=OpenAPIConfig(
            title="就医 Jiuyi",
            version="1",
            render_plugins=[JsonRenderPlugin()],
            openapi_router=Router(path="/schema", route_handlers=[], opt={"permission": PUBLIC}),
        ),
        logging_config=None,  # the process decides: app/logs.py
    )


app = build()
