"""What inpatient tells."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="admission.admitted", aggregate="admission", key="admission_id")
class PatientAdmitted(msgspec.Struct, frozen=True, kw_only=True):
    admission_id: UUID
    encounter_id: UUID
    person_id: UUID
    ward_id: UUID
    bed_id: UUID


@fact(kind="admission.moved", aggregate="admission", key="admission_id")
class PatientMoved(msgspec.Struct, frozen=True, kw_only=True):
    admission_id: UUID
    person_id: UUID
    from_ward_id: UUID
    from_bed_id: UUID  # its terminal must be wiped
    ward_id: UUID
    bed_id: UUID


@fact(kind="admission.discharged", aggregate="admission", key="admission_id")
class PatientDischarged(msgspec.Struct, frozen=True, kw_only=True):
    """Its terminal at `bed_id` must be wiped: the session has ended in the same transaction."""

    admission_id: UUID
    encounter_id: UUID
    person_id: UUID
    ward_id: UUID
    bed_id: UUID


@fact(kind="admission.charged", aggregate="admission", key="admission_id")
class StayCharged(msgspec.Struct, frozen=True, kw_only=True):
    """Something was charged to the stay; who shows its list reads it again."""

    admission_id: UUID
    encounter_id: UUID
    daily_charge_id: UUID
