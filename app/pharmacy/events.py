"""What the pharmacy tells, without naming a drug."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="prescription.returned", aggregate="prescription", key="prescription_id")
class PrescriptionReturned(msgspec.Struct, frozen=True, kw_only=True):
    """The pharmacist sent it back: its doctor should look, its money goes back."""

    prescription_id: UUID
    encounter_id: UUID
    person_id: UUID
    ordered_by: UUID


@fact(kind="prescription.ready", aggregate="prescription", key="prescription_id")
class PrescriptionReady(msgspec.Struct, frozen=True, kw_only=True):
    """Called to a window; told again with every repeated call."""

    prescription_id: UUID
    encounter_id: UUID
    person_id: UUID
    window_id: UUID
    number: str


@fact(kind="prescription.dispensed", aggregate="prescription", key="prescription_id")
class PrescriptionDispensed(msgspec.Struct, frozen=True, kw_only=True):
    prescription_id: UUID
    encounter_id: UUID
    person_id: UUID
