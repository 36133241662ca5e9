"""A pharmacist's yes or no to a paid prescription."""

from uuid import UUID

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_value
from app.kernel.errors import Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.orders.executing import pass_prescription, prescription_row, return_prescription
from app.pharmacy.events import PrescriptionReturned
from app.pharmacy.tables import ReviewCategory, ReviewDecision
from app.pharmacy.waiting import leave_window

REASON_MAX = 200


class ReturnNeedsReason(Invalid):
    code = "return_needs_reason"
    message = "退回处方时请选择问题类别并写明原因，以便医师修改。"


@action
async def review_prescription(
    actor: Actor,
    *,
    prescription_id: UUID,
    decision: ReviewDecision,
    category: ReviewCategory | None = None,
    reason: str = "",
) -> UUID:
    """A pharmacist passes the prescription, or sends it back to its doctor with a category and a reason."""
    returned = decision is ReviewDecision.RETURN
    if returned != (category is not None and bool(reason.strip())):
        raise ReturnNeedsReason(prescription_id=prescription_id)
    row = await prescription_row(actor, prescription_id=prescription_id)
    if returned:
        await return_prescription(actor, prescription_id=prescription_id, reason=reason.strip())
    else:
        await pass_prescription(actor, prescription_id=prescription_id)
    await fetch_value(
        "INSERT INTO prescription_review (id, prescription_id, decision, category, reason, reviewed_by,"
        " reviewed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new_id(),
        prescription_id,
        str(decision),
        None if category is None else str(category),
        reason.strip()[:REASON_MAX],
        actor.id,
        await clock.now(),
    )
    if returned:
        await leave_window(actor, ticket_id=row["ticket_id"])
        await emit(
            actor,
            PrescriptionReturned(
                prescription_id=prescription_id,
                encounter_id=row["encounter_id"],
                person_id=row["person_id"],
                ordered_by=row["ordered_by"],
            ),
        )
    return prescription_id
