"""Staff logins: argon2 off the event loop, a second factor, a few failures, then a pause."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.identity.limited import ENROL_SCOPE
from app.identity.proving import LoginRefused, Proved, refuse_locked, weigh
from app.identity.roles import SECOND_FACTOR, StaffRole
from app.identity.rules import LENGTH_MAX
from app.identity.second_factor import Proof
from app.identity.sessions import Login, grant_code, require_challenge
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError

CHANNEL = "staff"

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's second choice
# Two at a time: hashing is made to be slow, and must not take every core from the patients.
HASHING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# What an unknown name is compared with, so that it takes as long as a known one.
NOBODY = HASHER.hash("nobody")


async def log_in_staff(*, login_name: str, password: str, challenge: str, proof: Proof | None = None) -> str:
    """An authorization code for a staff member with the right password and, where one is enrolled, factor."""
    require_challenge(challenge)
    row = await _find(ANONYMOUS, login_name=login_name)
    if row is not None:
        refuse_locked(row["locked_until"])
    knows = await check_password(NOBODY if row is None else row["password_hash"], password)
    if row is None:
        raise LoginRefused
    outcome = await _try(ANONYMOUS, seen=row, knows=knows, proof=proof, challenge=challenge)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


async def check_password(stored: str, password: str) -> bool:
    return await asyncio.get_running_loop().run_in_executor(HASHING, _matches, stored, password)


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(HASHING, HASHER.hash, password)


def _matches(stored: str, password: str) -> bool:
    if len(password) > LENGTH_MAX:
        return False
    try:
        return HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


@query
async def _find(actor: Actor, *, login_name: str) -> asyncpg.Record | None:
    return await fetch_one(
        "SELECT staff_id, password_hash, locked_until FROM staff_login"
        " WHERE login_name = $1 AND disabled_at IS NULL",
        login_name,
    )


@action
async def _try(
    actor: Actor, *, seen: asyncpg.Record, knows: bool, proof: Proof | None, challenge: str
) -> str | DomainError:
    # A refusal that returns commits: the failure must be counted.
    proved = await weigh(
        actor, staff_id=seen["staff_id"], seen_hash=seen["password_hash"], knows=knows, proof=proof
    )
    if isinstance(proved, DomainError):
        return proved
    login = Login(
        kind=ActorKind.STAFF,
        id=seen["staff_id"],
        channel=CHANNEL,
        role=proved.role,
        auth_version=proved.auth_version,
        scope=_scope(proved),
        amr=proved.amr,
    )
    return await grant_code(actor, login=login, challenge=challenge)


def _scope(proved: Proved) -> str:
    """Limited while the password is one that somebody else knows, or a factor is still to be enrolled."""
    complete = proved.has_factor or not SECOND_FACTOR[proved.role]
    return "" if complete and not proved.one_time else ENROL_SCOPE


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
