"""Four eyes: what one security administrator asks for, another one approves or declines."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.identity.events import LoginChangeDeclined, LoginChangeRequested
from app.identity.roles import ADMIN_ROLES, StaffRole
from app.identity.staff_admin import (
    OwnLogin,
    drop_second_factors,
    give_role,
    login_row,
    put_one_time_password,
)
from app.identity.tables import LOGIN_REQUEST_FLOW, LoginRequestKind, LoginRequestStatus
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Forbidden, Invalid, NotFound
from app.kernel.events import emit
from app.kernel.http import PAGE_MAX
from app.kernel.ids import new_id

REQUEST_HOURS = 24


class RequestNotFound(NotFound):
    code = "login_request_not_found"
    message = "没有找到该申请，请刷新列表后重试。"


class RequestOutdated(DomainError):
    code = "login_request_outdated"
    message = "该申请已过期，或申请人已不是安全管理员，请重新提交申请。"


class NotTheSecondPerson(Forbidden):
    code = "not_the_second_person"
    message = "申请人和当事人不能批准该申请，请由另一位安全管理员批准。"


class RoleMissing(Invalid):
    code = "role_missing"
    message = "申请变更角色时必须选择角色，其他申请不能附带角色。"


class NoSecondPersonNeeded(Invalid):
    code = "no_second_person_needed"
    message = "该账号不涉及管理员，可以直接办理，无需申请。"


class LoginRequestView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    staff_id: UUID
    login_name: str
    kind: LoginRequestKind
    role: StaffRole | None
    status: LoginRequestStatus
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime


@action
async def request_change(
    actor: Actor, *, staff_id: UUID, kind: LoginRequestKind, role: StaffRole | None = None
) -> UUID:
    """Ask for an administrator's role, or for a new password or factor of somebody who has one."""
    if actor.id == staff_id:
        raise OwnLogin
    if (kind is LoginRequestKind.ROLE) != (role is not None):
        raise RoleMissing
    holder = (await login_row(staff_id))["role"]
    if (role or holder) not in ADMIN_ROLES:
        raise NoSecondPersonNeeded
    request_id, now = new_id(), clock.wall()
    await fetch_value(
        "INSERT INTO login_request (id, staff_id, kind, role, status, requested_by, requested_at, expires_at)"
        " VALUES ($1, $2, $3, $4, 'requested', $5, $6, $7)",
        request_id,
        staff_id,
        str(kind),
        role,
        actor.id,
        now,
        now + timedelta(hours=REQUEST_HOURS),
    )
    told = LoginChangeRequested(staff_id=staff_id, request_id=request_id, change=str(kind), role=role)
    await emit(actor, told)
    return request_id


@action
async def approve_request(actor: Actor, *, request_id: UUID, password_hash: str) -> UUID:
    """Approve and carry out. The hash is of the one-time password, where the request is for one."""
    row = await _open_request(request_id)
    if actor.id in (row["requested_by"], row["staff_id"]):
        raise NotTheSecondPerson
    await _decide(actor, request_id, LoginRequestStatus.APPROVED)
    await login_row(row["staff_id"])
    match LoginRequestKind(row["kind"]):
        case LoginRequestKind.ROLE:
            role = StaffRole(row["role"])
            await give_role(actor, staff_id=row["staff_id"], role=role, request_id=request_id)
        case LoginRequestKind.PASSWORD:
            await put_one_time_password(
                actor, staff_id=row["staff_id"], password_hash=password_hash, request_id=request_id
            )
        case LoginRequestKind.SECOND_FACTOR:
            await drop_second_factors(actor, staff_id=row["staff_id"], request_id=request_id)
    return request_id


@action
async def decline_request(actor: Actor, *, request_id: UUID) -> UUID:
    """Decline, or take back one's own: whoever sees it may stop it."""
    row = await _open_request(request_id)
    await _decide(actor, request_id, LoginRequestStatus.DECLINED)
    await emit(actor, LoginChangeDeclined(staff_id=row["staff_id"], request_id=request_id))
    return request_id


async def _open_request(request_id: UUID) -> asyncpg.Record:
    """A request that still counts: in time, and of somebody who could still ask for it."""
    row = await fetch_one(
        "SELECT r.*, l.staff_id IS NOT NULL AS stands FROM login_request r"
        " LEFT JOIN staff_login l ON l.staff_id = r.requested_by AND l.role = 'security_admin'"
        " AND l.disabled_at IS NULL WHERE r.id = $1",
        request_id,
    )
    if row is None:
        raise RequestNotFound(request_id=request_id)
    if row["status"] == LoginRequestStatus.REQUESTED and (
        row["expires_at"] <= clock.wall() or not row["stands"]
    ):
        raise RequestOutdated(request_id=request_id)
    return row


async def _decide(actor: Actor, request_id: UUID, end: LoginRequestStatus) -> None:
    await LOGIN_REQUEST_FLOW.move(request_id, end, decided_by=actor.id, decided_at=clock.wall())


REQUEST = (
    "SELECT r.id, r.staff_id, l.login_name, r.kind, r.role, r.status, r.requested_by, r.requested_at,"
    " r.expires_at FROM login_request r JOIN staff_login l USING (staff_id)"
)


@query
async def login_request(actor: Actor, *, request_id: UUID) -> LoginRequestView:
    row = await fetch_one(f"{REQUEST} WHERE r.id = $1", request_id)
    if row is None:
        raise RequestNotFound(request_id=request_id)
    return msgspec.convert(dict(row), LoginRequestView)


@query
async def open_requests(actor: Actor, *, limit: int, after: UUID | None) -> list[LoginRequestView]:
    """What waits for a second person, oldest first."""
    rows = await fetch(
        f"{REQUEST} WHERE r.status = 'requested' AND r.expires_at > $1 AND ($2::uuid IS NULL OR r.id > $2)"
        " ORDER BY r.id LIMIT $3",
        clock.wall(),
        after,
        min(limit, PAGE_MAX),
    )
    return [msgspec.convert(dict(row), LoginRequestView) for row in rows]
