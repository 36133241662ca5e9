"""Staff passwords: argon2 off the event loop, a few failures, then a pause."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.identity.roles import StaffRole
from app.identity.sessions import Login, grant_code, require_challenge
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Unauthenticated

CHANNEL = "staff"
FAILURES_MAX = 5
LOCKED_MINUTES = 15
PASSWORD_LENGTH_MAX = 128

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's second choice
# Two at a time: hashing is made to be slow, and must not take every core from the patients.
HASHING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# What an unknown name is compared with, so that it takes as long as a known one.
NOBODY = HASHER.hash("nobody")


class LoginRefused(Unauthenticated):
    code = "login_refused"
    message = "用户名或密码不正确，请重新输入。"


class LoginLocked(DomainError):
    code = "login_locked"
    status = 429
    message = "密码连续输错次数过多，请 15 分钟后再试，或联系管理员。"
    retry_after_s = LOCKED_MINUTES * 60


async def log_in_staff(*, login_name: str, password: str, challenge: str) -> str:
    """An authorization code for a staff member with the right password."""
    require_challenge(challenge)
    row = await _find(ANONYMOUS, login_name=login_name)
    if row is not None and row["locked_until"] is not None and row["locked_until"] > clock.wall():
        raise LoginLocked
    right = await check_password(NOBODY if row is None else row["password_hash"], password)
    if row is None:
        raise LoginRefused
    code = await _record(ANONYMOUS, row=row, right=right, challenge=challenge)
    if code is None:
        raise LoginRefused
    return code


async def check_password(stored: str, password: str) -> bool:
    return await asyncio.get_running_loop().run_in_executor(HASHING, _matches, stored, password)


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(HASHING, HASHER.hash, password)


def _matches(stored: str, password: str) -> bool:
    if len(password) > PASSWORD_LENGTH_MAX:
        return False
    try:
        return HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


@query
async def _find(actor: Actor, *, login_name: str) -> asyncpg.Record | None:
    return await fetch_one(
        "SELECT staff_id, password_hash, role, auth_version, locked_until FROM staff_login"
        " WHERE login_name = $1 AND disabled_at IS NULL",
        login_name,
    )


@action
async def _record(actor: Actor, *, row: asyncpg.Record, right: bool, challenge: str) -> str | None:
    # A None commits: the failure must be counted.
    now = clock.wall()
    if not right:
        await fetch_value(
            "UPDATE staff_login SET failures = CASE WHEN failures + 1 >= $2 THEN 0 ELSE failures + 1 END,"
            " locked_until = CASE WHEN failures + 1 >= $2 THEN $3 ELSE locked_until END"
            " WHERE staff_id = $1",
            row["staff_id"],
            FAILURES_MAX,
            now + timedelta(minutes=LOCKED_MINUTES),
        )
        return None
    # Guesses that were hashed while another one locked the login do not count as right either.
    unlocked = await fetch_value(
        "UPDATE staff_login SET failures = 0, locked_until = NULL"
        " WHERE staff_id = $1 AND (locked_until IS NULL OR locked_until <= $2) RETURNING staff_id",
        row["staff_id"],
        now,
    )
    if unlocked is None:
        return None
    login = Login(
        kind=ActorKind.STAFF,
        id=row["staff_id"],
        channel=CHANNEL,
        role=row["role"],
        auth_version=row["auth_version"],
    )
    return await grant_code(actor, login=login, challenge=challenge)


@action
async def set_staff_login(
    actor: Actor, *, staff_id: UUID, login_name: str, password_hash: str, role: StaffRole
) -> None:
    """Give a staff member a login, or a new password: older sessions end."""
    await fetch_value(
        "INSERT INTO staff_login AS l (staff_id, login_name, password_hash, role, auth_version, failures)"
        " VALUES ($1, $2, $3, $4, 1, 0) ON CONFLICT (staff_id) DO UPDATE SET login_name = $2,"
        " password_hash = $3, role = $4, auth_version = l.auth_version + 1, failures = 0,"
        " locked_until = NULL",
        staff_id,
        login_name,
        password_hash,
        str(role),
    )
