"""Who I am and where things are, for the desks."""

from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.kernel.actor import Actor
from app.kernel.errors import Unauthenticated
from app.organization.queries import (
    DepartmentView,
    RoomView,
    StaffView,
    WindowView,
    departments,
    rooms_of,
    staff_member,
    windows_of,
)
from app.organization.tables import WindowKind


class Departments(msgspec.Struct, frozen=True):
    items: list[DepartmentView]


class Rooms(msgspec.Struct, frozen=True):
    items: list[RoomView]


class Windows(msgspec.Struct, frozen=True):
    items: list[WindowView]


@get("/me", permission="staff.read_self")
async def me(actor: NamedDependency[Actor]) -> StaffView:
    if actor.id is None:
        raise Unauthenticated
    return await staff_member(actor, staff_id=actor.id)


@get("/departments", permission="organization.read")
async def list_departments(actor: NamedDependency[Actor]) -> Departments:
    return Departments(await departments(actor))


@get("/departments/{department_id:uuid}/rooms", permission="organization.read")
async def list_rooms(actor: NamedDependency[Actor], department_id: FromPath[UUID]) -> Rooms:
    return Rooms(await rooms_of(actor, department_id=department_id))


@get("/windows/{kind:str}", permission="organization.read")
async def list_windows(actor: NamedDependency[Actor], kind: FromPath[WindowKind]) -> Windows:
    return Windows(await windows_of(actor, kind=kind))


router = Router(
    path="/api/staff/v1",
    route_handlers=[me, list_departments, list_rooms, list_windows],
)
