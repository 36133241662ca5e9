"""Who may ask the access log: the person's own account, the audit administrator, and nobody else."""

from uuid import UUID

import msgspec
import pytest

from app.identity.roles import Role
from app.kernel.actor import Actor, Reach, system
from app.kernel.database import fetch, query
from tests.make import identity, organization, patients
from tests.make.inpatient import write
from tests.make.traces import access

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
