"""What encounters tell the house."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="encounter.opened", aggregate="encounter", key="encounter_id")
class EncounterOpened(msgspec.Struct, frozen=True, kw_only=True):
    encounter_id: UUID
    person_id: UUID
    encounter_kind: str
    department_id: UUID


@fact(kind="encounter.diagnosis_recorded", aggregate="encounter", key="encounter_id")
class DiagnosisRecorded(msgspec.Struct, frozen=True, kw_only=True):
    encounter_id: UUID
    person_id: UUID
    diagnosis_id: UUID
    icd10_code: str


@fact(kind="encounter.closed", aggregate="encounter", key="encounter_id")
class EncounterClosed(msgspec.Struct, frozen=True, kw_only=True):
    encounter_id: UUID
    person_id: UUID
