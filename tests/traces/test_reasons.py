"""Why staff saw each person of a list: one statement tells it for all of a flush, and tells it right."""

import time
from collections.abc import AsyncIterator
from statistics import median
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.kernel.actor import Actor, system
from app.kernel.ids import new_id
from app.patients.access import end_relation, relate
from app.patients.break_glass import break_glass
from app.patients.linking import link_persons
from app.patients.tables import BreakGlassReason, CareReason
from app.rights.accesses import accesses
from app.traces.access_log import ACCESS_LOG, BATCH_ROWS_MAX, Entry, Line, rows_of
from tests.make import identity, organization, patients
from tests.rights.people import person
from tests.traces.sealed_house import PERSON, forger
from tests.trail import left_by

SYSTEM = system("test")
FLUSH_SECONDS_MAX = 0.3
PATIENTS, STAFF, UNITS, OLD_RELATIONS = 12_000, 60, 6, 10

OF_DEPARTMENT = (
    "SELECT person_id FROM care_relation WHERE department_id = $1 AND valid_to IS NULL ORDER BY id LIMIT 200"
)


def listed(actor: Actor, persons: list[UUID], *, reason: str = "") -> Entry:
    return Entry(
        actor=actor,
        role="doctor",
        permission="queue.read",
        status=200,
        address="",
        persons=tuple(persons),
        reason=reason,
    )


async def doctor_of(department_id: UUID) -> Actor:
    doctor = identity.staff_actor(await organization.staff(department_id=department_id))
    return msgspec.structs.replace(doctor, request_id=str(new_id()))


async def reasons(actor: Actor) -> dict[UUID | None, str]:
    return {left.person_id: left.reason for left in await left_by(actor.request_id)}


async def test_a_long_list_says_for_each_person_why(db: str) -> None:
    department = await organization.department()
    doctor = await doctor_of(department)
    ordinary = [await patients.person() for _ in range(30)]
    for one in ordinary:
        await relate(SYSTEM, person_id=one, department_id=department, reason=CareReason.CHECK_IN)
    survivor, duplicate, opened, stranger = [await patients.person() for _ in range(4)]
    await link_persons(SYSTEM, duplicate_id=duplicate, survivor_id=survivor)
    await relate(SYSTEM, person_id=duplicate, staff_id=doctor.id, reason=CareReason.CONSULTATION)
    await relate(
        SYSTEM, person_id=stranger, department_id=await organization.department(), reason=CareReason.ORDER
    )
    await break_glass(
        doctor, person_id=opened, reason=BreakGlassReason.COVER, explanation="代班接手，需要查看患者的过敏史"
    )
    await ACCESS_LOG.write(listed(doctor, [*ordinary, survivor, duplicate, opened, stranger]))
    assert await reasons(doctor) == {
        **dict.fromkeys(ordinary, "check_in"),
        survivor: "consultation",
        duplicate: "consultation",
        opened: "break_glass: cover",
        stranger: "",
    }


async def test_an_ordinary_relation_comes_before_broken_glass_and_an_ended_one_is_none(db: str) -> None:
    department = await organization.department()
    doctor = await doctor_of(department)
    both, ended = await patients.person(), await patients.person()
    await break_glass(
        doctor,
        person_id=both,
        reason=BreakGlassReason.EMERGENCY,
        explanation="急诊抢救室接诊，需要查看过敏史",
    )
    await relate(SYSTEM, person_id=both, department_id=department, reason=CareReason.CHECK_IN)
    await relate(SYSTEM, person_id=ended, staff_id=doctor.id, reason=CareReason.CONSULTATION)
    await end_relation(SYSTEM, person_id=ended, staff_id=doctor.id)
    await ACCESS_LOG.write(listed(doctor, [both, ended]))
    assert await reasons(doctor) == {both: "check_in", ended: ""}


async def test_several_readers_of_one_flush_have_each_their_own_reason(db: str) -> None:
    first, second = await organization.department(), await organization.department()
    doctors = [await doctor_of(first), await doctor_of(second)]
    person_id = await patients.person()
    await relate(SYSTEM, person_id=person_id, department_id=first, reason=CareReason.CHECK_IN)
    await relate(SYSTEM, person_id=person_id, department_id=second, reason=CareReason.ORDER)
    account = msgspec.structs.replace(await identity.account_actor(), request_id=str(new_id()))
    said = msgspec.structs.replace(doctors[0], request_id=str(new_id()))
    entries = [
        listed(doctors[0], [person_id]),
        listed(doctors[1], [person_id, person_id]),
        listed(account, [person_id]),
        listed(said, [person_id], reason="会诊"),
        listed(said, []),
    ]
    await ACCESS_LOG.lines[0].write([row for entry in entries for row in rows_of(entry)])
    assert await reasons(doctors[0]) == {person_id: "check_in"}
    assert [left.reason for left in await left_by(doctors[1].request_id)] == ["order", "order"]
    assert await reasons(account) == {person_id: ""}
    assert await reasons(said) == {person_id: "会诊", None: ""}


async def test_the_patient_reads_of_a_list_what_is_read_of_one(db: str) -> None:
    account, person_id = await person()
    department = await organization.department()
    treating, covering = await doctor_of(department), await doctor_of(await organization.department())
    await relate(SYSTEM, person_id=person_id, department_id=department, reason=CareReason.CHECK_IN)
    others = [await patients.person() for _ in range(30)]
    explanation = "代班接手，需要查看患者的过敏史"
    await break_glass(covering, person_id=person_id, reason=BreakGlassReason.COVER, explanation=explanation)
    for doctor in (treating, covering):
        await ACCESS_LOG.write(listed(doctor, [*others, person_id]))
        await end_relation(SYSTEM, person_id=person_id, staff_id=doctor.id)
    found = (await accesses(account, person_id=person_id)).items
    assert [(line.why, line.reason, line.emergency) for line in found] == [
        ("紧急调阅：代班", explanation, True),
        ("您在该科室签到就诊", "", False),
    ]


@pytest.fixture
async def crowd(db: str) -> AsyncIterator[asyncpg.Connection]:
    """A house with PATIENTS, each with a live relation to one of UNITS departments and many that ended."""
    owner = await forger(db)
    await owner.execute("SET session_replication_role = replica")  # so many need no history
    await owner.execute(PERSON, PATIENTS)
    departments = [await organization.department() for _ in range(UNITS)]
    for number in range(STAFF):
        await organization.staff(department_id=departments[number % UNITS])
    await owner.execute(
        "INSERT INTO care_relation (id, person_id, department_id, reason, valid_from, valid_to)"
        " SELECT gen_random_uuid(), person.id, ($1::uuid[])[1 + (row_number() OVER ())::int % $2::int],"
        " 'check_in', now() - interval '1 day' * (old + 1),"
        " CASE WHEN old > 0 THEN now() - interval '1 day' * old END"
        " FROM person, generate_series(0, $3) old",
        departments,
        UNITS,
        OLD_RELATIONS,
    )
    await owner.execute("ANALYZE")
    yield owner
    await owner.close()


@pytest.mark.commits
@pytest.mark.long
@pytest.mark.parametrize("queues", [10, 30, 60])
async def test_queues_of_two_hundred_take_a_moment_to_note(crowd: asyncpg.Connection, queues: int) -> None:
    """Ten are a flush of BATCH_ROWS_MAX rows; more of them wait for the next, here they come at once."""
    entries = [
        listed(
            identity.staff_actor(staff["id"]),
            [row["person_id"] for row in await crowd.fetch(OF_DEPARTMENT, staff["department_id"])],
        )
        for staff in await crowd.fetch("SELECT id, department_id FROM staff LIMIT $1", queues)
    ]
    rows = [row for entry in entries for row in rows_of(entry)]
    assert len(rows) == queues * 200
    line, seconds = Line(), []
    for _ in range(7):
        began = time.perf_counter()
        await line.write(rows)
        seconds.append(time.perf_counter() - began)
    await line.close()
    assert await crowd.fetchval("SELECT bool_and(reason = 'check_in') FROM access_log")
    print(f"{len(rows)} rows: {median(seconds) * 1000:.0f} ms")  # noqa: T201 - the measured figures
    assert median(seconds) < FLUSH_SECONDS_MAX * max(1, len(rows) / BATCH_ROWS_MAX)
