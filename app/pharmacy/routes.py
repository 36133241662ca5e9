"""The pharmacist's desk: the line, the review, the call and the hand-over."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from app.orders.queries import PrescriptionView, pharmacy_queue, prescription_view
from app.pharmacy.dispensing import Batch, call_to_window, dispense
from app.pharmacy.reviewing import review_prescription
from app.pharmacy.tables import Check4, ReviewCategory, ReviewDecision


class Review(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    decision: ReviewDecision
    category: ReviewCategory | None = None
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Dispense(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All four checks, and one batch for every line."""

    checks: Annotated[list[Check4], msgspec.Meta(max_length=8)]
    batches: Annotated[list[Batch], msgspec.Meta(max_length=20)]


class Prescriptions(msgspec.Struct, frozen=True):
    items: list[PrescriptionView]
    next: UUID | None = None


@get("/prescriptions", permission="prescription.list")
async def list_waiting(
    actor: NamedDependency[Actor],
    window_id: Annotated[UUID | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Prescriptions:
    found = await pharmacy_queue(actor, window_id=window_id, limit=limit, after=after)
    return Prescriptions(found, next=found[-1].id if len(found) == limit else None)


@post("/prescriptions/{prescription_id:uuid}/review", permission="prescription.review", status_code=200)
async def review(
    prescription_id: FromPath[UUID],
    data: JSONBody[Review],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> PrescriptionView:
    await once(
        asked,
        review_prescription,
        actor,
        prescription_id=prescription_id,
        decision=data.decision,
        category=data.category,
        reason=data.reason,
    )
    return await prescription_view(actor, prescription_id=prescription_id)


@post("/prescriptions/{prescription_id:uuid}/call", permission="prescription.call", status_code=200)
async def call(
    prescription_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> PrescriptionView:
    await once(asked, call_to_window, actor, prescription_id=prescription_id)
    return await prescription_view(actor, prescription_id=prescription_id)


@post("/prescriptions/{prescription_id:uuid}/dispense", permission="prescription.dispense", status_code=200)
async def hand_over(
    prescription_id: FromPath[UUID],
    data: JSONBody[Dispense],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> PrescriptionView:
    await once(
        asked,
        dispense,
        actor,
        prescription_id=prescription_id,
        checks=data.checks,
        batches=data.batches,
    )
    return await prescription_view(actor, prescription_id=prescription_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[list_waiting, review, call, hand_over],
)
