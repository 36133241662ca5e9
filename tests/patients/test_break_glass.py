"""Who has no relation may look in an emergency: with a reason, for half an hour, seen and reviewed."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from app.encounters.timeline import timeline
from app.kernel.actor import Actor, Reach, system
from app.kernel.errors import DomainError
from app.kernel.events import Lane
from app.kernel.relay import Relay
from app.patients.access import CareReason, PersonNotFound, may_see, relate
from app.patients.break_glass import (
    DAY_MAX,
    OPEN_MAX,
    break_glass,
    break_glass_about,
    break_glass_list,
    break_glass_view,
    open_until,
    review_break_glass,
    tell_overdue,
)
from app.patients.events import BreakGlassOpened
from app.patients.tables import BreakGlassReason, Verdict
from app.subscriptions import SUBSCRIPTIONS
from tests.make import identity, organization, patients
from tests.make.rows import value
from tests.make.visit import now, set_clock

SYSTEM = system("test")
WHY = "患者昏迷，需要了解过敏史和用药"
EMERGENCY = BreakGlassReason.EMERGENCY


async def doctor() -> Actor:
    return identity.staff_actor(await organization.staff())


async def reviewer() -> Actor:
    """As the policy lets an audit administrator reach: every look, whoever's it is."""
    staff_id = await organization.staff(role="audit_admin")
    return identity.staff_actor(staff_id, role="audit_admin", reach=Reach.EVERYBODY)


async def opened(who: Actor, person: UUID) -> UUID:
    return await break_glass(who, person_id=person, reason=EMERGENCY, explanation=WHY)


async def refused(attempt: Awaitable[object]) -> str:
    with pytest.raises(DomainError) as refusal:
        await attempt
    return refusal.value.code


async def test_it_opens_one_patient_for_half_an_hour(db: str) -> None:
    who, person, other = await doctor(), await patients.person(), await patients.person()
    start = await now()
    await opened(who, person)
    assert await may_see(who, person_id=person)
    assert not await may_see(who, person_id=other)
    assert await open_until(who, person_id=person) == start + timedelta(minutes=30)
    assert await open_until(who, person_id=other) is None
    await set_clock(start + timedelta(minutes=29, seconds=55))
    assert await may_see(who, person_id=person)
    await set_clock(start + timedelta(minutes=30, seconds=1))
    assert not await may_see(who, person_id=person)
    assert await value("SELECT lane FROM outbox ORDER BY event_id DESC LIMIT 1") == "urgent"


async def test_asked_again_it_is_the_same_and_lasts_no_longer(db: str) -> None:
    who, person = await doctor(), await patients.person()
    first, until = await opened(who, person), await open_until(who, person_id=person)
    await set_clock(await now() + timedelta(minutes=10))
    assert await opened(who, person) == first
    assert await open_until(who, person_id=person) == until


async def test_by_the_number_on_the_card(db: str) -> None:
    who, number = await doctor(), patients.id_number()
    person = await patients.person(number=number)
    await break_glass(who, id_number=number, reason=EMERGENCY, explanation=WHY)
    assert await may_see(who, person_id=person)


async def test_what_is_refused(db: str) -> None:
    who, person = await doctor(), await patients.person()
    for explanation in ("", "太短了", "长" * 201, "         空格不算        "):
        asking = break_glass(who, person_id=person, reason=EMERGENCY, explanation=explanation)
        assert await refused(asking) == "explanation_needed"
    nobody = break_glass(who, id_number="11010519491231002X", reason=EMERGENCY, explanation=WHY)
    assert await refused(nobody) == "person_not_found"
    assert await refused(break_glass(who, reason=EMERGENCY, explanation=WHY)) == "person_not_found"
    assert await refused(opened(await identity.account_actor(), person)) == "only_staff_breaks_glass"
    assert who.id is not None
    await relate(SYSTEM, person_id=person, staff_id=who.id, reason=CareReason.CONSULTATION)
    assert await refused(opened(who, person)) == "break_glass_not_needed"
    assert await value("SELECT count(*) FROM break_glass") == 0


async def test_three_at_a_time_and_ten_a_day(db: str) -> None:
    who = await doctor()
    for count in range(DAY_MAX):
        if count and count % OPEN_MAX == 0:
            assert await refused(opened(who, await patients.person())) == "break_glass_limit"
            await set_clock(await now() + timedelta(minutes=31))
        await opened(who, await patients.person())
    await set_clock(await now() + timedelta(minutes=31))
    assert await refused(opened(who, await patients.person())) == "break_glass_limit"
    await set_clock(await now() + timedelta(hours=24))
    await opened(who, await patients.person())


async def test_somebody_else_reviews_it_once(db: str) -> None:
    who, auditor = await doctor(), await reviewer()
    looked = await opened(who, await patients.person())
    own = review_break_glass(who, break_glass_id=looked, verdict=Verdict.JUSTIFIED)
    assert await refused(own) == "own_review"
    await review_break_glass(auditor, break_glass_id=looked, verdict=Verdict.UNJUSTIFIED, note="无急救记录")
    again = review_break_glass(auditor, break_glass_id=looked, verdict=Verdict.JUSTIFIED)
    assert await refused(again) == "break_glass_reviewed"
    assert (await break_glass_view(auditor, break_glass_id=looked)).verdict is Verdict.UNJUSTIFIED
    unknown = review_break_glass(auditor, break_glass_id=auditor.id, verdict=Verdict.JUSTIFIED)  # type: ignore[arg-type] - any id
    assert await refused(unknown) == "break_glass_not_found"
    assert await refused(break_glass_view(auditor, break_glass_id=who.id)) == "break_glass_not_found"  # type: ignore[arg-type] - any id


async def test_what_nobody_reviews_within_a_day_is_told_once(db: str) -> None:
    who, auditor = await doctor(), await reviewer()
    late, reviewed = await opened(who, await patients.person()), await opened(who, await patients.person())
    await review_break_glass(auditor, break_glass_id=reviewed, verdict=Verdict.JUSTIFIED)
    assert await tell_overdue() == 0
    await set_clock(await now() + timedelta(hours=24))
    assert (await tell_overdue(), await tell_overdue()) == (1, 0)
    assert [(look.id, look.overdue) for look in await break_glass_list(auditor)] == [(late, True)]
    assert len(await break_glass_list(auditor, waiting=False)) == 2
    assert await value("SELECT aggregate_id FROM event WHERE kind = 'break_glass.overdue'") == late


async def test_the_patient_reads_who_looked_and_why(db: str) -> None:
    account, who = await identity.account_actor(), await doctor()
    person = await patients.bound_person(account)
    looked = await opened(who, person)
    heard = [s for s in SUBSCRIPTIONS if s.fact is BreakGlassOpened]
    relay = Relay(heard)
    while await relay.turn(Lane.URGENT):
        pass
    [step] = await timeline(account, person_id=person)
    assert (step.title, step.ref_id) == ("医护人员紧急调阅了您的资料", looked)
    assert await value("SELECT account_id FROM message") == account.id
    [look] = await break_glass_about(account, person_id=person)
    assert (look.staff_name, look.reason, look.explanation) == ("钟医生", EMERGENCY, WHY)


async def test_numbers_that_somebody_writes_into_the_words_are_masked(db: str) -> None:
    looked = await break_glass(
        await doctor(),
        person_id=await patients.person(),
        reason=EMERGENCY,
        explanation=WHY + "，家属13912345678",
    )
    await review_break_glass(
        await reviewer(), break_glass_id=looked, verdict=Verdict.JUSTIFIED, note="已致电13812345678"
    )
    told = await value("SELECT explanation || note FROM break_glass WHERE id = $1", looked)
    assert told == WHY + "，家属139****5678已致电138****5678"


@pytest.mark.parametrize(
    ("role", "status"),
    [("doctor", 201), ("nurse", 201), ("pharmacist", 403), ("registrar", 403), ("audit_admin", 403)],
)
async def test_doctors_and_nurses_break_glass(client: httpx.AsyncClient, role: str, status: int) -> None:
    staff_id = await organization.staff(role=role)
    token = await identity.staff_token(role=role, staff_id=staff_id)
    person = await patients.person()
    body = {"person_id": str(person), "reason": "emergency", "explanation": WHY}
    path = "/api/staff/v1"
    answer = await client.post(f"{path}/break-glass", json=body, headers=identity.bearer(token))
    assert answer.status_code == status, answer.text
    if status == 201:
        read = await client.get(f"{path}/persons/{person}", headers=identity.bearer(token))
        assert read.json()["break_glass_until"] == answer.json()["ends_at"]


async def test_the_review_over_http(client: httpx.AsyncClient) -> None:
    looked = await opened(await doctor(), await patients.person())
    auditor = await identity.staff_token(role="audit_admin")
    guard = await identity.staff_token(role="security_admin")
    nobody = await identity.staff_token(role="doctor")
    path = "/api/staff/v1/break-glass"
    for token, status in ((auditor, 200), (guard, 200), (nobody, 403)):
        listed = await client.get(path, headers=identity.bearer(token))
        assert listed.status_code == status
        if status == 200:
            assert [item["id"] for item in listed.json()["items"]] == [str(looked)]
    body = {"verdict": "justified"}
    for token, status in ((guard, 403), (nobody, 403), (auditor, 200), (auditor, 409)):
        answer = await client.post(f"{path}/{looked}/review", json=body, headers=identity.bearer(token))
        assert answer.status_code == status, answer.text
    with pytest.raises(PersonNotFound):
        await break_glass(await doctor(), reason=EMERGENCY, explanation=WHY)


@pytest.mark.commits
async def test_the_limit_holds_when_many_are_opened_at_once(db: str) -> None:
    who, persons = await doctor(), [await patients.person() for _ in range(8)]

    async def open_it(person: UUID) -> bool:
        try:
            await opened(who, person)
        except DomainError:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(open_it(person)) for person in persons]
    assert sum(task.result() for task in tasks) == OPEN_MAX
