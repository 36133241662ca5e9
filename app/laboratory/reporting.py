"""From values to a report: verified by a second person, released once, corrected only by a new version."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, Invalid, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.laboratory import rules
from app.laboratory.collecting import orders_in, specimen_row
from app.laboratory.events import ResultReleased, ResultWithdrawn
from app.laboratory.measuring import Measured, is_complete, judge_of, write_value
from app.laboratory.tables import (
    LAB_REPORT_FLOW,
    SPECIMEN_FLOW,
    LabReportStatus,
    QcState,
    ResultFlag,
    SpecimenStatus,
)
from app.orders.critical import confirm_criticals
from app.orders.executing import finish_lab_orders
from app.orders.reports import publish_report, withdraw_report
from app.orders.tables import ReportKind

REASON_MAX = 200
MANUAL = "manual"


class LabReportNotFound(NotFound):
    code = "lab_report_not_found"
    message = "没有找到该检验报告，请刷新列表。"


class ResultsIncomplete(DomainError):
    code = "results_incomplete"
    message = "还有检验项目没有结果，请补齐后再审核。"


class SecondPersonNeeded(Forbidden):
    code = "second_person_needed"
    message = "录入与审核必须由不同的人完成，请另一位检验人员审核。"


class QcIsOut(DomainError):
    code = "qc_out_of_control"
    message = "该项目当日质控失控，不能发布报告。请处理质控并重测后再发布。"


class ReportNotInStep(DomainError):
    code = "lab_report_not_in_step"
    message = "报告不在这一步骤（可能已被处理），请刷新后核对。"


class CorrectionReasonMissing(Invalid):
    code = "correction_reason_missing"
    message = "请写明更正原因和更正后的结果。"


@action
async def verify_report(actor: Actor, *, report_id: UUID) -> UUID:
    """A second person stands by the values. From here a dangerous one must be told."""
    report, specimen = await _report(actor, report_id)
    if not await is_complete(report_id, await judge_of(actor, specimen=specimen)):
        raise ResultsIncomplete(report_id=report_id)
    entered = await fetch("SELECT DISTINCT entered_by FROM lab_result WHERE report_id = $1", report_id)
    if actor.id in {row["entered_by"] for row in entered}:
        raise SecondPersonNeeded(report_id=report_id)
    await _step(report_id, LabReportStatus.VERIFIED, verified_by=actor.id, verified_at=await clock.now())
    if report["version"] == 1:
        await SPECIMEN_FLOW.move(specimen["id"], SpecimenStatus.VERIFIED)
    await confirm_criticals(actor, report_id=report_id)
    return report_id


@action
async def release_report(actor: Actor, *, report_id: UUID) -> UUID:
    """Give the report to the doctor and the patient, unless a day's quality control speaks against it."""
    report, specimen = await _report(actor, report_id)
    await _require_qc(report_id)
    await _step(report_id, LabReportStatus.RELEASED, released_by=actor.id, released_at=await clock.now())
    await publish_report(
        actor,
        report_id=report_id,
        kind=ReportKind.LAB,
        encounter_id=specimen["encounter_id"],
        person_id=specimen["person_id"],
        title=report["title"],
        version=report["version"],
        corrects_id=report["corrects_id"],
        abnormal_count=await _abnormal_count(report_id),
    )
    if report["version"] == 1:
        await SPECIMEN_FLOW.move(specimen["id"], SpecimenStatus.RELEASED)
        await finish_lab_orders(actor, order_ids=await orders_in(specimen["id"]))
    await emit(
        actor,
        ResultReleased(
            report_id=report_id,
            encounter_id=specimen["encounter_id"],
            person_id=specimen["person_id"],
            version=report["version"],
        ),
    )
    return report_id


async def _require_qc(report_id: UUID) -> None:
    """The control of the day on which each value was measured, on the analyser that measured it."""
    rows = await fetch(
        "SELECT q.state FROM lab_result r JOIN analyzer_test_qc q ON q.analyser = r.analyser"
        " AND q.test_code = r.code AND q.on_day = (r.entered_at AT TIME ZONE 'Asia/Shanghai')::date"
        " WHERE r.report_id = $1",
        report_id,
    )
    if not rules.qc_allows(QcState(row["state"]) for row in rows):
        raise QcIsOut(report_id=report_id)


async def _abnormal_count(report_id: UUID) -> int:
    return await fetch_value(
        "SELECT count(*) FROM lab_result WHERE report_id = $1 AND flag <> $2",
        report_id,
        str(ResultFlag.NORMAL),
    )


@action
async def correct_report(actor: Actor, *, report_id: UUID, reason: str, values: Sequence[Measured]) -> UUID:
    """Take a released report back and begin its next version with these values changed.

    The new version is verified by another and released like the first.
    """
    if not reason.strip() or not values:
        raise CorrectionReasonMissing(report_id=report_id)
    report, specimen = await _report(actor, report_id)
    await _step(report_id, LabReportStatus.CORRECTED)
    await withdraw_report(actor, report_id=report_id)
    next_id = await _next_version(report, reason.strip()[:REASON_MAX])
    judge = await judge_of(actor, specimen=specimen)
    for row in await fetch(
        "SELECT code, value, unit, analyser FROM lab_result WHERE report_id = $1", report_id
    ):
        changed = next((v for v in values if v.code == row["code"]), None)
        await write_value(
            actor,
            specimen=specimen,
            report_id=next_id,
            judge=judge,
            measured=changed or Measured(code=row["code"], value=row["value"], unit=row["unit"]),
            analyser=MANUAL if changed else row["analyser"],
        )
    await emit(
        actor,
        ResultWithdrawn(
            report_id=report_id,
            encounter_id=specimen["encounter_id"],
            person_id=specimen["person_id"],
        ),
    )
    return next_id


async def _next_version(report: asyncpg.Record, reason: str) -> UUID:
    return await fetch_value(
        "INSERT INTO lab_report (id, specimen_id, version, corrects_id, correction_reason, title, status,"
        " entered_at) VALUES ($1, $2, $3, $4, $5, $6, 'entered', $7) RETURNING id",
        new_id(),
        report["specimen_id"],
        report["version"] + 1,
        report["id"],
        reason,
        report["title"],
        await clock.now(),
    )


@action
async def record_qc(actor: Actor, *, analyser: str, test_code: str, state: QcState) -> UUID:
    """Today's quality control of a test on an analyser; recorded again it replaces the state."""
    return await fetch_value(
        "INSERT INTO analyzer_test_qc (id, analyser, test_code, on_day, state, recorded_by, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ON CONSTRAINT analyzer_test_qc_once"
        " DO UPDATE SET state = $5, recorded_by = $6, recorded_at = $7 RETURNING id",
        new_id(),
        analyser,
        test_code,
        await clock.today(),
        str(state),
        actor.id,
        await clock.now(),
    )


async def _report(actor: Actor, report_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record]:
    """The report and its tube, which is locked first by every step."""
    report = await fetch_one("SELECT * FROM lab_report WHERE id = $1", report_id)
    if report is None:
        raise LabReportNotFound(report_id=report_id)
    return report, await specimen_row(actor, specimen_id=report["specimen_id"])


async def _step(report_id: UUID, end: LabReportStatus, **values: Any) -> None:
    if await LAB_REPORT_FLOW.try_move(report_id, end, **values) is None:
        raise ReportNotInStep(report_id=report_id)
