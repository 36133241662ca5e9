"""Places and staff as others read them."""

from uuid import UUID

import msgspec

from app.identity.roles import StaffRole
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, query
from app.kernel.errors import NotFound
from app.organization.tables import WindowKind

LIST_MAX = 100


class PlaceNotFound(NotFound):
    code = "place_not_found"
    message = "没有找到该科室或地点，请返回上一页重新选择。"


class StaffNotFound(NotFound):
    code = "staff_not_found"
    message = "没有找到该医护人员，请重新选择。"


class DepartmentView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    campus_id: UUID
    zone_id: UUID | None
    code: str
    name: str
    specialty_code: str
    number_only: bool


class ZoneView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    campus_id: UUID
    name: str


class RoomView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    department_id: UUID
    zone_id: UUID
    name: str


class WardView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    campus_id: UUID
    department_id: UUID
    name: str


class BedView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    ward_id: UUID
    label: str


class WindowView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    campus_id: UUID
    zone_id: UUID | None
    kind: WindowKind
    name: str


class StaffView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    staff_no: str
    name: str
    role: StaffRole
    title: str
    department_id: UUID | None
    ward_id: UUID | None


DEPARTMENT = "SELECT id, campus_id, zone_id, code, name, specialty_code, number_only FROM department"
STAFF = "SELECT id, staff_no, name, role, title, department_id, ward_id FROM staff WHERE active"
WINDOW = "SELECT id, campus_id, zone_id, kind, name FROM service_window"


@query
async def department(actor: Actor, *, department_id: UUID) -> DepartmentView:
    row = await fetch_one(f"{DEPARTMENT} WHERE id = $1", department_id)
    if row is None:
        raise PlaceNotFound(department_id=department_id)
    return DepartmentView(**dict(row))


@query
async def departments(actor: Actor) -> list[DepartmentView]:
    rows = await fetch(f"{DEPARTMENT} ORDER BY code LIMIT {LIST_MAX}")
    return [DepartmentView(**dict(row)) for row in rows]


@query
async def zone(actor: Actor, *, zone_id: UUID) -> ZoneView:
    row = await fetch_one("SELECT id, campus_id, name FROM zone WHERE id = $1", zone_id)
    if row is None:
        raise PlaceNotFound(zone_id=zone_id)
    return ZoneView(**dict(row))


@query
async def room(actor: Actor, *, room_id: UUID) -> RoomView:
    row = await fetch_one("SELECT id, department_id, zone_id, name FROM room WHERE id = $1", room_id)
    if row is None:
        raise PlaceNotFound(room_id=room_id)
    return RoomView(**dict(row))


@query
async def rooms_of(actor: Actor, *, department_id: UUID) -> list[RoomView]:
    rows = await fetch(
        "SELECT id, department_id, zone_id, name FROM room WHERE department_id = $1 ORDER BY name LIMIT $2",
        department_id,
        LIST_MAX,
    )
    return [RoomView(**dict(row)) for row in rows]


@query
async def ward(actor: Actor, *, ward_id: UUID) -> WardView:
    row = await fetch_one("SELECT id, campus_id, department_id, name FROM ward WHERE id = $1", ward_id)
    if row is None:
        raise PlaceNotFound(ward_id=ward_id)
    return WardView(**dict(row))


@query
async def bed(actor: Actor, *, bed_id: UUID) -> BedView:
    row = await fetch_one("SELECT id, ward_id, label FROM bed WHERE id = $1", bed_id)
    if row is None:
        raise PlaceNotFound(bed_id=bed_id)
    return BedView(**dict(row))


@query
async def service_window(actor: Actor, *, window_id: UUID) -> WindowView:
    row = await fetch_one(f"{WINDOW} WHERE id = $1", window_id)
    if row is None:
        raise PlaceNotFound(window_id=window_id)
    return msgspec.convert(dict(row), WindowView)


@query
async def windows_of(actor: Actor, *, kind: WindowKind) -> list[WindowView]:
    rows = await fetch(f"{WINDOW} WHERE kind = $1 ORDER BY name LIMIT {LIST_MAX}", str(kind))
    return [msgspec.convert(dict(row), WindowView) for row in rows]


@query
async def staff_member(actor: Actor, *, staff_id: UUID) -> StaffView:
    row = await fetch_one(f"{STAFF} AND id = $1", staff_id)
    if row is None:
        raise StaffNotFound(staff_id=staff_id)
    return msgspec.convert(dict(row), StaffView)


@query
async def staff_of(actor: Actor, *, department_id: UUID, role: StaffRole | None = None) -> list[StaffView]:
    rows = await fetch(
        f"{STAFF} AND department_id = $1 AND ($2::text IS NULL OR role = $2) ORDER BY staff_no"
        f" LIMIT {LIST_MAX}",
        department_id,
        None if role is None else str(role),
    )
    return [msgspec.convert(dict(row), StaffView) for row in rows]
