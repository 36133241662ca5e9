"""What staff do with stays."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.inpatient.admission import (
    admit_patient,
    change_bed,
    discharge_patient,
    replace_wristband,
)
from app.inpatient.daily import post_daily_charge
from app.inpatient.queries import (
    DepositView,
    FeesOfDay,
    StayView,
    deposit_of_stay,
    fees_of_day,
    stay_view,
    stay_wristband,
    stays_of_ward,
)
from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once


class Admit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: UUID
    bed_id: UUID
    nurse_id: UUID | None = None


class ChangeBed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bed_id: UUID


class PostDailyCharge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    item_id: UUID
    quantity: Decimal = Decimal(1)


class Posted(msgspec.Struct, frozen=True):
    daily_charge_id: UUID


class Moved(msgspec.Struct, frozen=True):
    """The stay's id alone: a new ward's patient is the new ward's to see."""

    admission_id: UUID


class WristbandReply(msgspec.Struct, frozen=True):
    """For the printer beside the bed; the text opens the bed's terminal, so it is shown to nobody else."""

    qr: str


class Stays(msgspec.Struct, frozen=True, kw_only=True):
    items: list[StayView]
    next: UUID | None


@post("/admissions", permission="admission.admit")
async def admit(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], data: JSONBody[Admit]
) -> StayView:
    admission_id = await once(
        asked,
        admit_patient,
        actor,
        person_id=data.person_id,
        bed_id=data.bed_id,
        nurse_id=data.nurse_id,
    )
    return await stay_view(actor, admission_id=admission_id)


@get("/admissions/{admission_id:uuid}", permission="admission.read")
async def read_stay(actor: NamedDependency[Actor], admission_id: FromPath[UUID]) -> StayView:
    return await stay_view(actor, admission_id=admission_id)


@get("/wards/{ward_id:uuid}/stays", permission="ward.read")
async def list_stays(
    actor: NamedDependency[Actor],
    ward_id: FromPath[UUID],
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Stays:
    stays = await stays_of_ward(actor, ward_id=ward_id, limit=limit, after=after)
    return Stays(items=stays, next=stays[-1].admission_id if len(stays) == limit else None)


@get("/admissions/{admission_id:uuid}/wristband", permission="wristband.read")
async def read_wristband(actor: NamedDependency[Actor], admission_id: FromPath[UUID]) -> WristbandReply:
    return WristbandReply(await stay_wristband(actor, admission_id=admission_id))


@post("/admissions/{admission_id:uuid}/wristband", permission="wristband.renew")
async def new_wristband(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], admission_id: FromPath[UUID]
) -> WristbandReply:
    """Lost or torn: a new one, and the old one opens nothing more."""
    await once(asked, replace_wristband, actor, admission_id=admission_id)
    return WristbandReply(await stay_wristband(actor, admission_id=admission_id))


@post("/admissions/{admission_id:uuid}/bed", permission="admission.move", status_code=200)
async def move(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    admission_id: FromPath[UUID],
    data: JSONBody[ChangeBed],
) -> Moved:
    """Another bed, of another ward too."""
    return Moved(await once(asked, change_bed, actor, admission_id=admission_id, bed_id=data.bed_id))


@post("/admissions/{admission_id:uuid}/daily-charges", permission="daily_charge.add")
async def charge(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    admission_id: FromPath[UUID],
    data: JSONBody[PostDailyCharge],
) -> Posted:
    """A treatment, nursing or material of today."""
    return Posted(
        await once(
            asked,
            post_daily_charge,
            actor,
            admission_id=admission_id,
            item_id=data.item_id,
            quantity=data.quantity,
        )
    )


@get("/admissions/{admission_id:uuid}/fees", permission="fee.read")
async def read_fees(
    actor: NamedDependency[Actor],
    admission_id: FromPath[UUID],
    day: Annotated[date | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = PAGE_MAX,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> FeesOfDay:
    stay = await stay_view(actor, admission_id=admission_id)
    return await fees_of_day(actor, encounter_id=stay.encounter_id, day=day, limit=limit, after=after)


@get("/admissions/{admission_id:uuid}/deposit", permission="deposit.read")
async def read_deposit(actor: NamedDependency[Actor], admission_id: FromPath[UUID]) -> DepositView:
    stay = await stay_view(actor, admission_id=admission_id)
    return await deposit_of_stay(actor, encounter_id=stay.encounter_id)


@post("/admissions/{admission_id:uuid}/discharge", permission="admission.discharge", status_code=200)
async def discharge(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], admission_id: FromPath[UUID]
) -> StayView:
    await once(asked, discharge_patient, actor, admission_id=admission_id)
    return await stay_view(actor, admission_id=admission_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        admit,
        read_stay,
        list_stays,
        read_wristband,
        new_wristband,
        move,
        charge,
        read_fees,
        read_deposit,
        discharge,
    ],
)
