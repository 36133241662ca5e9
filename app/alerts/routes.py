"""What nurses and doctors do with alerts, and what a nurse station's screen reports."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.alerts.answering import accept_alert, handle_alert, mark_displayed
from app.alerts.queries import AlertView, WardAlertState, alert_view, watched_alerts
from app.kernel.actor import Actor
from app.kernel.idempotency import Command, once

NOTE_MAX = 200


class Handled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: Annotated[str, msgspec.Meta(max_length=NOTE_MAX)] = ""


@get("/wards/{ward_id:uuid}/alerts", permission="alert.read")
async def list_alerts(actor: NamedDependency[Actor], ward_id: FromPath[UUID]) -> WardAlertState:
    """The ward's open alerts, for its staff and its nurse stations."""
    return await watched_alerts(actor, ward_id=ward_id)


@post("/alerts/{alert_id:uuid}/displayed", permission="alert.display", status_code=200)
async def displayed(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], alert_id: FromPath[UUID]
) -> AlertView:
    """A screen shows it."""
    await once(asked, mark_displayed, actor, alert_id=alert_id)
    return await alert_view(actor, alert_id=alert_id)


@post("/alerts/{alert_id:uuid}/accept", permission="alert.accept", status_code=200)
async def accept(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], alert_id: FromPath[UUID]
) -> AlertView:
    """Take it; 409 `alert_taken` names who was first."""
    await once(asked, accept_alert, actor, alert_id=alert_id)
    return await alert_view(actor, alert_id=alert_id)


@post("/alerts/{alert_id:uuid}/handle", permission="alert.handle", status_code=200)
async def handle(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    alert_id: FromPath[UUID],
    data: JSONBody[Handled],
) -> AlertView:
    """It is dealt with."""
    await once(asked, handle_alert, actor, alert_id=alert_id, note=data.note)
    return await alert_view(actor, alert_id=alert_id)


router = Router(path="/api/staff/v1", route_handlers=[list_alerts, displayed, accept, handle])
