"""What nurse stations hear of alerts; and what happens when no station is there to hear."""

from typing import Any
from uuid import UUID

import msgspec

from app.alerts.answering import mark_delivered
from app.alerts.escalation import no_listener
from app.alerts.events import AlertAccepted, AlertCancelled, AlertEscalated, AlertHandled, AlertRaised
from app.alerts.queries import ward_alert_state
from app.kernel.actor import Actor, ActorKind
from app.kernel.events import Event
from notifications.history import somebody_listens
from notifications.push import push_state
from notifications.streams import ward_alerts

AnyAlert = AlertRaised | AlertEscalated | AlertAccepted | AlertHandled | AlertCancelled


async def show(actor: Actor, fact: AnyAlert, event: Event) -> None:
    """The station is told which alert moved; it shows the state that comes along."""
    if fact.ward_id is None:
        return
    ward_id = fact.ward_id

    async def present() -> dict[str, Any]:
        return {"alert_id": fact.alert_id, "state": await ward_alert_state(actor, ward_id=ward_id)}

    await push_state(actor, stream=ward_alerts(ward_id), type=event.kind, read=present, prio=0)


async def hurry_if_nobody_listens(actor: Actor, fact: AlertRaised | AlertEscalated, event: Event) -> None:
    """Loss of contact to a ward must not cost a minute: without a listener the next rung is asked at once."""
    if fact.outside or fact.ward_id is None:
        return
    if not await somebody_listens(actor, stream=ward_alerts(fact.ward_id)):
        await no_listener(actor, alert_id=fact.alert_id, escalation=fact.escalation)


async def arrived(actor: Actor, alert_ids: list[str]) -> None:
    """A station's acknowledgement is the proof that the alert reached a screen."""
    if actor.kind is not ActorKind.DEVICE or actor.id is None:
        return
    for alert_id in dict.fromkeys(alert_ids):
        await mark_delivered(actor, alert_id=UUID(alert_id), device_id=actor.id)


async def ward_state(actor: Actor, ward_id: UUID) -> dict[str, Any]:
    return msgspec.to_builtins(await ward_alert_state(actor, ward_id=ward_id))


def alerts_shown(state: dict[str, Any]) -> list[str]:
    """A station that was away learns of these from the snapshot: its acknowledgement proves them too."""
    return [alert["alert_id"] for alert in state["alerts"] if alert["status"] == "raised"]
