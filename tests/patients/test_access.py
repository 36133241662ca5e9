"""Who may see whom, as a table, and when it ends."""

from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, system
from app.kernel.database import query
from app.kernel.ids import new_id
from app.patients import access
from app.patients.access import PersonNotFound, end_relation, may_see, relate
from app.patients.allergies import record_allergy
from app.patients.linking import LinkRefused, link_persons, unlink_person
from app.patients.queries import accounts_of, allergies_of, masked_name, person_view
from app.patients.tables import CareReason, Scope
from tests.make import identity, organization, patients
from tests.make.rows import value

SYSTEM = system("test")


class Cast:
    """One patient, and everybody who might want to look."""

    person: UUID
    who: dict[str, Actor]


async def _cast() -> Cast:
    cast = Cast()
    department, other = await organization.department(), await organization.department(name="骨科")
    ward = await organization.ward()
    own = await identity.account_actor()
    cast.person = await patients.bound_person(own)
    doctor = await organization.staff(department_id=department)
    named = await organization.staff(department_id=other)
    nurse = await organization.staff(role="nurse", ward_id=ward)
    kiosk, _ = await identity.device(kind="kiosk")
    station, _ = await identity.device(kind="nurse_station", place_kind="ward", place_id=ward)
    display, _ = await identity.device(kind="hall_display", place_kind="ward", place_id=ward)
    reason = CareReason.CONSULTATION
    await relate(SYSTEM, person_id=cast.person, department_id=department, reason=reason)
    await relate(SYSTEM, person_id=cast.person, staff_id=named, reason=reason)
    await relate(SYSTEM, person_id=cast.person, ward_id=ward, reason=reason)
    await relate(SYSTEM, person_id=cast.person, device_id=kiosk, reason=reason)
    cast.who = {
        "own account": own,
        "stranger's account": await identity.account_actor(),
        "department's doctor": identity.staff_actor(doctor),
        "doctor named": identity.staff_actor(named),
        "doctor elsewhere": identity.staff_actor(await organization.staff(department_id=other)),
        "ward's nurse": identity.staff_actor(nurse),
        "nurse without a ward": identity.staff_actor(await organization.staff(role="nurse")),
        "nobody's staff id": identity.staff_actor(new_id()),
        "terminal opened for her": identity.device_actor(kiosk),
        "ward's station": identity.device_actor(station),
        "ward's display": identity.device_actor(display),
        "another kiosk": identity.device_actor((await identity.device())[0]),
        "system": SYSTEM,
        "anonymous": ANONYMOUS,
    }
    return cast


MAY = {
    "own account": True,
    "stranger's account": False,
    "department's doctor": True,
    "doctor named": True,
    "doctor elsewhere": False,
    "ward's nurse": True,
    "nurse without a ward": False,
    "nobody's staff id": False,
    "terminal opened for her": True,
    "ward's station": True,
    "ward's display": False,
    "another kiosk": False,
    "system": True,
    "anonymous": False,
}


async def test_who_may_see_her(db: str) -> None:
    cast = await _cast()
    assert {name: await may_see(actor, person_id=cast.person) for name, actor in cast.who.items()} == MAY
    for name, actor in cast.who.items():
        if not MAY[name]:
            with pytest.raises(PersonNotFound):
                await person_view(actor, person_id=cast.person)


async def test_nobody_sees_another_patient_by_the_same_relations(db: str) -> None:
    cast = await _cast()
    other = await patients.person()
    seeing = [name for name, actor in cast.who.items() if await may_see(actor, person_id=other)]
    assert seeing == ["system"]


async def test_an_unknown_person_is_not_found_by_the_system_either(db: str) -> None:
    with pytest.raises(PersonNotFound):
        await person_view(SYSTEM, person_id=new_id())
    with pytest.raises(PersonNotFound):
        await masked_name(SYSTEM, person_id=new_id())


@query
async def now(actor: Actor) -> datetime:
    return await clock.now()


async def test_a_relation_ends_in_time_and_is_prolonged_not_doubled(db: str) -> None:
    person = await patients.person()
    doctor = await organization.staff()
    soon = await now(SYSTEM) + timedelta(minutes=5)
    first = await relate(
        SYSTEM, person_id=person, staff_id=doctor, reason=CareReason.CONSULTATION, until=soon
    )
    assert await relate(SYSTEM, person_id=person, staff_id=doctor, reason=CareReason.CONSULTATION) == first
    assert await value("SELECT count(*) FROM care_relation WHERE valid_to IS NULL") == 1
    await value("UPDATE care_relation SET valid_to = jiuyi.now()")
    assert not await may_see(identity.staff_actor(doctor), person_id=person)
    again = await relate(SYSTEM, person_id=person, staff_id=doctor, reason=CareReason.CONSULTATION)
    assert again != first


async def test_a_public_display_gets_a_masked_name(db: str) -> None:
    assert await masked_name(ANONYMOUS, person_id=await patients.person(name="欧阳娜娜")) == "欧**娜"


async def test_an_ended_relation_shows_nothing(db: str) -> None:
    person, nurse_ward = await patients.person(), await organization.ward()
    nurse = identity.staff_actor(await organization.staff(role="nurse", ward_id=nurse_ward))
    await relate(SYSTEM, person_id=person, ward_id=nurse_ward, reason=CareReason.ADMISSION)
    assert await may_see(nurse, person_id=person)
    await end_relation(SYSTEM, person_id=person, ward_id=nurse_ward)
    assert not await may_see(nurse, person_id=person)


async def test_who_left_the_hospital_sees_nobody(db: str) -> None:
    cast = await _cast()
    await value("UPDATE staff SET active = false")
    assert not await may_see(cast.who["department's doctor"], person_id=cast.person)


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_binding_opens_only_its_scopes(db: str, scope: Scope) -> None:
    account = await identity.account_actor()
    person = await patients.bound_person(account)
    await value("UPDATE binding SET scopes = $1", [str(scope)])
    assert await may_see(account, person_id=person) is (scope is Scope.READ)
    for wanted in Scope:
        if wanted is scope:
            await access.require_may_act_for(account, person_id=person, scope=wanted)
        else:
            with pytest.raises(PersonNotFound):
                await access.require_may_act_for(account, person_id=person, scope=wanted)


async def test_an_ended_binding_opens_nothing(db: str) -> None:
    account = await identity.account_actor()
    person = await patients.bound_person(account)
    assert await accounts_of(SYSTEM, person_id=person) == [account.id]
    await value("UPDATE binding SET valid_to = jiuyi.now()")
    assert not await may_see(account, person_id=person)
    assert await accounts_of(SYSTEM, person_id=person) == []


async def test_staff_act_for_whom_they_may_see(db: str) -> None:
    cast = await _cast()
    await access.require_may_act_for(cast.who["department's doctor"], person_id=cast.person)
    with pytest.raises(PersonNotFound):
        await access.require_may_act_for(cast.who["doctor elsewhere"], person_id=cast.person)


async def test_a_duplicate_is_seen_as_its_survivor_until_unlinked(db: str) -> None:
    account = await identity.account_actor()
    duplicate = await patients.bound_person(account, name="李小明")
    survivor = await patients.person(name="李晓明")
    await link_persons(SYSTEM, duplicate_id=duplicate, survivor_id=survivor)
    assert (await person_view(account, person_id=duplicate)).id == survivor
    assert (await person_view(account, person_id=survivor)).name == "李晓明"
    third = await patients.person()
    for pair in ((third, duplicate), (survivor, third), (duplicate, third), (third, third)):
        with pytest.raises(LinkRefused):
            await link_persons(SYSTEM, duplicate_id=pair[0], survivor_id=pair[1])
    await unlink_person(SYSTEM, duplicate_id=duplicate)
    assert (await person_view(account, person_id=duplicate)).name == "李小明"
    assert not await may_see(account, person_id=survivor)


async def test_an_allergy_is_recorded_once_and_read_by_who_may_see(db: str) -> None:
    cast = await _cast()
    doctor = cast.who["department's doctor"]
    for reaction in ("皮疹", "过敏性休克"):
        await record_allergy(
            doctor,
            person_id=cast.person,
            substance="penicillin",
            substance_name="青霉素",
            reaction=reaction,
        )
    assert [a.reaction for a in await allergies_of(doctor, person_id=cast.person)] == ["过敏性休克"]
    with pytest.raises(PersonNotFound):
        await allergies_of(cast.who["doctor elsewhere"], person_id=cast.person)


async def test_the_desk_over_http(client: httpx.AsyncClient) -> None:
    department = await organization.department()
    person = await patients.person(name="李小明")
    await relate(SYSTEM, person_id=person, department_id=department, reason=CareReason.CHECK_IN)
    doctor = await organization.staff(department_id=department)
    token = await identity.staff_token(staff_id=doctor)
    path = f"/api/staff/v1/persons/{person}"
    body = {"substance": "penicillin", "substance_name": "青霉素", "reaction": "皮疹"}
    made = await client.post(f"{path}/allergies", json=body, headers=identity.bearer(token))
    assert made.status_code == 201
    read = (await client.get(path, headers=identity.bearer(token))).json()
    assert (read["name"], read["allergies"]) == ("李小明", [body])
    me = await client.get("/api/staff/v1/me", headers=identity.bearer(token))
    assert me.json()["id"] == str(doctor)
    stranger = await identity.staff_token(staff_id=await organization.staff())
    refused = await client.get(path, headers=identity.bearer(stranger))
    assert (refused.status_code, refused.json()["code"]) == (404, "person_not_found")
