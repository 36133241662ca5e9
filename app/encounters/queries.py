"""Visits, stays and their diagnoses as others read them."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.encounters.tables import EncounterKind, EncounterStatus
from app.encounters.visiting import EncounterNotFound
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, query
from app.patients.access import require_may_see


class EncounterView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    kind: EncounterKind
    department_id: UUID
    staff_id: UUID | None
    appointment_id: UUID | None
    status: EncounterStatus
    started_at: datetime
    ended_at: datetime | None


class DiagnosisView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    icd10_code: str
    name: str
    kind: str
    recorded_at: datetime


ENCOUNTER = (
    "SELECT id, person_id, kind, department_id, staff_id, appointment_id, status, started_at, ended_at"
    " FROM encounter"
)


@query
async def encounter(actor: Actor, *, encounter_id: UUID) -> EncounterView:
    row = await fetch_one(f"{ENCOUNTER} WHERE id = $1", encounter_id)
    if row is None:
        raise EncounterNotFound(encounter_id=encounter_id)
    await require_may_see(actor, person_id=row["person_id"])
    return msgspec.convert(dict(row), EncounterView)


@query
async def open_stay(actor: Actor, *, person_id: UUID) -> EncounterView | None:
    """The person's present inpatient stay."""
    await require_may_see(actor, person_id=person_id)
    row = await fetch_one(
        f"{ENCOUNTER} WHERE person_id IN (SELECT jiuyi.same_person($1)) AND kind = 'inpatient'"
        " AND status = 'open' ORDER BY started_at DESC LIMIT 1",
        person_id,
    )
    return None if row is None else msgspec.convert(dict(row), EncounterView)


@query
async def diagnoses_of(actor: Actor, *, encounter_id: UUID) -> list[DiagnosisView]:
    await encounter(actor, encounter_id=encounter_id)
    rows = await fetch(
        "SELECT id, icd10_code, name, kind, recorded_at FROM diagnosis WHERE encounter_id = $1"
        " ORDER BY recorded_at, id",
        encounter_id,
    )
    return [DiagnosisView(**dict(row)) for row in rows]


class Treated(msgspec.Struct, frozen=True, kw_only=True):
    """When one kind of treatment was last over. `running`: it is not, or nobody wrote down when it was."""

    kind: EncounterKind
    last_at: datetime | None
    running: bool


@query
async def treated(actor: Actor, *, person_id: UUID) -> list[Treated]:
    """Each kind of treatment that the person had here. The caller has decided who may know."""
    rows = await fetch(
        "SELECT kind, max(coalesce(ended_at, started_at)) AS last_at, bool_or(ended_at IS NULL) AS running"
        " FROM encounter WHERE person_id IN (SELECT jiuyi.same_person($1)) AND status <> 'cancelled'"
        " GROUP BY kind ORDER BY kind",
        person_id,
    )
    return [Treated(**{**dict(row), "kind": EncounterKind(row["kind"])}) for row in rows]
