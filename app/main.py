"""The Litestar app: mounts every router, renders every refusal, says whether it is alive and ready."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.alerts.routes import router as alerts_router
from app.billing.channels import close_channels
from app.billing.notice_routes import router as pay_notice_router
from app.billing.routes import router as ledger_router
from app.catalog.routes import router as catalog_router
from app.identity.routes import router as identity_router
from app.identity.signed_in import current_actor, current_token_exp
from app.kernel.actor import system
from app.kernel.database import close_pool, fetch_value, open_pool, query
from app.kernel.errors import DomainError, Forbidden
from app.kernel.hints import close_hints
from app.kernel.http import BODY_BYTES_MAX, EXCEPTION_HANDLERS, request_command
from app.kernel.settings import settings
from app.routing import routers
from app.laboratory.routes import router as laboratory_router
from app.orders.routes import router as orders_router
from app.organization.routes import router as organization_router
from app.outpatient.routes import router as outpatient_router
from app.patients.routes import router as patients_router
from app.pharmacy.routes import router as pharmacy_router
from app.queueing.routes import router as queueing_router
from bedside_terminal.routes import router as bedside_router
from guide_kiosk.visits import router as kiosk_router
from mini_program_api.appointments import router as appointments_router
from mini_program_api.bills import router as bills_router
from mini_program_api.departments import router as departments_router
from mini_program_api.family import router as family_router
from mini_program_api.login import router as login_router
from mini_program_api.payments import router as payments_router
from mini_program_api.prescriptions import router as prescriptions_router
from mini_program_api.queue import router as queue_router
from mini_program_api.reports import router as reports_router
from mini_program_api.timeline import router as timeline_router
from notifications.endpoint import realtime
from notifications.hub import HUB

READY_SECONDS_MAX = 2.0
LOOPBACK = {"127.0.0.1", "::1"}


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    ready: bool
    database: bool
    hub: bool
    instance: str


@get("/healthz", sync_to_thread=False, include_in_schema=False)
def healthz() -> dict[str, str]:
    """Alive: the event loop answers."""
    return {"status": "alive"}


@get("/readyz", include_in_schema=False)
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


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Prometheus figures, for this machine only."""
    if request.client is None or request.client.host not in LOOPBACK:
        raise Forbidden
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@asynccontextmanager
async def lifespan(_: Litestar) -> AsyncIterator[None]:
    await open_pool()
    HUB.start()
    try:
        yield
    finally:
        await HUB.stop()
        await close_channels()
        await close_hints()
        await close_pool()


ROUTES: list[ControllerRouterHandler] = [
    healthz,
    readyz,
    metrics,
    realtime,
    ticket_router,
    identity_router,
    organization_router,
    patients_router,
    catalog_router,
    ledger_router,
    pay_notice_router,
    login_router,
    family_router,
    timeline_router,
    bills_router,
    payments_router,
    orders_router,
    laboratory_router,
    pharmacy_router,
    prescriptions_router,
    reports_router,
    alerts_router,
    inpatient_router,
    bedside_router,
    queueing_router,
    outpatient_router,
    kiosk_router,
    departments_router,
    appointments_router,
    queue_router,
]


def build() -> Litestar:
    return Litestar(
        route_handlers=[healthz, readyz, metrics, *routers()],
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        dependencies={
            "actor": Provide(current_actor),
            "token_exp": Provide(current_token_exp),
            "asked": Provide(request_command),
        },
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig(title="就医 Jiuyi", version="1", path="/schema"),
    )


app = build()
