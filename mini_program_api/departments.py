"""Departments, and what can be booked in the next days."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.kernel.actor import Actor
from app.organization.queries import departments
from app.outpatient.queries import SessionShown, WindowShown, sessions_of, windows_of


class DepartmentReply(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    campus_id: UUID
    name: str


class Departments(msgspec.Struct, frozen=True):
    items: list[DepartmentReply]


class Sessions(msgspec.Struct, frozen=True):
    items: list[SessionShown]


class Windows(msgspec.Struct, frozen=True):
    items: list[WindowShown]


@get("/departments", permission="schedule.read")
async def list_departments(actor: NamedDependency[Actor]) -> Departments:
    found = await departments(actor)
    return Departments([DepartmentReply(id=d.id, campus_id=d.campus_id, name=d.name) for d in found])


@get("/departments/{department_id:uuid}/sessions", permission="schedule.read")
async def list_sessions(
    actor: NamedDependency[Actor],
    department_id: FromPath[UUID],
    first: Annotated[date | None, QueryParameter(name="from")] = None,
    days: Annotated[int, QueryParameter(ge=1, le=14)] = 7,
) -> Sessions:
    """The department's half-days from a day on; today where none is given."""
    return Sessions(await sessions_of(actor, department_id=department_id, first=first, days=days))


@get("/sessions/{session_id:uuid}/windows", permission="schedule.read")
async def list_windows(actor: NamedDependency[Actor], session_id: FromPath[UUID]) -> Windows:
    return Windows(await windows_of(actor, session_id=session_id))


router = Router(
    path="/api/mini-program/v1",
    route_handlers=[list_departments, list_sessions, list_windows],
)
