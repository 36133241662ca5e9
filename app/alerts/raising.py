"""Raising an alert, and taking back one that has become pointless."""

from uuid import UUID

import asyncpg

from app.alerts.events import AlertCancelled, AlertRaised
from app.alerts.ladder import ladder_of
from app.alerts.rules import Rung, first_rung
from app.alerts.steps import note_step
from app.alerts.tables import ALERT_FLOW, AlertKind, AlertLevel, AlertStatus, AlertStepKind
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one
from app.kernel.errors import Unavailable
from app.kernel.events import emit
from app.kernel.ids import new_id

INSERT_TRIES_MAX = 3


@action
async def raise_alert(
    actor: Actor,
    *,
    kind: AlertKind,
    level: AlertLevel,
    text: str,
    ward_id: UUID | None = None,
    department_id: UUID | None = None,
    person_id: UUID | None = None,
    bed_id: UUID | None = None,
    subject_id: UUID | None = None,
    assignee_id: UUID | None = None,
    once_key: str | None = None,
) -> UUID:
    """Ask a ward, or else a department, to acknowledge something. The alert's id returns.

    Called in the transaction of what happened.
    `text` is what the ward's screens may say: words like 呼叫护士, never a diagnosis or a value.
    While an alert with the same `once_key` is open, that one returns and counts the repetition.
    """
    assert (ward_id is None) != (department_id is None)
    first = first_rung(await ladder_of(level), assigned=assignee_id is not None)
    for _ in range(INSERT_TRIES_MAX):
        row = await _insert(
            first,
            {
                "kind": str(kind),
                "level": str(level),
                "ward_id": ward_id,
                "department_id": department_id,
                "text": text,
                "person_id": person_id,
                "bed_id": bed_id,
                "subject_id": subject_id,
                "assignee_id": assignee_id,
                "once_key": once_key,
            },
        )
        if row is not None:
            await _tell(actor, row, first)
            return row["id"]
        # Somebody ended the open one between the two statements: then ours can be raised after all.
        open_one = await _open_with(once_key)
        if open_one is not None:
            await note_step(actor, open_one, AlertStepKind.REPEATED)
            return open_one["id"]
    raise Unavailable(alert_once_key=once_key)


async def _insert(first: Rung, values: dict[str, object]) -> asyncpg.Record | None:
    names = ", ".join(values)
    places = ", ".join(f"${i}" for i in range(4, 4 + len(values)))
    return await fetch_one(
        f"INSERT INTO alert (id, rung, {names}, status, escalations, raised_at, ack_deadline)"  # noqa: S608 - our own names
        f" VALUES ($1, $2, {places}, 'raised', 0, jiuyi.now(), jiuyi.now() + $3 * interval '1 second')"
        " ON CONFLICT (once_key) WHERE status IN ('raised', 'delivered', 'displayed', 'accepted')"
        " DO NOTHING RETURNING *",
        new_id(),
        first.rung,
        first.wait_seconds,
        *values.values(),
    )


async def _tell(actor: Actor, alert: asyncpg.Record, first: Rung) -> None:
    await note_step(actor, alert, AlertStepKind.RAISED)
    await emit(
        actor,
        AlertRaised(
            alert_id=alert["id"],
            ward_id=alert["ward_id"],
            department_id=alert["department_id"],
            kind=alert["kind"],
            level=alert["level"],
            target=first.target,
            outside=first.outside,
        ),
    )


async def _open_with(once_key: str | None) -> asyncpg.Record | None:
    return await fetch_one(
        "SELECT * FROM alert WHERE once_key = $1"
        " AND status IN ('raised', 'delivered', 'displayed', 'accepted') FOR UPDATE",
        once_key,
    )


@action
async def cancel_alerts(actor: Actor, *, subject_id: UUID, note: str = "") -> int:
    """End every open alert about a subject that is over. Returns how many there were."""
    rows = await fetch(
        "SELECT id FROM alert WHERE subject_id = $1"
        " AND status IN ('raised', 'delivered', 'displayed', 'accepted') ORDER BY id FOR UPDATE",
        subject_id,
    )
    for row in rows:
        moved = await ALERT_FLOW.move(row["id"], AlertStatus.CANCELLED, ended_at=await clock.now())
        await note_step(actor, moved, AlertStepKind.CANCELLED, note=note)
        await emit(
            actor,
            AlertCancelled(
                alert_id=moved["id"], ward_id=moved["ward_id"], department_id=moved["department_id"]
            ),
        )
    return len(rows)
