"""Who may ask the access log: the person's own account, the audit administrator, and nobody else."""

from uuid import UUID

import httpx
import msgspec
import pytest

from app.identity.roles import Role
from app.kernel.actor import Actor, Reach, system
from app.kernel.database import fetch, query
from app.kernel.ids import new_id
from app.patients.break_glass import break_glass
from app.patients.tables import BreakGlassReason
from tests.make import identity, organization, patients
from tests.make.inpatient import write
from tests.make.traces import access
from tests.trail import left_by

NOBODYS = "SELECT * FROM jiuyi.accesses_of_person($1, NULL, NULL, NULL, 100)"
ALL = "SELECT * FROM jiuyi.accesses($1, NULL, NULL, NULL, NULL, NULL, 100)"


@query
async def read(actor: Actor, *, sql: str, person_id: UUID | None) -> list[UUID | None]:
    return [found["actor_id"] for found in await fetch(sql, person_id)]


async def auditor(role: Role = Role.AUDIT_ADMIN, reach: Reach = Reach.EVERYBODY) -> Actor:
    staff_id = await organization.staff(role=role)
    await write(
        "INSERT INTO staff_login (staff_id, login_name, password_hash, role, auth_version, failures)"
        " VALUES ($1, $2, '', $3, 1, 0)",
        staff_id,
        str(staff_id),
        str(role),
    )
    return msgspec.structs.replace(identity.staff_actor(staff_id, role=str(role)), reach=reach)


async def test_the_person_the_auditor_and_the_house_read_it(db: str) -> None:
    account = await identity.account_actor()
    person_id = await patients.bound_person(account)
    doctor = await organization.staff()
    await access(person_id=person_id, actor_id=doctor)
    await access(person_id=await patients.person(), actor_id=doctor)
    for actor in (account, await auditor(), system("export")):
        assert await read(actor, sql=NOBODYS, person_id=person_id) == [doctor], actor
    assert await read(await auditor(), sql=ALL, person_id=person_id) == [doctor]
    assert await read(await auditor(), sql=ALL, person_id=None) == [doctor, doctor]


@pytest.mark.parametrize(
    ("role", "reach"), [(Role.AUDIT_ADMIN, Reach.RELATED), (Role.DOCTOR, Reach.EVERYBODY)]
)
async def test_without_the_role_or_the_policys_word_staff_reads_nothing(
    db: str, role: Role, reach: Reach
) -> None:
    person_id = await patients.person()
    await access(person_id=person_id, actor_id=None)
    who = await auditor(role, reach)
    assert await read(who, sql=ALL, person_id=None) == []
    assert await read(who, sql=NOBODYS, person_id=person_id) == []


async def test_another_account_reads_nothing(db: str) -> None:
    person_id = await patients.person()
    await access(person_id=person_id, actor_id=None)
    assert await read(await identity.account_actor(), sql=NOBODYS, person_id=person_id) == []


async def test_the_auditor_pages_through_it_and_is_in_it(client: httpx.AsyncClient) -> None:
    person_id, doctor = await patients.person(), await organization.staff()
    for _ in range(3):
        await access(person_id=person_id, actor_id=doctor)
    await access(person_id=None, actor_id=doctor, permission="order.read", status=403)
    headers = await identity.staff_headers(role="audit_admin")
    path = f"/api/staff/v1/audit/accesses?actor_id={doctor}&limit=2"
    first = (await client.get(path, headers=headers)).json()
    assert [(found["permission"], found["status"]) for found in first["items"]] == [
        ("order.read", 403),
        ("visit.read", 200),
    ]
    request_id = str(new_id())
    reply = await client.get(f"{path}&before={first['next']}", headers=headers | {"X-Request-ID": request_id})
    assert [found["person_id"] for found in reply.json()["items"]] == [str(person_id)] * 2
    [left] = await left_by(request_id)
    assert (left.permission, left.person_id) == ("access_log.read", person_id)
    later = (await client.get(f"{path}&since=2099-01-01T00:00:00Z", headers=headers)).json()
    assert later == {"items": [], "next": None}
    refused = await client.get(path, headers=await identity.staff_headers(role="doctor"))
    assert refused.status_code == 403


async def test_a_look_through_broken_glass_says_so(client: httpx.AsyncClient) -> None:
    staff_id = await organization.staff(role="doctor")
    person_id = await patients.person()
    headers = await identity.staff_headers(role="doctor", staff_id=staff_id)
    path = f"/api/staff/v1/persons/{person_id}"
    stranger, looking = str(new_id()), str(new_id())
    assert (await client.get(path, headers=headers | {"X-Request-ID": stranger})).status_code == 404
    [left] = await left_by(stranger)
    assert (left.person_id, left.status) == (None, 404)
    assert left.reason == f"person_not_found person_id={person_id}"
    await break_glass(
        identity.staff_actor(staff_id),
        person_id=person_id,
        reason=BreakGlassReason.EMERGENCY,
        explanation="急诊抢救室接诊，患者昏迷，需要查看过敏史",
    )
    assert (await client.get(path, headers=headers | {"X-Request-ID": looking})).status_code == 200
    [left] = await left_by(looking)
    assert (left.person_id, left.status, left.reason) == (person_id, 200, "break_glass: emergency")
