"""Who I am and where things are, for the desks; and who of the staff gets a login."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.identity.queries import StaffLoginView, staff_login
from app.identity.roles import StaffRole
from app.identity.staff_admin import create_login
from app.kernel.actor import Actor
from app.kernel.errors import Unauthenticated
from app.kernel.idempotency import Command, once
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


class CreateLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    login_name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{2,59}$")]
    role: StaffRole


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


@get("/departments", permission="department.read")
async def list_departments(actor: NamedDependency[Actor]) -> Departments:
    return Departments(await departments(actor))


@get("/departments/{department_id:uuid}/rooms", permission="organization.read")
async def list_rooms(actor: NamedDependency[Actor], department_id: FromPath[UUID]) -> Rooms:
    return Rooms(await rooms_of(actor, department_id=department_id))


@get("/windows/{kind:str}", permission="organization.read")
async def list_windows(actor: NamedDependency[Actor], kind: FromPath[WindowKind]) -> Windows:
    return Windows(await windows_of(actor, kind=kind))


@post("/staff-members/{staff_id:uuid}/login", permission="login.create")
async def add_login(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    staff_id: FromPath[UUID],
    data: JSONBody[CreateLogin],
) -> StaffLoginView:
    """A login for somebody of the staff. Its one-time password is asked for next."""
    await staff_member(actor, staff_id=staff_id)
    await once(asked, create_login, actor, staff_id=staff_id, login_name=data.login_name, role=data.role)
    return await staff_login(actor, staff_id=staff_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[me, list_departments, list_rooms, list_windows, add_login],
)
