"""The visit or stay that everything hangs on, its diagnoses, and the patient's timeline."""

from enum import StrEnum

from piccolo.columns import UUID, ForeignKey, Timestamptz, Varchar
from piccolo.constraints import Unique
from piccolo.table import Table

from app.catalog.tables import Icd10
from app.kernel.flow import Flow
from app.organization.tables import Department
from app.patients.tables import Person


class EncounterKind(StrEnum):
    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"


class EncounterStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class DiagnosisKind(StrEnum):
    PRIMARY = "primary"
    SECONDARY = "secondary"
    SUSPECTED = "suspected"


class Encounter(Table, tablename="encounter"):
    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    kind = Varchar(length=12, choices=EncounterKind)
    department_id = ForeignKey(references=Department, index=True)
    staff_id = UUID(null=True, default=None)
    appointment_id = UUID(null=True, default=None, unique=True)  # outpatient's row, upstairs
    status = Varchar(length=12, choices=EncounterStatus, default=EncounterStatus.OPEN)
    started_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)


ENCOUNTER_FLOW = Flow(
    Encounter.status,
    {
        EncounterStatus.OPEN: {EncounterStatus.CLOSED, EncounterStatus.CANCELLED},
        EncounterStatus.CLOSED: set(),
        EncounterStatus.CANCELLED: set(),
    },
)


class Diagnosis(Table, tablename="diagnosis"):
    id = UUID(primary_key=True)
    encounter_id = ForeignKey(references=Encounter)
    icd10_code = ForeignKey(references=Icd10)
    name = Varchar(length=250)  # as it read when it was recorded
    kind = Varchar(length=12, choices=DiagnosisKind)
    recorded_by = UUID(null=True, default=None)
    recorded_at = Timestamptz()

    diagnosis_once = Unique(["encounter_id", "icd10_code"])


class TimelineEntry(Table, tablename="timeline_entry"):
    """One step as the patient reads it; a projection of what the contexts told."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    at = Timestamptz()
    kind = Varchar(length=40)
    title = Varchar(length=120)
    ref_id = UUID(null=True, default=None)
    once_key = Varchar(length=120, unique=True)


TABLES: list[type[Table]] = [Encounter, Diagnosis, TimelineEntry]
