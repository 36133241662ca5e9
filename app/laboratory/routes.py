"""The laboratory's desk and its analysers: tubes, values, reports and the day's controls."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from app.laboratory.collecting import (
    collect_specimen,
    discard_label,
    label_specimens,
    receive_specimen,
    reject_specimen,
    send_specimen,
)
from app.laboratory.measuring import Measured, record_results
from app.laboratory.queries import (
    LabReportView,
    SpecimenView,
    lab_report,
    specimen_view,
    specimens_of,
    work_list,
)
from app.laboratory.reporting import correct_report, record_qc, release_report, verify_report
from app.laboratory.tables import QcState, RejectReason, SpecimenStatus


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    encounter_id: UUID


class Reject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: RejectReason


class Results(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an analyser measured in one tube, under its own message number."""

    barcode: Annotated[str, msgspec.Meta(min_length=12, max_length=12)]
    analyser: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    results: Annotated[list[Measured], msgspec.Meta(min_length=1, max_length=100)]


class Correct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(max_length=200)]
    results: Annotated[list[Measured], msgspec.Meta(max_length=100)]


class QualityControl(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    analyser: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    test_code: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    state: QcState


class Specimens(msgspec.Struct, frozen=True):
    items: list[SpecimenView]
    next: UUID | None = None


class Recorded(msgspec.Struct, frozen=True):
    id: UUID


@post("/specimens", permission="specimen.label")
async def label(
    data: JSONBody[Label], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> Specimens:
    """Print the barcodes of a visit's paid orders: all its tubes return."""
    await once(asked, label_specimens, actor, encounter_id=data.encounter_id)
    return Specimens(await specimens_of(actor, encounter_id=data.encounter_id))


@get("/specimens", permission="specimen.list")
async def list_specimens(
    actor: NamedDependency[Actor],
    status: Annotated[SpecimenStatus, QueryParameter()] = SpecimenStatus.LABELLED,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Specimens:
    found = await work_list(actor, status=status, limit=limit, after=after)
    return Specimens(found, next=found[-1].id if len(found) == limit else None)


@get("/encounters/{encounter_id:uuid}/specimens", permission="specimen.read")
async def list_specimens_of(encounter_id: FromPath[UUID], actor: NamedDependency[Actor]) -> Specimens:
    return Specimens(await specimens_of(actor, encounter_id=encounter_id))


@get("/specimens/by-barcode/{barcode:str}", permission="specimen.scan")
async def find_specimen(barcode: FromPath[str], actor: NamedDependency[Actor]) -> SpecimenView:
    return await specimen_view(actor, barcode=barcode)


@post("/specimens/{specimen_id:uuid}/collect", permission="specimen.collect", status_code=200)
async def collect(
    specimen_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SpecimenView:
    await once(asked, collect_specimen, actor, specimen_id=specimen_id)
    return await specimen_view(actor, specimen_id=specimen_id)


@post("/specimens/{specimen_id:uuid}/discard", permission="specimen.discard", status_code=200)
async def discard(
    specimen_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SpecimenView:
    await once(asked, discard_label, actor, specimen_id=specimen_id)
    return await specimen_view(actor, specimen_id=specimen_id)


@post("/specimens/{specimen_id:uuid}/send", permission="specimen.send", status_code=200)
async def send(
    specimen_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SpecimenView:
    await once(asked, send_specimen, actor, specimen_id=specimen_id)
    return await specimen_view(actor, specimen_id=specimen_id)


@post("/specimens/{specimen_id:uuid}/receive", permission="specimen.receive", status_code=200)
async def receive(
    specimen_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SpecimenView:
    await once(asked, receive_specimen, actor, specimen_id=specimen_id)
    return await specimen_view(actor, specimen_id=specimen_id)


@post("/specimens/{specimen_id:uuid}/reject", permission="specimen.reject", status_code=200)
async def reject(
    specimen_id: FromPath[UUID],
    data: JSONBody[Reject],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> SpecimenView:
    """The tube to take instead returns."""
    again_id = await once(asked, reject_specimen, actor, specimen_id=specimen_id, reason=data.reason)
    return await specimen_view(actor, specimen_id=again_id)


@post("/lab-results", permission="lab_result.take", status_code=200)
async def take_results(
    data: JSONBody[Results], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SpecimenView:
    specimen_id = await once(
        asked,
        record_results,
        actor,
        barcode=data.barcode,
        analyser=data.analyser,
        message_id=data.message_id,
        values=data.results,
    )
    return await specimen_view(actor, specimen_id=specimen_id)


@get("/reports/{report_id:uuid}", permission="report.read")
async def read(report_id: FromPath[UUID], actor: NamedDependency[Actor]) -> LabReportView:
    return await lab_report(actor, report_id=report_id)


@post("/reports/{report_id:uuid}/verify", permission="report.verify", status_code=200)
async def verify(
    report_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> LabReportView:
    await once(asked, verify_report, actor, report_id=report_id)
    return await lab_report(actor, report_id=report_id)


@post("/reports/{report_id:uuid}/release", permission="report.release", status_code=200)
async def release(
    report_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> LabReportView:
    await once(asked, release_report, actor, report_id=report_id)
    return await lab_report(actor, report_id=report_id)


@post("/reports/{report_id:uuid}/correct", permission="report.correct")
async def correct(
    report_id: FromPath[UUID],
    data: JSONBody[Correct],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> LabReportView:
    """The new version, still to be verified and released, returns."""
    next_id = await once(
        asked, correct_report, actor, report_id=report_id, reason=data.reason, values=data.results
    )
    return await lab_report(actor, report_id=next_id)


@post("/quality-controls", permission="quality_control.record")
async def control(
    data: JSONBody[QualityControl], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> Recorded:
    return Recorded(
        await once(
            asked, record_qc, actor, analyser=data.analyser, test_code=data.test_code, state=data.state
        )
    )


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        label,
        list_specimens,
        list_specimens_of,
        find_specimen,
        collect,
        discard,
        send,
        receive,
        reject,
        take_results,
        read,
        verify,
        release,
        correct,
        control,
    ],
)
