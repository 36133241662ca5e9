"""What a pharmacist does at the window."""

from datetime import date
from uuid import UUID

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.pharmacy.dispensing import Batch, dispense
from app.pharmacy.reviewing import review_prescription
from app.pharmacy.tables import Check4, ReviewDecision
from tests.make import orders
from tests.make.orders import Visit

GOOD_UNTIL = date(2099, 12, 31)


async def reviewed(visit: Visit, *drug_ids: UUID) -> UUID:
    """A paid prescription that a pharmacist passed."""
    prescription = await orders.paid_prescription(visit, *drug_ids)
    await review_prescription(visit.pharmacist, prescription_id=prescription, decision=ReviewDecision.PASS)
    return prescription


async def batches(prescription_id: UUID, *, expires_on: date = GOOD_UNTIL) -> list[Batch]:
    return [
        Batch(line_id=line_id, batch_number="B20260301", expires_on=expires_on)
        for line_id in await _lines(system("test"), prescription_id=prescription_id)
    ]


@action
async def _lines(actor: Actor, *, prescription_id: UUID) -> list[UUID]:
    rows = await fetch(
        "SELECT id FROM prescription_line WHERE prescription_id = $1 ORDER BY position", prescription_id
    )
    return [row["id"] for row in rows]


async def hand_over(actor: Actor, prescription_id: UUID) -> UUID:
    return await dispense(
        actor,
        prescription_id=prescription_id,
        checks=list(Check4),
        batches=await batches(prescription_id),
    )
