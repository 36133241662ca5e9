"""谁看过我的资料: in words an old patient reads, for who speaks for the person and for nobody else."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from app.identity.policy_rows import POLICY
from app.identity.roles import DeviceKind, Role
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.errors import DomainError
from app.patients.access import CareReason, PersonNotFound, relate
from app.patients.binding import Relation
from app.patients.break_glass import break_glass
from app.patients.linking import link_persons
from app.patients.tables import BreakGlassReason, Scope
from app.rights.accesses import GAP_MINUTES, AccessLine, accesses
from app.rights.words import DEVICES, GLASS_WHY, READER_IS, ROLES, THINGS, WHY
from tests.make import identity, organization, patients
from tests.make.rows import row
from tests.make.traces import access
from tests.rights.people import person, relative

SYSTEM = system("test")


async def lines(actor: Actor, person_id: UUID, **asked: object) -> list[AccessLine]:
    return (await accesses(actor, person_id=person_id, **asked)).items  # type: ignore[arg-type] - as accesses takes them


def test_every_permission_that_opens_patients_rows_has_its_word() -> None:
    opening = {row.permission for row in POLICY.rows.values() if row.rows != "none"}
    assert opening <= THINGS.keys()
    assert THINGS.keys() <= POLICY.permissions
    assert all(word.strip() for word in THINGS.values())


def test_everybody_and_every_reason_has_its_word() -> None:
    assert ROLES.keys() == set(Role)
    assert DEVICES.keys() == set(DeviceKind)
    assert READER_IS.keys() == set(Relation)
    assert WHY.keys() == set(CareReason)
    assert GLASS_WHY.keys() == set(BreakGlassReason)


async def test_a_doctor_by_badge_role_thing_and_reason(db: str) -> None:
    account, person_id = await person()
    department = await organization.department(name="呼吸内科")
    doctor = await organization.staff(name="张伟", title="主任医师", department_id=department)
    await relate(SYSTEM, person_id=person_id, department_id=department, reason=CareReason.CHECK_IN)
    await access(person_id=person_id, actor_id=doctor, permission="report.read")
    (line,) = await lines(account, person_id)
    assert (line.who, line.role, line.what) == ("张伟 主任医师 呼吸内科", "医生", "检验报告")
    assert (line.why, line.emergency, line.times) == ("您在该科室签到就诊", False, 1)


async def test_a_broken_glass_is_marked_and_says_why(db: str) -> None:
    account, person_id = await person()
    doctor = await organization.staff()
    await break_glass(
        identity.staff_actor(doctor),
        person_id=person_id,
        reason=BreakGlassReason.UNCONSCIOUS,
        explanation="患者昏迷，需要了解过敏史",
    )
    await access(person_id=person_id, actor_id=doctor, permission="person.read")
    (line,) = await lines(account, person_id)
    assert line.emergency
    assert line.why == "紧急调阅：患者无法表达"
    assert line.reason == "患者昏迷，需要了解过敏史"


async def test_relatives_machines_and_partners_are_named_and_the_house_is_not(db: str) -> None:
    account, person_id = await person()
    daughter = await relative(account, person_id)
    await patients.bound_person(daughter, name="陈小燕", relation="0")
    device, _ = await identity.device(kind="kiosk")
    partner = await row(
        "oauth_client", client_id="region", name="区域平台", kind="confidential", auth_version=1
    )
    for kind, who, permission in (
        ("account", daughter.id, "my_report.read"),
        ("device", device, "kiosk.check_in"),
        ("client", partner, "department.read"),
        ("system", None, ""),
    ):
        await access(person_id=person_id, actor_id=who, kind=kind, role="", permission=permission)
    assert [(line.who, line.what) for line in await lines(account, person_id)] == [
        ("区域平台", "其他资料"),
        ("自助机 门诊大厅 一层1号机", "自助机就诊信息"),
        ("子女 陈*燕", "检验报告"),
    ]


async def test_ones_own_reading_is_shown_on_demand(db: str) -> None:
    account, person_id = await person()
    await access(person_id=person_id, actor_id=account.id, kind="account", role="account")
    assert await lines(account, person_id) == []
    (own,) = await lines(account, person_id, own=True)
    assert own.who.startswith("本人账号")


async def test_what_showed_nothing_is_no_look(db: str) -> None:
    account, person_id = await person()
    await access(person_id=person_id, actor_id=await organization.staff(), status=404)
    assert await lines(account, person_id) == []


async def test_a_busy_morning_is_one_line_until_a_pause(db: str) -> None:
    account, person_id = await person()
    doctor, nurse = await organization.staff(), await organization.staff(role="nurse")
    start = clock.wall() - timedelta(hours=5)
    for minute in (0, 5, 5 + GAP_MINUTES, 6 + 2 * GAP_MINUTES):
        await access(person_id=person_id, actor_id=doctor, at=start + timedelta(minutes=minute))
        await access(person_id=person_id, actor_id=nurse, at=start + timedelta(minutes=minute))
    found = await lines(account, person_id)
    assert sorted(line.times for line in found) == [1, 1, 3, 3]
    busy = next(line for line in found if line.times == 3)
    assert (busy.first_at, busy.last_at) == (start, start + timedelta(minutes=5 + GAP_MINUTES))


async def test_pages_meet_without_a_gap_or_a_repeat(db: str) -> None:
    account, person_id = await person()
    start = clock.wall() - timedelta(days=2)
    doctors = [await organization.staff() for _ in range(3)]
    for hour in range(12):
        for doctor in doctors:  # interleaved: every line overlaps the others
            for minute in (0, 10):
                at = start + timedelta(hours=hour, minutes=minute)
                await access(person_id=person_id, actor_id=doctor, at=at)
    whole = [line.id for line in await lines(account, person_id)]
    assert len(whole) == 36
    paged: list[int] = []
    before: int | None = None
    while True:
        page = await accesses(account, person_id=person_id, limit=5, before=before)
        paged += [line.id for line in page.items]
        before = page.next
        if before is None:
            break
    assert paged == whole == sorted(whole, reverse=True)


async def test_days_are_the_hospitals(db: str) -> None:
    account, person_id = await person()
    doctor = await organization.staff()
    for at in (datetime(2026, 3, 1, 15, 59, tzinfo=UTC), datetime(2026, 3, 1, 16, 0, tzinfo=UTC)):
        await access(person_id=person_id, actor_id=doctor, at=at)
    second = date(2026, 3, 2)
    (line,) = await lines(account, person_id, first_day=second, last_day=second)
    assert line.first_at == datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
    with pytest.raises(DomainError) as refusal:
        await lines(account, person_id, first_day=second, last_day=date(2026, 3, 1))
    assert refusal.value.code == "period_wrong"
    with pytest.raises(DomainError):
        await lines(account, person_id, first_day=date(2025, 3, 1), last_day=second)


async def test_a_linked_duplicates_accesses_are_the_persons(db: str) -> None:
    account, person_id = await person()
    duplicate = await patients.person()
    await link_persons(SYSTEM, duplicate_id=duplicate, survivor_id=person_id)
    await access(person_id=duplicate, actor_id=await organization.staff())
    assert len(await lines(account, person_id)) == 1


async def test_an_invited_relative_who_reads_everything_else_does_not_read_this(db: str) -> None:
    account, person_id = await person()
    daughter = await relative(account, person_id, *Scope)
    for stranger in (daughter, await identity.account_actor()):
        with pytest.raises(PersonNotFound):
            await accesses(stranger, person_id=person_id)


async def test_a_guardian_reads_it_for_a_child(db: str) -> None:
    account, _ = await person()
    child = await patients.bound_person(account, relation="2", sex="1", born_on=date(2020, 5, 6))
    await access(person_id=child, actor_id=await organization.staff())
    assert len(await lines(account, child)) == 1


async def test_staff_of_any_kind_does_not_read_it_here(db: str) -> None:
    _, person_id = await person()
    with pytest.raises(PersonNotFound):
        await accesses(identity.staff_actor(await organization.staff()), person_id=person_id)
