"""The headers of released reports: that there is one, of which version, and whether it was read."""

from uuid import UUID

import asyncpg

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.settings import settings
from app.orders.events import ReportRead
from app.orders.tables import REPORT_FLOW, ReportKind, ReportStatus
from app.patients.access import may_see, remember_seen


class ReportNotFound(NotFound):
    """Also what a stranger hears, and who asks for a report that is being corrected."""

    code = "report_not_found"
    message = "没有找到该报告，可能尚未发布或正在更正。请返回报告列表刷新。"


class ReportNeedsHandover(DomainError):
    code = "report_needs_handover"
    message = "这份报告需要医生当面为您说明，请联系接诊医生或到检验科窗口领取。"


@action
async def publish_report(
    actor: Actor,
    *,
    report_id: UUID,
    kind: ReportKind,
    encounter_id: UUID,
    person_id: UUID,
    title: str,
    version: int,
    corrects_id: UUID | None,
    abnormal_count: int,
) -> None:
    """From now on the patient may read it."""
    await fetch_value(
        "INSERT INTO report (id, kind, encounter_id, person_id, title, version, corrects_id, status,"
        " abnormal_count, released_by, released_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 'released', $8, $9, $10)",
        report_id,
        str(kind),
        encounter_id,
        person_id,
        title[:120],
        version,
        corrects_id,
        abnormal_count,
        actor.id,
        await clock.now(),
    )


@action
async def withdraw_report(actor: Actor, *, report_id: UUID) -> None:
    """Its content was wrong: nobody is shown it while the corrected version is made."""
    await REPORT_FLOW.move(report_id, ReportStatus.WITHDRAWN)


@action
async def open_report(actor: Actor, *, report_id: UUID) -> asyncpg.Record:
    """The header for a reader. A phone's first reading is kept; a dangerous value waits for its doctor."""
    row = await _released(actor, report_id)
    if actor.kind is not ActorKind.ACCOUNT:
        return row
    if settings().hold_critical_reports and row["needs_handover"]:
        raise ReportNeedsHandover(report_id=report_id)
    if row["read_at"] is not None:
        return row
    read = await fetch_one(
        "UPDATE report SET read_at = $2 WHERE id = $1 AND read_at IS NULL RETURNING *",
        report_id,
        await clock.now(),
    )
    if read is None:
        return row
    await emit(actor, ReportRead(report_id=report_id, person_id=row["person_id"]))
    return read


async def _released(actor: Actor, report_id: UUID) -> asyncpg.Record:
    row = await fetch_one(
        "SELECT (h.header).*, h.needs_handover FROM jiuyi.report_for_reader($1) h", report_id
    )
    if row is None:
        # Only an account that lacks nothing but the consent is told more, by the question itself.
        person_id = await fetch_value("SELECT person_id FROM report WHERE id = $1", report_id)
        if person_id is not None:
            await may_see(actor, person_id=person_id)
        raise ReportNotFound(report_id=report_id)
    remember_seen(row["person_id"])
    return row
