"""Prescriptions on the phone: what to take, how far it is, and which window calls which number."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.kernel.actor import Actor
from app.orders.queries import PatientPrescription, prescriptions_for_account

STATE_WORDS = {
    "unpaid": "待缴费",
    "to_review": "药师审核中",
    "to_prepare": "配药中",
    "ready": "请到窗口取药",
    "dispensed": "已取药",
    "returned": "药师已退回，请联系医生",
    "cancelled": "已作废",
}


class Drug(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    spec: str
    dose: str
    route: str
    frequency: str
    days: int
    quantity: str


class Prescription(msgspec.Struct, frozen=True, kw_only=True):
    """`window` and `number` are there as soon as it is paid; `state_text` says what to do now."""

    id: UUID
    person_id: UUID
    prescribed_at: datetime | None
    state: str
    state_text: str
    payment: str
    window: str
    number: str
    valid_until: datetime | None
    drugs: list[Drug]


class Prescriptions(msgspec.Struct, frozen=True):
    items: list[Prescription]
    next: UUID | None


def reply(prescription: PatientPrescription) -> Prescription:
    return Prescription(
        id=prescription.id,
        person_id=prescription.person_id,
        prescribed_at=prescription.prescribed_at,
        state=prescription.state,
        state_text=STATE_WORDS[prescription.state],
        payment=prescription.payment,
        window=prescription.window,
        number=prescription.number,
        valid_until=prescription.valid_until,
        drugs=[
            Drug(
                name=line.name,
                spec=line.spec,
                dose=line.dose,
                route=line.route,
                frequency=line.frequency,
                days=line.days,
                quantity=f"{line.quantity.normalize():f}",
            )
            for line in prescription.lines
        ],
    )


@get("/prescriptions", permission="my_prescription.read")
async def list_prescriptions(
    actor: NamedDependency[Actor],
    person_id: Annotated[UUID | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Prescriptions:
    found = await prescriptions_for_account(actor, person_id=person_id, limit=limit, after=after)
    return Prescriptions([reply(p) for p in found], next=found[-1].id if len(found) == limit else None)


router = Router(path="/api/mini-program/v1", route_handlers=[list_prescriptions])
