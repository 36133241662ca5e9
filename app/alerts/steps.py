"""The append-only story of an alert."""

from uuid import UUID

import asyncpg

from app.alerts.tables import AlertStepKind
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import fetch_value
from app.kernel.ids import new_id


async def note_step(
    actor: Actor,
    alert: asyncpg.Record,
    kind: AlertStepKind,
    *,
    device_id: UUID | None = None,
    note: str = "",
) -> bool:
    """Write one step. False where this device, or this escalation, has told the same before."""
    if device_id is None and actor.kind == ActorKind.DEVICE:
        device_id = actor.id
    written = await fetch_value(
        "INSERT INTO alert_step (id, alert_id, kind, at, actor_kind, actor_id, device_id, rung,"
        " escalation, note) VALUES ($1, $2, $3, jiuyi.now(), $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT DO NOTHING RETURNING id",
        new_id(),
        alert["id"],
        str(kind),
        str(actor.kind),
        actor.id,
        device_id,
        alert["rung"],
        alert["escalations"],
        note,
    )
    return written is not None
