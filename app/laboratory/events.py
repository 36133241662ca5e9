"""What the laboratory tells. Ids only: no value, no mark, no name of a test leaves by this way."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="specimen.collected", aggregate="specimen", key="specimen_id")
class SpecimenCollected(msgspec.Struct, frozen=True):
    specimen_id: UUID
    encounter_id: UUID
    person_id: UUID


@fact(kind="specimen.rejected", aggregate="specimen", key="specimen_id")
class SpecimenRejected(msgspec.Struct, frozen=True):
    """It must be taken again, from the tube `recollect_id` on."""

    specimen_id: UUID
    recollect_id: UUID
    encounter_id: UUID
    person_id: UUID


@fact(kind="result.released", aggregate="lab_report", key="report_id")
class ResultReleased(msgspec.Struct, frozen=True):
    report_id: UUID
    encounter_id: UUID
    person_id: UUID
    version: int


@fact(kind="result.withdrawn", aggregate="lab_report", key="report_id")
class ResultWithdrawn(msgspec.Struct, frozen=True):
    """A released report is being corrected: what was fetched of it must not be trusted."""

    report_id: UUID
    encounter_id: UUID
    person_id: UUID
