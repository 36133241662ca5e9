"""Tubes and reports as staff and patients read them."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, query
from app.laboratory import rules
from app.laboratory.collecting import SpecimenNotFound
from app.laboratory.reporting import LabReportNotFound
from app.laboratory.rules import MARKS, Limits
from app.laboratory.tables import LabReportStatus, ResultFlag, SpecimenStatus
from app.orders.reports import open_report
from app.patients.access import may_see
from app.patients.queries import PersonView, person_view

WORK_LIST_MAX = 100


class SpecimenView(msgspec.Struct, frozen=True, kw_only=True):
    """A tube as its label and the laboratory's list show it."""

    id: UUID
    barcode: str
    encounter_id: UUID
    person_id: UUID
    patient: str
    specimen_kind: str
    container: str
    status: SpecimenStatus
    attempt: int
    orders: list[UUID]
    panels: list[str]
    report_id: UUID | None
    labelled_at: datetime
    collected_at: datetime | None
    received_at: datetime | None


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a report. `position` is where the point stands on the bar: 0 low limit, 1 high limit."""

    code: str
    name: str
    value: str
    unit: str
    reference: str
    mark: str
    word: str
    arrow: str
    abnormal: bool
    critical: bool
    position: float | None


class LabReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A report at the laboratory or the doctor's desk, at any step."""

    id: UUID
    specimen_id: UUID
    barcode: str
    person_id: UUID
    encounter_id: UUID
    title: str
    version: int
    status: LabReportStatus
    correction_reason: str
    verified_by: UUID | None
    released_at: datetime | None
    rows: list[ResultRow]


class PatientReport(msgspec.Struct, frozen=True, kw_only=True):
    """A released report on the phone. A type of its own: what is not here cannot leak."""

    id: UUID
    title: str
    patient: str
    released_at: datetime
    collected_at: datetime | None
    version: int
    corrected: bool
    abnormal_count: int
    rows: list[ResultRow]


SPECIMEN = (
    "SELECT s.*, (SELECT array_agg(o.id ORDER BY o.id) FROM specimen_order so"
    "   JOIN clinical_order o ON o.id = so.order_id WHERE so.specimen_id = s.id) AS orders,"
    " (SELECT array_agg(o.title ORDER BY o.id) FROM specimen_order so"
    "   JOIN clinical_order o ON o.id = so.order_id WHERE so.specimen_id = s.id) AS panels,"
    " (SELECT r.id FROM lab_report r WHERE r.specimen_id = s.id ORDER BY r.version DESC LIMIT 1) AS report_id"
    " FROM specimen s"
)


@query
async def specimens_of(actor: Actor, *, encounter_id: UUID) -> list[SpecimenView]:
    """The visit's tubes, in the order of their labels."""
    rows = await fetch(
        f"{SPECIMEN} WHERE s.encounter_id = $1 ORDER BY s.id LIMIT {WORK_LIST_MAX}", encounter_id
    )
    if not rows:
        return []
    person = await person_view(actor, person_id=rows[0]["person_id"])
    return [_specimen(row, person) for row in rows]


@query
async def specimen_view(
    actor: Actor, *, specimen_id: UUID | None = None, barcode: str | None = None
) -> SpecimenView:
    row = await fetch_one(f"{SPECIMEN} WHERE s.id = $1 OR s.barcode = $2", specimen_id, barcode)
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise SpecimenNotFound(specimen_id=specimen_id or barcode)
    return _specimen(row, await person_view(actor, person_id=row["person_id"]))


@query
async def work_list(
    actor: Actor, *, status: SpecimenStatus, limit: int = 50, after: UUID | None = None
) -> list[SpecimenView]:
    """The tubes that wait in one step, the oldest first; only patients this actor may see."""
    rows = await fetch(
        f"{SPECIMEN} WHERE s.status = $1 AND ($2::uuid IS NULL OR s.id > $2)"
        " AND jiuyi.staff_cares_for($3, s.person_id) ORDER BY s.id LIMIT $4",
        str(status),
        after,
        actor.id,
        min(limit, WORK_LIST_MAX),
    )
    return [_specimen(row, await person_view(actor, person_id=row["person_id"])) for row in rows]


def _specimen(row: asyncpg.Record, person: PersonView) -> SpecimenView:
    fields = {name: row[name] for name in SpecimenView.__struct_fields__ if name != "patient"}
    fields |= {"orders": row["orders"] or [], "panels": row["panels"] or []}
    return msgspec.convert(fields | {"patient": person.name}, SpecimenView)


@query
async def lab_report(actor: Actor, *, report_id: UUID) -> LabReportView:
    """For staff: any version at any step."""
    row = await fetch_one(
        "SELECT r.*, s.barcode, s.person_id, s.encounter_id FROM lab_report r"
        " JOIN specimen s ON s.id = r.specimen_id WHERE r.id = $1",
        report_id,
    )
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise LabReportNotFound(report_id=report_id)
    fields = {name: row[name] for name in LabReportView.__struct_fields__ if name != "rows"}
    return msgspec.convert(fields | {"rows": await _rows(report_id)}, LabReportView)


@action
async def read_report(actor: Actor, *, report_id: UUID) -> PatientReport:
    """For the phone: the released version. The first reading is kept with the header."""
    header = await open_report(actor, report_id=report_id)
    content = await fetch(
        "SELECT (c.result).*, c.collected_at, c.patient FROM jiuyi.lab_content($1) c", report_id
    )
    return PatientReport(
        id=report_id,
        title=header["title"],
        patient=content[0]["patient"],
        released_at=header["released_at"],
        collected_at=content[0]["collected_at"],
        version=header["version"],
        corrected=header["version"] > 1,
        abnormal_count=header["abnormal_count"],
        rows=[result_row(row) for row in content if row["code"] is not None],
    )


async def _rows(report_id: UUID) -> list[ResultRow]:
    rows = await fetch("SELECT * FROM lab_result WHERE report_id = $1 ORDER BY position", report_id)
    return [result_row(row) for row in rows]


def result_row(row: asyncpg.Record) -> ResultRow:
    limits = Limits(low=row["low"], high=row["high"])
    flag = ResultFlag(row["flag"])
    mark = MARKS[flag]
    return ResultRow(
        code=row["code"],
        name=row["name"],
        value=row["value"],
        unit=row["unit"],
        reference=rules.reference_text(limits, row["unit"]),
        mark=mark.text,
        word=mark.word,
        arrow=mark.arrow,
        abnormal=flag is not ResultFlag.NORMAL,
        critical=flag in rules.CRITICAL,
        position=rules.bar_position(row["number"], limits),
    )
