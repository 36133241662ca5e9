"""Critical values: from the flag to the doctor who knows and acts. One loop for one test of one report."""

from uuid import UUID

import asyncpg

from app.alerts.raising import cancel_alerts, raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import Invalid, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.orders.events import CriticalValueAcknowledged, CriticalValueConfirmed
from app.orders.tables import CRITICAL_FLOW, CriticalStatus
from app.patients.access import may_see


class CriticalValueNotFound(NotFound):
    code = "critical_value_not_found"
    message = "没有找到该危急值记录，请刷新列表。"


class ReadBackMissing(Invalid):
    code = "read_back_missing"
    message = "请复读危急值结果后再确认接收。"


class HandlingMissing(Invalid):
    code = "handling_missing"
    message = "请填写处置措施或不予处置的原因。"


@action
async def flag_critical(
    actor: Actor,
    *,
    report_id: UUID,
    test_code: str,
    test_name: str,
    encounter_id: UUID,
    person_id: UUID,
    ordered_by: UUID | None,
) -> None:
    """A result lies beyond its critical limit. Flagged again for the same test it is the same loop."""
    known = await fetch_one(
        "SELECT id, status FROM critical_value WHERE report_id = $1 AND test_code = $2", report_id, test_code
    )
    if known is None:
        await fetch_value(
            "INSERT INTO critical_value (id, report_id, test_code, test_name, encounter_id, person_id,"
            " ordered_by, status, flagged_at, read_back, handling)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, 'flagged', $8, '', '')",
            new_id(),
            report_id,
            test_code,
            test_name,
            encounter_id,
            person_id,
            ordered_by,
            await clock.now(),
        )
    elif known["status"] == CriticalStatus.WITHDRAWN:
        await CRITICAL_FLOW.move(known["id"], CriticalStatus.FLAGGED, flagged_at=await clock.now())


@action
async def unflag_critical(actor: Actor, *, report_id: UUID, test_code: str) -> None:
    """A repeat measurement before the verification did not bear it out."""
    known = await fetch_value(
        "SELECT id FROM critical_value WHERE report_id = $1 AND test_code = $2 AND status = 'flagged'",
        report_id,
        test_code,
    )
    if known is not None:
        await CRITICAL_FLOW.move(known, CriticalStatus.WITHDRAWN)


@action
async def withdraw_criticals(actor: Actor, *, report_id: UUID) -> None:
    """The specimen was no good: what was flagged in it says nothing."""
    for row in await fetch(
        "SELECT id FROM critical_value WHERE report_id = $1 AND status = 'flagged' ORDER BY id", report_id
    ):
        await CRITICAL_FLOW.move(row["id"], CriticalStatus.WITHDRAWN)


@action
async def confirm_criticals(actor: Actor, *, report_id: UUID) -> int:
    """The second person of the laboratory stands by them: whoever must act is told. Returns how many."""
    rows = await fetch(
        "SELECT * FROM critical_value WHERE report_id = $1 AND status = 'flagged' ORDER BY id", report_id
    )
    for row in rows:
        await CRITICAL_FLOW.move(
            row["id"], CriticalStatus.CONFIRMED, confirmed_by=actor.id, confirmed_at=await clock.now()
        )
        await _alert(actor, row)
        await emit(
            actor,
            CriticalValueConfirmed(
                critical_value_id=row["id"],
                report_id=report_id,
                encounter_id=row["encounter_id"],
                person_id=row["person_id"],
                ordered_by=row["ordered_by"],
            ),
        )
    return len(rows)


async def _alert(actor: Actor, row: asyncpg.Record) -> None:
    """Somebody of the visit's department must answer; which value it is stands behind the door."""
    department_id = await fetch_value(
        "SELECT department_id FROM encounter WHERE id = $1", row["encounter_id"]
    )
    await raise_alert(
        actor,
        kind=AlertKind.CRITICAL_VALUE,
        level=AlertLevel.CRITICAL,
        text="检验危急值，请立即查看并复读确认",
        department_id=department_id,
        person_id=row["person_id"],
        subject_id=row["id"],
        assignee_id=row["ordered_by"],
        once_key=f"critical_value:{row['id']}",
    )


@action
async def acknowledge_critical(actor: Actor, *, critical_value_id: UUID, read_back: str) -> UUID:
    """A doctor or nurse has heard it and read it back."""
    row = await _visible(actor, critical_value_id)
    if not read_back.strip():
        raise ReadBackMissing(critical_value_id=critical_value_id)
    await CRITICAL_FLOW.move(
        critical_value_id,
        CriticalStatus.ACKNOWLEDGED,
        acknowledged_by=actor.id,
        acknowledged_at=await clock.now(),
        read_back=read_back.strip()[:40],
    )
    await cancel_alerts(actor, subject_id=critical_value_id, note="已复读确认")
    await emit(
        actor,
        CriticalValueAcknowledged(
            critical_value_id=critical_value_id, report_id=row["report_id"], person_id=row["person_id"]
        ),
    )
    return critical_value_id


@action
async def handle_critical(actor: Actor, *, critical_value_id: UUID, handling: str) -> UUID:
    """The doctor says what was done, or why nothing was."""
    await _visible(actor, critical_value_id)
    if not handling.strip():
        raise HandlingMissing(critical_value_id=critical_value_id)
    await CRITICAL_FLOW.move(
        critical_value_id,
        CriticalStatus.HANDLED,
        handled_by=actor.id,
        handled_at=await clock.now(),
        handling=handling.strip(),
    )
    return critical_value_id


async def _visible(actor: Actor, critical_value_id: UUID) -> asyncpg.Record:
    row = await fetch_one("SELECT * FROM critical_value WHERE id = $1", critical_value_id)
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise CriticalValueNotFound(critical_value_id=critical_value_id)
    return row
