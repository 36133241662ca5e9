"""A stay begins with a free bed and ends everything that hung on it."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.encounters.visiting import EncounterOver, record_diagnosis
from app.inpatient.admission import (
    AdmissionNotHere,
    AlreadyAdmitted,
    BedTaken,
    NurseNotOfWard,
    admit_patient,
    change_bed,
    discharge_patient,
    replace_wristband,
)
from app.inpatient.bedside import BedsideLocked, StayEnded, unlock_bedside, use_bedside
from app.inpatient.calling import call_nurse
from app.inpatient.queries import stay_view, stay_wristband, stays_of_ward
from app.inpatient.stays import StayNotFound, StayOver
from app.inpatient.wristbands import wristband_text
from app.kernel.actor import Actor
from app.kernel.errors import DomainError
from app.organization.queries import PlaceNotFound
from app.patients.access import PersonNotFound, may_see
from tests.make import inpatient as make

TEST = make.TEST


async def refusal(answer: Any) -> type[DomainError]:
    with pytest.raises(DomainError) as refused:
        await answer
    return type(refused.value)


async def test_an_admission_opens_a_stay_and_lets_its_ward_see(db: str) -> None:
    stay = await make.stay(name="李小明")
    view = await stay_view(stay.nurse, admission_id=stay.admission_id)
    assert (view.masked_name, view.ward, view.bed, view.status) == ("李*明", "一病区", "01", "in_ward")
    assert view.admission_no.startswith("ZY20")
    assert len(view.admission_no) == 12
    doctor = await make.staff(stay.ward, role="doctor", in_ward=False)
    colleague = await make.staff(stay.ward)
    stranger = await make.staff(await make.new_ward())
    assert await may_see(doctor, person_id=stay.person_id)
    assert await may_see(colleague, person_id=stay.person_id)
    assert not await may_see(stranger, person_id=stay.person_id)
    assert await refusal(stay_view(stranger, admission_id=stay.admission_id)) is StayNotFound
    assert [
        s.admission_id for s in await stays_of_ward(colleague, ward_id=stay.ward.id, limit=9, after=None)
    ] == [stay.admission_id]
    assert await stays_of_ward(stranger, ward_id=stay.ward.id, limit=9, after=None) == []


async def test_a_bed_holds_one_person_and_a_person_one_bed(db: str) -> None:
    stay = await make.stay()
    other = await make.person(name="王五")
    free = await make.bed(stay.ward, label="02")
    taken = admit_patient(stay.nurse, person_id=other, bed_id=stay.bed_id)
    twice = admit_patient(stay.nurse, person_id=stay.person_id, bed_id=free)
    assert await refusal(taken) is BedTaken
    assert await refusal(twice) is AlreadyAdmitted
    assert await make.read("SELECT count(*) FROM admission") == 1
    assert await make.read("SELECT count(*) FROM encounter") == 1


async def test_who_may_admit_and_with_what(db: str) -> None:
    ward, other = await make.new_ward(), await make.new_ward()
    bed_id, person_id = await make.bed(ward), await make.person()
    nurse, stranger = await make.staff(ward), await make.staff(other)
    terminal = await make.device(place_id=bed_id)

    def admit(actor: Actor, **values: Any) -> Any:
        return admit_patient(actor, **({"person_id": person_id, "bed_id": bed_id} | values))

    assert await refusal(admit(stranger)) is AdmissionNotHere
    assert await refusal(admit(terminal)) is AdmissionNotHere
    assert await refusal(admit(nurse, nurse_id=stranger.id)) is NurseNotOfWard
    assert await refusal(admit(nurse, person_id=uuid4())) is PersonNotFound
    assert await refusal(admit(nurse, bed_id=uuid4())) is PlaceNotFound
    registrar = await make.staff(other, role="registrar")
    admission_id = await admit(registrar)
    assert await wristband_text(registrar, admission_id=admission_id)
    await make.move_clock(hours=13)
    assert not await may_see(registrar, person_id=person_id)


@pytest.mark.parametrize("same", ["bed_id", "person_id"])
async def test_the_database_itself_refuses_overlaps(db: str, same: str) -> None:
    """The wall behind the rule: as if a program wrote the second row without asking."""
    stay = await make.stay()
    other = await make.stay(ward=stay.ward, nurse=stay.nurse, label="02")
    with pytest.raises(asyncpg.ExclusionViolationError):
        await make.write(
            f"UPDATE bed_binding SET {same} = $1 WHERE admission_id = $2",
            stay.bed_id if same == "bed_id" else stay.person_id,
            other.admission_id,
        )


async def test_a_change_of_bed_takes_the_patient_along(db: str) -> None:
    stay, elsewhere = await make.stay(), await make.new_ward()
    new_nurse = await make.staff(elsewhere)
    bed_id = await make.bed(elsewhere, label="31")
    band = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
    opened = await unlock_bedside(stay.terminal, wristband=band, id_last6=stay.id_number[-6:])
    await call_nurse(stay.terminal)
    await change_bed(stay.nurse, admission_id=stay.admission_id, bed_id=bed_id)
    view = await stay_view(new_nurse, admission_id=stay.admission_id)
    assert (view.ward_id, view.bed, view.nurse) == (elsewhere.id, "31", None)
    assert await refusal(use_bedside(stay.terminal, token=opened.token)) is BedsideLocked
    assert await make.read("SELECT count(*) FROM alert WHERE status = 'cancelled'") == 1
    colleague = await make.staff(stay.ward)
    await make.move_clock(seconds=1)
    assert not await may_see(colleague, person_id=stay.person_id)
    terminal = await make.device(place_id=bed_id)
    assert await unlock_bedside(terminal, wristband=band, id_last6=stay.id_number[-6:])


async def test_a_change_of_bed_needs_a_free_one(db: str) -> None:
    stay = await make.stay()
    other = await make.stay(ward=stay.ward, nurse=stay.nurse, label="02")
    assert (
        await refusal(change_bed(stay.nurse, admission_id=stay.admission_id, bed_id=other.bed_id)) is BedTaken
    )
    free = await make.bed(stay.ward, label="03")
    await change_bed(stay.nurse, admission_id=stay.admission_id, bed_id=free)
    assert (await stay_view(stay.nurse, admission_id=stay.admission_id)).bed == "03"


async def test_discharge_ends_all_that_hung_on_the_stay(db: str) -> None:
    stay = await make.stay()
    band = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
    opened = await unlock_bedside(stay.terminal, wristband=band, id_last6=stay.id_number[-6:])
    alert_id = await call_nurse(stay.terminal)
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    assert await make.read("SELECT count(*) FROM bed_binding WHERE to_at IS NULL") == 0
    assert await make.read("SELECT count(*) FROM wristband WHERE ended_at IS NULL") == 0
    assert await make.read("SELECT status FROM alert WHERE id = $1", alert_id) == "cancelled"
    assert await make.read("SELECT status FROM encounter WHERE id = $1", stay.encounter_id) == "closed"
    assert await refusal(use_bedside(stay.terminal, token=opened.token)) is BedsideLocked
    unlock = unlock_bedside(stay.terminal, wristband=band, id_last6=stay.id_number[-6:])
    assert await refusal(unlock) is StayEnded
    await make.move_clock(seconds=1)
    assert not await may_see(stay.terminal, person_id=stay.person_id)
    other = await make.person(name="王五")
    assert await admit_patient(stay.nurse, person_id=other, bed_id=stay.bed_id)


async def test_the_ward_finishes_its_papers_for_a_week(db: str) -> None:
    stay = await make.stay()
    colleague = await make.staff(stay.ward)
    await discharge_patient(colleague, admission_id=stay.admission_id)
    await make.move_clock(days=6)
    assert await may_see(colleague, person_id=stay.person_id)
    await make.move_clock(days=2)
    assert not await may_see(colleague, person_id=stay.person_id)


async def test_after_discharge_nothing_is_changed(db: str) -> None:
    stay = await make.stay()
    stranger = await make.staff(await make.new_ward())
    assert await refusal(discharge_patient(stranger, admission_id=stay.admission_id)) is StayNotFound
    assert await refusal(discharge_patient(stay.nurse, admission_id=uuid4())) is StayNotFound
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    assert await refusal(discharge_patient(stay.nurse, admission_id=stay.admission_id)) is StayOver
    assert await refusal(replace_wristband(stay.nurse, admission_id=stay.admission_id)) is StayOver
    assert await refusal(change_bed(stay.nurse, admission_id=uuid4(), bed_id=stay.bed_id)) is StayNotFound
    assert await refusal(stay_wristband(stay.nurse, admission_id=stay.admission_id)) is StayNotFound
    assert await refusal(stay_view(stay.nurse, admission_id=uuid4())) is StayNotFound
    diagnosis = record_diagnosis(stay.nurse, encounter_id=stay.encounter_id, icd10_code="J18.9")
    assert await refusal(diagnosis) is EncounterOver


async def test_a_wristbands_text_is_nowhere_in_the_clear(db: str) -> None:
    stay = await make.stay()
    text = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
    assert text.startswith("JYWB:")
    assert (
        await make.read("SELECT count(*) FROM wristband WHERE wristband::text LIKE $1", f"%{text[5:]}%") == 0
    )
    await replace_wristband(stay.nurse, admission_id=stay.admission_id)
    assert await stay_wristband(stay.nurse, admission_id=stay.admission_id) != text
