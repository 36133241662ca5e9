"""Many at once: one bed, one stay, one discharge, one night."""

import asyncio

import pytest

from app.inpatient.admission import AlreadyAdmitted, BedTaken, admit_patient, discharge_patient
from app.inpatient.daily import post_nightly_fees
from app.inpatient.stays import StayOver
from tests.make import inpatient as make


@pytest.mark.commits
async def test_of_many_who_want_one_bed_one_gets_it(db: str) -> None:
    ward = await make.new_ward()
    nurse, bed_id = await make.staff(ward), await make.bed(ward)
    people = [await make.person() for _ in range(8)]
    answers = await asyncio.gather(
        *(admit_patient(nurse, person_id=p, bed_id=bed_id) for p in people), return_exceptions=True
    )
    assert sum(isinstance(a, BedTaken) for a in answers) == 7, answers
    assert await make.read("SELECT count(*) FROM bed_binding WHERE bed_id = $1", bed_id) == 1
    assert await make.read("SELECT count(*) FROM event WHERE kind = 'admission.admitted'") == 1


@pytest.mark.commits
async def test_two_desks_admit_a_person_once(db: str) -> None:
    ward = await make.new_ward()
    nurse, person_id = await make.staff(ward), await make.person()
    beds = [await make.bed(ward, label=str(n)) for n in range(6)]
    answers = await asyncio.gather(
        *(admit_patient(nurse, person_id=person_id, bed_id=b) for b in beds), return_exceptions=True
    )
    assert sum(isinstance(a, AlreadyAdmitted) for a in answers) == 5, answers
    assert await make.read("SELECT count(*) FROM bed_binding WHERE person_id = $1", person_id) == 1


@pytest.mark.commits
async def test_two_who_discharge_at_once_end_the_stay_once(db: str) -> None:
    stay = await make.stay()
    answers = await asyncio.gather(
        *(discharge_patient(stay.nurse, admission_id=stay.admission_id) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(a, StayOver) for a in answers) == 3, answers
    assert await make.read("SELECT count(*) FROM event WHERE kind = 'admission.discharged'") == 1


@pytest.mark.commits
async def test_two_workers_charge_a_night_once(db: str) -> None:
    ward = await make.new_ward()
    await make.ward_rate(ward, item_id=await make.item())
    stays = [await make.stay(ward=ward, label=str(n)) for n in range(5)]
    await make.move_clock(days=2)
    posted = await asyncio.gather(*(post_nightly_fees() for _ in range(4)))
    ours = [stay.admission_id for stay in stays]
    assert sum(posted) >= 10
    assert await make.read("SELECT count(*) FROM daily_charge WHERE admission_id = ANY($1)", ours) == 10
    assert await make.read("SELECT count(*) FROM charge WHERE source_kind = 'daily_charge'") == sum(posted)
