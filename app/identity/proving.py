"""A person's proofs against the login's row: which are needed, which count as failures, when it rests."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
from math import ceil
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.identity.authenticator import Authenticator, RecoveryCodes
from app.identity.roles import SECOND_FACTOR, FactorKind, StaffRole
from app.identity.second_factor import Proof, SecondFactor, Verdict
from app.identity.ukey import UKey
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Unauthenticated

log = structlog.get_logger()

FAILURES_MAX = 5
LOCKED_MINUTES = 15
PASSWORD_AMR = "pwd"  # noqa: S105 - the RFC 8176 word, not a secret

FACTORS: dict[FactorKind, SecondFactor] = {
    FactorKind.TOTP: Authenticator(),
    FactorKind.UKEY: UKey(),
    FactorKind.RECOVERY: RecoveryCodes(),
}
ENROLLED = (FactorKind.TOTP, FactorKind.UKEY)  # recovery codes only stand in for one of these


class LoginRefused(Unauthenticated):
    """One answer, whichever of name, password and second factor was wrong."""

    code = "login_refused"
    message = "用户名、密码或动态口令不正确，请重新输入。"


class LoginLocked(DomainError):
    code = "login_locked"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, until: datetime) -> None:
        seconds = max(1, ceil((until - clock.wall()).total_seconds()))
        self.retry_after_s = seconds
        super().__init__(f"连续输错次数过多，请 {ceil(seconds / 60)} 分钟后再试，或联系安全管理员解锁。")


class SecondFactorRequired(Unauthenticated):
    """Told only to who knows the password; `factors` says which ones are enrolled."""

    code = "second_factor_required"
    message = "请输入手机动态口令，或使用已登记的 UKey。"

    def __init__(self, factors: Iterable[FactorKind]) -> None:
        super().__init__(factors=" ".join(factors))


class OneTimePasswordExpired(Unauthenticated):
    code = "one_time_password_expired"
    message = "初始密码已过期，请联系安全管理员重新设置。"


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    role: StaffRole
    auth_version: int
    amr: tuple[str, ...]
    has_factor: bool
    one_time: bool


def refuse_locked(locked_until: datetime | None) -> None:
    if is_locked(locked_until):
        assert locked_until is not None
        raise LoginLocked(locked_until)


def is_locked(locked_until: datetime | None) -> bool:
    return locked_until is not None and locked_until > clock.wall()


@query
async def enrolled_factors(actor: Actor, *, staff_id: UUID) -> list[FactorKind]:
    return [kind for kind in ENROLLED if await FACTORS[kind].enrolled(staff_id=staff_id)]


@query
async def missing_parts(actor: Actor, *, staff_id: UUID) -> str:
    """What a login still lacks, as words for the login page: `password`, `second_factor`."""
    row = await fetch_one("SELECT role, one_time_until FROM staff_login WHERE staff_id = $1", staff_id)
    if row is None:
        return ""
    lacks_factor = SECOND_FACTOR[StaffRole(row["role"])] and not await enrolled_factors(
        actor, staff_id=staff_id
    )
    lacking = {"password": row["one_time_until"] is not None, "second_factor": lacks_factor}
    return " ".join(word for word, lacks in lacking.items() if lacks)


@action
async def weigh(
    actor: Actor, *, staff_id: UUID, seen_hash: str, knows: bool, proof: Proof | None
) -> Proved | DomainError:
    """Weigh a password that was compared with `seen_hash` before, and a proof of the second factor.

    A refusal is returned, not raised, because what it counted must commit. The row stays locked until
    then, so that guesses at one login stand in line and a lock holds for those under way, too.
    """
    row = await fetch_one(
        "SELECT * FROM staff_login WHERE staff_id = $1 AND disabled_at IS NULL FOR UPDATE", staff_id
    )
    if row is None:
        return LoginRefused()
    if is_locked(row["locked_until"]):
        return LoginLocked(row["locked_until"])
    if not knows or row["password_hash"] != seen_hash:
        return await _fail(row)
    if row["one_time_until"] is not None and row["one_time_until"] <= clock.wall():
        return OneTimePasswordExpired()
    factors = await enrolled_factors(actor, staff_id=staff_id)
    if not factors:
        return await _pass(row, (PASSWORD_AMR,), has_factor=False)
    if proof is None:
        return SecondFactorRequired(factors)
    return await _weigh_factor(row, proof)


async def _weigh_factor(row: asyncpg.Record, proof: Proof) -> Proved | DomainError:
    factor = FACTORS[proof.kind]
    match await factor.prove(staff_id=row["staff_id"], proof=proof):
        case Verdict.RIGHT:
            return await _pass(row, (PASSWORD_AMR, factor.amr), has_factor=True)
        case Verdict.WRONG:
            return await _fail(row)
        case Verdict.USED:  # who repeats it guessed nothing: refused, and no step towards a lock
            return LoginRefused()


async def _fail(row: asyncpg.Record) -> LoginRefused:
    failures = row["failures"] + 1
    locks = failures >= FAILURES_MAX
    await fetch_value(
        "UPDATE staff_login SET failures = $2, locked_until = $3 WHERE staff_id = $1",
        row["staff_id"],
        0 if locks else failures,
        clock.wall() + timedelta(minutes=LOCKED_MINUTES) if locks else None,
    )
    log.warning("staff_login_failed", staff_id=str(row["staff_id"]), locked=locks)
    return LoginRefused()


async def _pass(row: asyncpg.Record, amr: tuple[str, ...], *, has_factor: bool) -> Proved:
    await fetch_value(
        "UPDATE staff_login SET failures = 0, locked_until = NULL WHERE staff_id = $1", row["staff_id"]
    )
    return Proved(
        role=StaffRole(row["role"]),
        auth_version=row["auth_version"],
        amr=amr,
        has_factor=has_factor,
        one_time=row["one_time_until"] is not None,
    )
