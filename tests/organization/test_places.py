"""Places and staff as others read them."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from app.identity.roles import StaffRole
from app.kernel.actor import system
from app.kernel.errors import NotFound
from app.kernel.ids import new_id
from app.organization import queries
from app.organization.tables import WindowKind
from tests.make import identity, organization
from tests.make.rows import value

SYSTEM = system("test")


async def test_what_exists_is_told(db: str) -> None:
    department_id = await organization.department(number_only=True)
    department = await queries.department(SYSTEM, department_id=department_id)
    assert department.number_only
    assert department.zone_id is not None
    assert (await queries.zone(SYSTEM, zone_id=department.zone_id)).campus_id == department.campus_id
    room_id = await organization.room(department_id=department_id)
    assert (await queries.room(SYSTEM, room_id=room_id)).department_id == department_id
    assert [room.id for room in await queries.rooms_of(SYSTEM, department_id=department_id)] == [room_id]
    ward_id = await organization.ward(department_id=department_id)
    bed_id = await organization.bed(ward_id=ward_id)
    assert (await queries.bed(SYSTEM, bed_id=bed_id)).ward_id == ward_id
    assert (await queries.ward(SYSTEM, ward_id=ward_id)).department_id == department_id
    window_id = await organization.window()
    assert (await queries.service_window(SYSTEM, window_id=window_id)).kind is WindowKind.PHARMACY
    assert [w.id for w in await queries.windows_of(SYSTEM, kind=WindowKind.PHARMACY)] == [window_id]
    assert await queries.windows_of(SYSTEM, kind=WindowKind.LAB) == []
    doctor = await organization.staff(department_id=department_id)
    await organization.staff(role="nurse", department_id=department_id)
    found = await queries.staff_of(SYSTEM, department_id=department_id, role=StaffRole.DOCTOR)
    assert [member.id for member in found] == [doctor]
    assert len(await queries.staff_of(SYSTEM, department_id=department_id)) == 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda i: queries.department(SYSTEM, department_id=i),
        lambda i: queries.zone(SYSTEM, zone_id=i),
        lambda i: queries.room(SYSTEM, room_id=i),
        lambda i: queries.ward(SYSTEM, ward_id=i),
        lambda i: queries.bed(SYSTEM, bed_id=i),
        lambda i: queries.service_window(SYSTEM, window_id=i),
        lambda i: queries.staff_member(SYSTEM, staff_id=i),
    ],
    ids=["department", "zone", "room", "ward", "bed", "window", "staff"],
)
async def test_what_does_not_exist_is_not_found(db: str, ask: Callable[[UUID], Awaitable[object]]) -> None:
    with pytest.raises(NotFound):
        await ask(new_id())


async def test_who_left_is_not_found(db: str) -> None:
    doctor = await organization.staff()
    await value("UPDATE staff SET active = false WHERE id = $1", doctor)
    with pytest.raises(queries.StaffNotFound):
        await queries.staff_member(SYSTEM, staff_id=doctor)


async def test_the_desk_lists_rooms_and_windows(client: httpx.AsyncClient) -> None:
    department_id = await organization.department()
    await organization.room(department_id=department_id)
    await organization.window(kind="lab")
    headers = identity.bearer(await identity.staff_token())
    rooms = await client.get(f"/api/staff/v1/departments/{department_id}/rooms", headers=headers)
    assert len(rooms.json()["items"]) == 1
    windows = await client.get("/api/staff/v1/windows/lab", headers=headers)
    assert len(windows.json()["items"]) == 1
    assert (await client.get("/api/staff/v1/windows/bar", headers=headers)).status_code in {400, 404}
