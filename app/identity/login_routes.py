"""Staff logins as security administrators see and change them."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.identity.four_eyes import (
    LoginRequestView,
    approve_request,
    decline_request,
    login_request,
    open_requests,
    request_change,
)
from app.identity.passwords import hash_password
from app.identity.queries import StaffLoginView, staff_login, staff_logins
from app.identity.roles import StaffRole
from app.identity.staff_admin import (
    ONE_TIME_HOURS,
    disable_login,
    new_one_time_password,
    reset_password,
    reset_second_factor,
    set_role,
    unlock_login,
)
from app.identity.tables import LoginRequestKind
from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once


class SetRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: StaffRole


class RequestChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    staff_id: UUID
    kind: LoginRequestKind
    role: StaffRole | None = None


class Logins(msgspec.Struct, frozen=True):
    items: list[StaffLoginView]


class Requests(msgspec.Struct, frozen=True):
    items: list[LoginRequestView]


class OneTimePassword(msgspec.Struct, frozen=True, kw_only=True):
    """Told once, here; it must be changed at the first login."""

    staff_id: UUID
    one_time_password: str
    hours: int = ONE_TIME_HOURS


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    request: LoginRequestView
    one_time_password: str | None = None  # where that was approved; told once, here


Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
After = Annotated[UUID | None, QueryParameter()]


@get("/logins", permission="login.list")
async def list_logins(actor: NamedDependency[Actor], limit: Limit = PAGE_MAX, after: After = None) -> Logins:
    return Logins(await staff_logins(actor, limit=limit, after=after))


@post("/logins/{staff_id:uuid}/role", status_code=200, permission="login.set_role")
async def change_role(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    staff_id: FromPath[UUID],
    data: JSONBody[SetRole],
) -> StaffLoginView:
    await once(asked, set_role, actor, staff_id=staff_id, role=data.role)
    return await staff_login(actor, staff_id=staff_id)


@post("/logins/{staff_id:uuid}/disable", status_code=200, permission="login.disable")
async def disable(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], staff_id: FromPath[UUID]
) -> StaffLoginView:
    await once(asked, disable_login, actor, staff_id=staff_id)
    return await staff_login(actor, staff_id=staff_id)


@post("/logins/{staff_id:uuid}/unlock", status_code=200, permission="login.unlock")
async def unlock(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], staff_id: FromPath[UUID]
) -> StaffLoginView:
    await once(asked, unlock_login, actor, staff_id=staff_id)
    return await staff_login(actor, staff_id=staff_id)


@post("/logins/{staff_id:uuid}/password", status_code=200, permission="login.reset_password")
async def new_password(actor: NamedDependency[Actor], staff_id: FromPath[UUID]) -> OneTimePassword:
    """A repetition makes another one, and the one before is worth nothing: so it needs no key."""
    password = new_one_time_password()
    await reset_password(actor, staff_id=staff_id, password_hash=await hash_password(password))
    return OneTimePassword(staff_id=staff_id, one_time_password=password)


@post("/logins/{staff_id:uuid}/second-factor/reset", status_code=200, permission="login.reset_second_factor")
async def drop_factor(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], staff_id: FromPath[UUID]
) -> StaffLoginView:
    await once(asked, reset_second_factor, actor, staff_id=staff_id)
    return await staff_login(actor, staff_id=staff_id)


@get("/login-requests", permission="login.list")
async def list_requests(
    actor: NamedDependency[Actor], limit: Limit = PAGE_MAX, after: After = None
) -> Requests:
    """What waits for a second person."""
    return Requests(await open_requests(actor, limit=limit, after=after))


@post("/login-requests", permission="login.request_change")
async def ask_for_change(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], data: JSONBody[RequestChange]
) -> LoginRequestView:
    request_id = await once(
        asked, request_change, actor, staff_id=data.staff_id, kind=data.kind, role=data.role
    )
    return await login_request(actor, request_id=request_id)


@post("/login-requests/{request_id:uuid}/approve", status_code=200, permission="login.approve_change")
async def approve(actor: NamedDependency[Actor], request_id: FromPath[UUID]) -> Decided:
    """A repetition finds it decided and is refused: so it needs no key. A lost password is asked for anew."""
    asked_for = await login_request(actor, request_id=request_id)
    password = new_one_time_password()
    await approve_request(actor, request_id=request_id, password_hash=await hash_password(password))
    return Decided(
        request=await login_request(actor, request_id=request_id),
        one_time_password=password if asked_for.kind is LoginRequestKind.PASSWORD else None,
    )


@post("/login-requests/{request_id:uuid}/decline", status_code=200, permission="login.approve_change")
async def decline(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], request_id: FromPath[UUID]
) -> Decided:
    await once(asked, decline_request, actor, request_id=request_id)
    return Decided(request=await login_request(actor, request_id=request_id))


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        list_logins,
        change_role,
        disable,
        unlock,
        new_password,
        drop_factor,
        list_requests,
        ask_for_change,
        approve,
        decline,
    ],
    tags=["logins"],
)
