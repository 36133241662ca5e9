"""Answering an alert: a device has it, a screen shows it, a person takes it and deals with it."""

from http import HTTPStatus
from uuid import UUID

import asyncpg

from app.alerts.events import AlertAccepted, AlertHandled
from app.alerts.steps import note_step
from app.alerts.tables import ALERT_FLOW, AlertStatus, AlertStepKind
from app.alerts.watching import may_watch
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, NotFound
from app.kernel.events import emit

ANSWERING_ROLES = ("nurse", "doctor")


class AlertNotFound(NotFound):
    """Also for the staff of other wards."""

    code = "alert_not_found"
    message = "没有找到这条警报，请刷新警报列表。"


class AlertNotForRole(Forbidden):
    code = "alert_not_for_role"
    message = "只有护士或医生可以接受和处理警报，请通知病区值班人员。"


class AlertTaken(DomainError):
    code = "alert_taken"
    message = "这条警报已由他人接受，无需重复接受。"


class AlertOver(DomainError):
    code = "alert_over"
    status = HTTPStatus.GONE
    message = "这条警报已经结束，请刷新警报列表。"


class AlertNotAccepted(DomainError):
    code = "alert_not_accepted"
    message = "这条警报还没有人接受，请先接受再处理。"


@action
async def mark_delivered(actor: Actor, *, alert_id: UUID, device_id: UUID) -> None:
    """A device has it. Told again, or late, it changes nothing."""
    alert = await _locked(alert_id)
    if await note_step(actor, alert, AlertStepKind.DELIVERED, device_id=device_id):
        await ALERT_FLOW.try_move(alert_id, AlertStatus.DELIVERED)


@action
async def mark_displayed(actor: Actor, *, alert_id: UUID, device_id: UUID | None = None) -> UUID:
    """A screen of its own unit shows it. Told again, or late, it changes nothing."""
    alert = await _locked(alert_id)
    if not await _watches(actor, alert):
        raise AlertNotFound(alert_id=alert_id)
    if await note_step(actor, alert, AlertStepKind.DISPLAYED, device_id=device_id):
        await ALERT_FLOW.try_move(alert_id, AlertStatus.DISPLAYED)
    return alert_id


@action
async def accept_alert(actor: Actor, *, alert_id: UUID) -> UUID:
    """Take it. The first one has it; asking again is fine for them, others are told who it is."""
    alert = await _locked(alert_id)
    await _require_unit(actor, alert)
    if alert["status"] in (AlertStatus.HANDLED, AlertStatus.CANCELLED):
        raise AlertOver(alert_id=alert_id)
    if alert["status"] == AlertStatus.ACCEPTED:
        if alert["accepted_by"] == actor.id:
            return alert_id
        name = await fetch_value("SELECT name FROM staff WHERE id = $1", alert["accepted_by"])
        raise AlertTaken(
            f"这条警报已由{name}接受，无需重复接受。", alert_id=alert_id, staff_id=alert["accepted_by"]
        )
    row = await ALERT_FLOW.move(
        alert_id, AlertStatus.ACCEPTED, accepted_by=actor.id, accepted_at=await clock.now()
    )
    await note_step(actor, row, AlertStepKind.ACCEPTED)
    assert actor.id is not None
    await emit(
        actor,
        AlertAccepted(
            alert_id=alert_id,
            ward_id=row["ward_id"],
            department_id=row["department_id"],
            staff_id=actor.id,
        ),
    )
    return alert_id


@action
async def handle_alert(actor: Actor, *, alert_id: UUID, note: str = "") -> UUID:
    """It is dealt with, by whoever of the unit did it; the note is for the record, not for screens."""
    alert = await _locked(alert_id)
    await _require_unit(actor, alert)
    if alert["status"] == AlertStatus.HANDLED:
        return alert_id
    if alert["status"] == AlertStatus.CANCELLED:
        raise AlertOver(alert_id=alert_id)
    if alert["status"] != AlertStatus.ACCEPTED:
        raise AlertNotAccepted(alert_id=alert_id)
    row = await ALERT_FLOW.move(alert_id, AlertStatus.HANDLED, ended_at=await clock.now())
    await note_step(actor, row, AlertStepKind.HANDLED, note=note)
    assert actor.id is not None
    await emit(
        actor,
        AlertHandled(
            alert_id=alert_id,
            ward_id=row["ward_id"],
            department_id=row["department_id"],
            staff_id=actor.id,
        ),
    )
    return alert_id


async def _locked(alert_id: UUID) -> asyncpg.Record:
    alert = await fetch_one("SELECT * FROM alert WHERE id = $1 FOR UPDATE", alert_id)
    if alert is None:
        raise AlertNotFound(alert_id=alert_id)
    return alert


async def _require_unit(actor: Actor, alert: asyncpg.Record) -> None:
    """A nurse or doctor who may watch the alert's ward or department."""
    if actor.kind is not ActorKind.STAFF or not await _watches(actor, alert):
        raise AlertNotFound(alert_id=alert["id"])
    if await fetch_value("SELECT role FROM staff WHERE id = $1", actor.id) not in ANSWERING_ROLES:
        raise AlertNotForRole(alert_id=alert["id"])


async def _watches(actor: Actor, alert: asyncpg.Record) -> bool:
    return await may_watch(actor, ward_id=alert["ward_id"], department_id=alert["department_id"])
