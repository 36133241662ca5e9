"""What a security administrator does with others' logins; what concerns an administrator takes two."""

import secrets
from base64 import b32encode
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.identity.events import (
    LoginCreated,
    LoginDisabled,
    LoginUnlocked,
    PasswordReset,
    RoleGiven,
    SecondFactorReset,
)
from app.identity.queries import LoginNotFound
from app.identity.roles import ADMIN_ROLES, StaffRole
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden
from app.kernel.events import emit

ONE_TIME_HOURS = 72
ONE_TIME_BYTES = 10  # 80 bits, 16 letters and digits
NO_PASSWORD = "none"  # noqa: S105 - no argon2 hash, so it matches nothing


class LoginNameTaken(DomainError):
    code = "login_name_taken"
    message = "该用户名已被使用，或该员工已有账号，请核对后重试。"


class OwnLogin(Forbidden):
    code = "own_login"
    message = "不能办理自己的账号，请由另一位安全管理员办理。"


class SecondPersonNeeded(DomainError):
    """Or one person alone could become two administrators: by a role, or by another one's password."""

    code = "second_person_needed"
    message = "涉及管理员的账号变更须由两位安全管理员共同完成，请提交申请，由另一位批准。"


def new_one_time_password() -> str:
    """Told once by the administrator, changed at the first login: `abcd-efgh-...`."""
    text = b32encode(secrets.token_bytes(ONE_TIME_BYTES)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


@action
async def create_login(actor: Actor, *, staff_id: UUID, login_name: str, role: StaffRole) -> UUID:
    """A login without a password yet. One for an administrator is made with an ordinary role first."""
    if role in ADMIN_ROLES:
        raise SecondPersonNeeded
    _refuse_own(actor, staff_id)
    made = await fetch_value(
        "INSERT INTO staff_login (staff_id, login_name, password_hash, role, auth_version, failures)"
        " VALUES ($1, $2, $3, $4, 1, 0) ON CONFLICT DO NOTHING RETURNING staff_id",
        staff_id,
        login_name,
        NO_PASSWORD,
        str(role),
    )
    if made is None:
        raise LoginNameTaken
    await emit(actor, LoginCreated(staff_id=staff_id, role=role))
    return staff_id


@action
async def set_role(actor: Actor, *, staff_id: UUID, role: StaffRole) -> UUID:
    """Another role at once; it opens a disabled login again. So an administrator's role is taken away."""
    await _other_login(actor, staff_id)
    if role in ADMIN_ROLES:
        raise SecondPersonNeeded
    return await give_role(actor, staff_id=staff_id, role=role)


@action
async def disable_login(actor: Actor, *, staff_id: UUID) -> UUID:
    """Nothing opens it but another role: all sessions end within a second."""
    await _other_login(actor, staff_id)
    await _change(staff_id, "disabled_at = coalesce(disabled_at, $2)", clock.wall())
    await emit(actor, LoginDisabled(staff_id=staff_id))
    return staff_id


@action
async def unlock_login(actor: Actor, *, staff_id: UUID) -> UUID:
    """Forget the failures. Sessions go on: whoever guessed never had one."""
    await _other_login(actor, staff_id)
    await fetch_value(
        "UPDATE staff_login SET failures = 0, locked_until = NULL WHERE staff_id = $1", staff_id
    )
    await emit(actor, LoginUnlocked(staff_id=staff_id))
    return staff_id


@action
async def reset_password(actor: Actor, *, staff_id: UUID, password_hash: str) -> UUID:
    """A one-time password for somebody who is no administrator."""
    _refuse_administrator(await _other_login(actor, staff_id))
    return await put_one_time_password(actor, staff_id=staff_id, password_hash=password_hash)


@action
async def reset_second_factor(actor: Actor, *, staff_id: UUID) -> UUID:
    """The phone is lost: the next login enrols another one. Not for administrators."""
    _refuse_administrator(await _other_login(actor, staff_id))
    return await drop_second_factors(actor, staff_id=staff_id)


@action
async def give_role(actor: Actor, *, staff_id: UUID, role: StaffRole, request_id: UUID | None = None) -> UUID:
    """The change itself, after somebody was found to be allowed to make it."""
    former = await fetch_value("SELECT role FROM staff_login WHERE staff_id = $1 FOR UPDATE", staff_id)
    await _change(staff_id, "role = $2, disabled_at = NULL", str(role))
    told = RoleGiven(staff_id=staff_id, role=role, former_role=StaffRole(former), request_id=request_id)
    await emit(actor, told)
    return staff_id


@action
async def put_one_time_password(
    actor: Actor, *, staff_id: UUID, password_hash: str, request_id: UUID | None = None
) -> UUID:
    until = clock.wall() + timedelta(hours=ONE_TIME_HOURS)
    await _change(
        staff_id,
        "password_hash = $2, one_time_until = $3, failures = 0, locked_until = NULL",
        password_hash,
        until,
    )
    await emit(actor, PasswordReset(staff_id=staff_id, request_id=request_id))
    return staff_id


@action
async def drop_second_factors(actor: Actor, *, staff_id: UUID, request_id: UUID | None = None) -> UUID:
    await fetch_value("DELETE FROM totp_seed WHERE staff_id = $1", staff_id)
    await fetch_value("DELETE FROM recovery_code WHERE staff_id = $1", staff_id)
    await fetch_value(
        "UPDATE signing_key SET ended_at = coalesce(ended_at, $2) WHERE staff_id = $1", staff_id, clock.wall()
    )
    await _change(staff_id, "failures = 0, locked_until = NULL")
    await emit(actor, SecondFactorReset(staff_id=staff_id, request_id=request_id))
    return staff_id


async def _other_login(actor: Actor, staff_id: UUID) -> asyncpg.Record:
    """Somebody else's login, locked for the change."""
    _refuse_own(actor, staff_id)
    return await login_row(staff_id)


def _refuse_own(actor: Actor, staff_id: UUID) -> None:
    if actor.id == staff_id:
        raise OwnLogin


async def login_row(staff_id: UUID) -> asyncpg.Record:
    row = await fetch_one("SELECT staff_id, role FROM staff_login WHERE staff_id = $1 FOR UPDATE", staff_id)
    if row is None:
        raise LoginNotFound(staff_id=staff_id)
    return row


def _refuse_administrator(row: asyncpg.Record) -> None:
    if row["role"] in ADMIN_ROLES:
        raise SecondPersonNeeded


async def _change(staff_id: UUID, changes: str, *values: object) -> None:
    """Every change ends the sessions that were opened before it."""
    await fetch_value(
        f"UPDATE staff_login SET {changes}, auth_version = auth_version + 1"  # noqa: S608 - our own words above
        " WHERE staff_id = $1",
        staff_id,
        *values,
    )
