"""Reports on the phone: the list, and one with its values, ranges and marks in words."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.kernel.actor import Actor
from app.laboratory.queries import PatientReport, read_report
from app.orders.queries import ReportHeader, reports_for_account


class ReportInList(msgspec.Struct, frozen=True, kw_only=True):
    """`needs_handover`: the doctor will explain it first; it cannot be opened yet."""

    id: UUID
    person_id: UUID
    title: str
    released_at: datetime
    corrected: bool
    read: bool
    needs_handover: bool


class Reports(msgspec.Struct, frozen=True):
    items: list[ReportInList]
    next: UUID | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`mark` is a word with its arrow ("偏高 ↑"); `position` is the point on the bar: 0 low, 1 high limit."""

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


class Report(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    title: str
    patient: str
    released_at: datetime
    collected_at: datetime | None
    corrected: bool
    abnormal_count: int
    rows: list[Row]


def in_list(report: ReportHeader) -> ReportInList:
    return ReportInList(
        id=report.id,
        person_id=report.person_id,
        title=report.title,
        released_at=report.released_at,
        corrected=report.version > 1,
        read=report.read,
        needs_handover=report.needs_handover,
    )


def whole(report: PatientReport) -> Report:
    return Report(
        id=report.id,
        title=report.title,
        patient=report.patient,
        released_at=report.released_at,
        collected_at=report.collected_at,
        corrected=report.corrected,
        abnormal_count=report.abnormal_count,
        rows=[Row(**{name: getattr(row, name) for name in Row.__struct_fields__}) for row in report.rows],
    )


@get("/reports", permission="my_report.read")
async def list_reports(
    actor: NamedDependency[Actor],
    person_id: Annotated[UUID | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Reports:
    found = await reports_for_account(actor, person_id=person_id, limit=limit, after=after)
    return Reports([in_list(r) for r in found], next=found[-1].id if len(found) == limit else None)


@get("/reports/{report_id:uuid}", permission="my_report.read")
async def open_report(report_id: FromPath[UUID], actor: NamedDependency[Actor]) -> Report:
    """A stranger hears 404, as does who asks for a report that is being corrected."""
    return whole(await read_report(actor, report_id=report_id))


router = Router(path="/api/mini-program/v1", route_handlers=[list_reports, open_report])
