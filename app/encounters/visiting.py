"""Opening and closing a visit or stay, and what was found in it."""

from uuid import UUID

import asyncpg

from app.catalog.queries import icd10
from app.encounters.events import DiagnosisRecorded, EncounterClosed, EncounterOpened
from app.encounters.tables import ENCOUNTER_FLOW, DiagnosisKind, EncounterKind, EncounterStatus
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import require_may_see


class EncounterNotFound(NotFound):
    code = "encounter_not_found"
    message = "没有找到这次就诊，请返回列表重新选择。"


class EncounterOver(DomainError):
    code = "encounter_over"
    message = "这次就诊已经结束，不能再作修改。"


class DiagnosisKnown(DomainError):
    code = "diagnosis_known"
    message = "这次就诊已经记录过该诊断。"


@action
async def open_encounter(
    actor: Actor,
    *,
    person_id: UUID,
    kind: EncounterKind,
    department_id: UUID,
    staff_id: UUID | None = None,
    appointment_id: UUID | None = None,
) -> UUID:
    """Open a visit or stay. The caller has asked whether the person may be treated here."""
    encounter_id = new_id()
    await fetch_value(
        "INSERT INTO encounter (id, person_id, kind, department_id, staff_id, appointment_id, status,"
        " started_at) VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)",
        encounter_id,
        person_id,
        str(kind),
        department_id,
        staff_id,
        appointment_id,
        await clock.now(),
    )
    await emit(
        actor,
        EncounterOpened(
            encounter_id=encounter_id,
            person_id=person_id,
            encounter_kind=str(kind),
            department_id=department_id,
        ),
    )
    return encounter_id


@action
async def take_over(actor: Actor, *, encounter_id: UUID, staff_id: UUID) -> None:
    """This doctor treats the patient from now on."""
    await open_row(actor, encounter_id=encounter_id)
    await fetch_value("UPDATE encounter SET staff_id = $2 WHERE id = $1", encounter_id, staff_id)


@action
async def record_diagnosis(
    actor: Actor, *, encounter_id: UUID, icd10_code: str, kind: DiagnosisKind = DiagnosisKind.PRIMARY
) -> UUID:
    """Record a billable ICD-10 code once, with its name of today."""
    encounter = await open_row(actor, encounter_id=encounter_id)
    code = await icd10(actor, code=icd10_code)
    diagnosis_id = await fetch_value(
        "INSERT INTO diagnosis (id, encounter_id, icd10_code, name, kind, recorded_by, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ON CONSTRAINT diagnosis_once DO NOTHING"
        " RETURNING id",
        new_id(),
        encounter_id,
        code.code,
        code.name_zh or code.name_en,
        str(kind),
        actor.id if actor.kind is ActorKind.STAFF else None,
        await clock.now(),
    )
    if diagnosis_id is None:
        raise DiagnosisKnown(encounter_id=encounter_id, icd10_code=code.code)
    await emit(
        actor,
        DiagnosisRecorded(
            encounter_id=encounter_id,
            person_id=encounter["person_id"],
            diagnosis_id=diagnosis_id,
            icd10_code=code.code,
        ),
    )
    return diagnosis_id


@action
async def close_encounter(actor: Actor, *, encounter_id: UUID) -> None:
    """The patient has left. Nothing is added afterwards."""
    encounter = await open_row(actor, encounter_id=encounter_id)
    await ENCOUNTER_FLOW.move(encounter_id, EncounterStatus.CLOSED, ended_at=await clock.now())
    await emit(actor, EncounterClosed(encounter_id=encounter_id, person_id=encounter["person_id"]))


@action
async def open_row(actor: Actor, *, encounter_id: UUID) -> asyncpg.Record:
    """The encounter while it may still be changed, kept open until this transaction ends."""
    row = await fetch_one("SELECT * FROM encounter WHERE id = $1 FOR SHARE", encounter_id)
    if row is None:
        raise EncounterNotFound(encounter_id=encounter_id)
    await require_may_see(actor, person_id=row["person_id"])
    if row["status"] != EncounterStatus.OPEN:
        raise EncounterOver(encounter_id=encounter_id)
    return row
