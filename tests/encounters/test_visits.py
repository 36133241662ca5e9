"""A visit opens, is written into by who may see the patient, closes, and is told to the patient."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from app.catalog.loading import Icd10Row, put_icd10
from app.catalog.queries import Icd10NotFound
from app.encounters.queries import diagnoses_of, encounter, open_stay
from app.encounters.tables import DiagnosisKind, EncounterKind
from app.encounters.timeline import add_to_timeline, timeline
from app.encounters.visiting import (
    DiagnosisKnown,
    EncounterNotFound,
    EncounterOver,
    close_encounter,
    open_encounter,
    record_diagnosis,
    take_over,
)
from app.kernel.actor import Actor, system
from app.kernel.events import Lane
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.patients.access import PersonNotFound, relate
from app.patients.tables import CareReason
from app.subscriptions import SUBSCRIPTIONS
from tests.make import identity, organization, patients

SYSTEM = system("test")


class Visit:
    """An open visit, its patient's account and its doctor."""

    id: UUID
    person: UUID
    doctor: Actor
    account: Actor


@pytest.fixture
async def visit(db: str) -> Visit:
    made = Visit()
    department = await organization.department()
    made.account = await identity.account_actor()
    made.person = await patients.bound_person(made.account)
    made.doctor = identity.staff_actor(await organization.staff(department_id=department))
    await relate(SYSTEM, person_id=made.person, department_id=department, reason=CareReason.CHECK_IN)
    made.id = await open_encounter(
        SYSTEM, person_id=made.person, kind=EncounterKind.OUTPATIENT, department_id=department
    )
    await put_icd10(
        SYSTEM,
        rows=[
            Icd10Row(code="J06.9", name_en="Acute upper respiratory infection", name_zh="急性上呼吸道感染"),
            Icd10Row(code="J06", name_en="Acute upper respiratory infections", billable=False),
            Icd10Row(code="R51", name_en="Headache"),
        ],
    )
    return made


async def test_a_doctor_records_what_was_found(visit: Visit) -> None:
    assert visit.doctor.id is not None
    await take_over(visit.doctor, encounter_id=visit.id, staff_id=visit.doctor.id)
    await record_diagnosis(visit.doctor, encounter_id=visit.id, icd10_code="j06.9")
    await record_diagnosis(
        visit.doctor, encounter_id=visit.id, icd10_code="R51", kind=DiagnosisKind.SECONDARY
    )
    found = await diagnoses_of(visit.account, encounter_id=visit.id)
    assert [(d.icd10_code, d.name, d.kind) for d in found] == [
        ("J06.9", "急性上呼吸道感染", "primary"),
        ("R51", "Headache", "secondary"),
    ]
    assert (await encounter(visit.account, encounter_id=visit.id)).staff_id == visit.doctor.id


@pytest.mark.parametrize("code", ["J06", "X99.9", "' OR 1=1 --"])
async def test_only_a_known_and_whole_code_is_a_diagnosis(visit: Visit, code: str) -> None:
    with pytest.raises(Icd10NotFound):
        await record_diagnosis(visit.doctor, encounter_id=visit.id, icd10_code=code)


async def test_a_diagnosis_is_recorded_once(visit: Visit) -> None:
    await record_diagnosis(visit.doctor, encounter_id=visit.id, icd10_code="J06.9")
    with pytest.raises(DiagnosisKnown):
        await record_diagnosis(visit.doctor, encounter_id=visit.id, icd10_code="J06.9")


async def test_a_closed_visit_takes_nothing_more(visit: Visit) -> None:
    await close_encounter(visit.doctor, encounter_id=visit.id)
    closed = await encounter(visit.doctor, encounter_id=visit.id)
    assert closed.status == "closed"
    assert closed.ended_at is not None
    with pytest.raises(EncounterOver):
        await record_diagnosis(visit.doctor, encounter_id=visit.id, icd10_code="J06.9")
    with pytest.raises(EncounterOver):
        await close_encounter(visit.doctor, encounter_id=visit.id)


async def test_a_stranger_neither_reads_nor_writes(visit: Visit) -> None:
    stranger = identity.staff_actor(await organization.staff())
    for refused in (
        encounter(stranger, encounter_id=visit.id),
        diagnoses_of(stranger, encounter_id=visit.id),
        timeline(stranger, person_id=visit.person),
        open_stay(stranger, person_id=visit.person),
        close_encounter(stranger, encounter_id=visit.id),
        record_diagnosis(stranger, encounter_id=visit.id, icd10_code="J06.9"),
    ):
        with pytest.raises((PersonNotFound, EncounterNotFound)):
            await refused


async def test_an_unknown_visit_is_not_found(visit: Visit) -> None:
    with pytest.raises(EncounterNotFound):
        await encounter(SYSTEM, encounter_id=new_id())
    with pytest.raises(EncounterNotFound):
        await close_encounter(SYSTEM, encounter_id=new_id())


async def test_a_stay_is_found_while_it_lasts(visit: Visit) -> None:
    assert await open_stay(SYSTEM, person_id=visit.person) is None
    department = (await encounter(SYSTEM, encounter_id=visit.id)).department_id
    stay = await open_encounter(
        SYSTEM, person_id=visit.person, kind=EncounterKind.INPATIENT, department_id=department
    )
    found = await open_stay(SYSTEM, person_id=visit.person)
    assert found is not None
    assert found.id == stay


async def test_the_patient_reads_the_story(visit: Visit) -> None:
    await record_diagnosis(visit.doctor, encounter_id=visit.id, icd10_code="J06.9")
    await close_encounter(visit.doctor, encounter_id=visit.id)
    own = [s for s in SUBSCRIPTIONS if s.name.startswith("encounters.")]
    relay = Relay(own)
    while await relay.turn(Lane.LIVE):
        pass
    titles = [step.title for step in await timeline(visit.account, person_id=visit.person)]
    assert sorted(titles) == sorted(["本次就诊结束", "医生记录了诊断", "门诊就诊开始"])
    assert "上呼吸道" not in "".join(titles)


async def test_a_step_told_twice_stands_once_and_pages_follow(
    visit: Visit, client: httpx.AsyncClient
) -> None:
    began = datetime(2026, 11, 1, tzinfo=UTC)
    for minute in (0, 1, 2, 2):
        await add_to_timeline(
            SYSTEM,
            person_id=visit.person,
            at=began + timedelta(minutes=minute),
            kind="test",
            title=f"第{minute}步",
            ref_id=None,
            once_key=f"test:{minute}",
        )
    assert visit.account.id is not None
    headers = identity.bearer(await identity.account_token(visit.account.id))
    path = f"/api/mini-program/v1/timeline?person_id={visit.person}&limit=2"
    first = (await client.get(path, headers=headers)).json()
    assert [step["title"] for step in first["items"]] == ["第2步", "第1步"]
    second = (await client.get(f"{path}&after={first['next']}", headers=headers)).json()
    assert [step["title"] for step in second["items"]] == ["第0步"]
    assert second["next"] is None
    stranger = identity.bearer(await identity.account_token())
    refused = await client.get(path, headers=stranger)
    assert (refused.status_code, refused.json()["code"]) == (404, "person_not_found")
