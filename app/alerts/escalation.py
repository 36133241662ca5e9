"""The escalator: what nobody has accepted in time climbs, by the database's clock and nothing else."""

from datetime import datetime
from uuid import UUID

import asyncpg

from app.alerts.events import AlertEscalated
from app.alerts.ladder import ladder_of
from app.alerts.rules import climb
from app.alerts.steps import note_step
from app.alerts.tables import AlertLevel, AlertStepKind
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch, fetch_one
from app.kernel.events import emit

ESCALATE_MAX = 50
ROUNDS_MAX = 20


async def escalate_overdue() -> int:
    """The sweep: any number may run at once, each alert climbs one rung for each deadline it misses."""
    done = 0
    for _ in range(ROUNDS_MAX):
        escalated = await escalate_batch(system("escalator"))
        done += escalated
        if escalated < ESCALATE_MAX:
            break
    return done


@action
async def escalate_batch(actor: Actor) -> int:
    """Escalate overdue alerts that no other escalator holds, the longest overdue first."""
    rows = await fetch(
        "SELECT * FROM alert WHERE status IN ('raised', 'delivered', 'displayed')"
        " AND ack_deadline < jiuyi.now() ORDER BY ack_deadline, id LIMIT $1 FOR UPDATE SKIP LOCKED",
        ESCALATE_MAX,
    )
    for row in rows:
        await _escalate(actor, row, missed_at=row["ack_deadline"], note="")
    return len(rows)


@action
async def no_listener(actor: Actor, *, alert_id: UUID, escalation: int | None = None) -> bool:
    """No device of its target is connected: escalate at once. False where that changes nothing.

    `escalation` is the one that found nobody; a report about an older one is out of date. Where the
    telephone has been asked already, its clock runs on: there is nobody further up to hurry to.
    """
    row = await fetch_one(
        "SELECT a.* FROM alert a JOIN alert_rung r ON r.level = a.level AND r.rung = a.rung"
        " WHERE a.id = $1 AND a.status IN ('raised', 'delivered', 'displayed') AND NOT r.outside"
        " AND a.escalations = coalesce($2, a.escalations) FOR UPDATE OF a",
        alert_id,
        escalation,
    )
    if row is None:
        return False
    await _escalate(actor, row, missed_at=await clock.now(), note="no_listener")
    return True


async def _escalate(actor: Actor, alert: asyncpg.Record, *, missed_at: datetime, note: str) -> None:
    ladder = await ladder_of(AlertLevel(alert["level"]))
    next_step = climb(ladder, current=alert["rung"], missed_at=missed_at, now=await clock.now())
    row = await fetch_one(
        "UPDATE alert SET rung = $2, escalations = escalations + 1, ack_deadline = $3"
        " WHERE id = $1 RETURNING *",
        alert["id"],
        next_step.rung.rung,
        next_step.ack_deadline,
    )
    assert row is not None
    told = await note_step(actor, row, AlertStepKind.ESCALATED, note=note)
    assert told, f"alert {row['id']}: escalation {row['escalations']} happened twice"
    await emit(
        actor,
        AlertEscalated(
            alert_id=row["id"],
            ward_id=row["ward_id"],
            department_id=row["department_id"],
            kind=row["kind"],
            level=row["level"],
            target=next_step.rung.target,
            escalation=row["escalations"],
            outside=next_step.rung.outside,
        ),
    )
