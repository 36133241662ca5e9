"""A staff member's authenticator app: enrolled by its first code, each code once, and codes for its loss."""

import hashlib
import re
import secrets
from base64 import b32encode
from datetime import timedelta
from uuid import UUID

import msgspec

from app.identity import totp
from app.identity.events import SecondFactorEnrolled
from app.identity.roles import FactorKind
from app.identity.second_factor import Proof, Verdict
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.crypto import decrypt, encrypt
from app.kernel.database import action, execute_many, fetch_one, fetch_value
from app.kernel.errors import Invalid, WrongState
from app.kernel.events import emit
from app.kernel.ids import new_id

PENDING_MINUTES = 10
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits: nothing to stretch
CODE = re.compile(r"[0-9]{6}", re.ASCII)


class EnrolmentOver(WrongState):
    code = "enrolment_over"
    message = "动态口令的绑定已过期，请重新扫描二维码。"


class FirstCodeWrong(Invalid):
    code = "first_code_wrong"
    message = "动态口令不正确，请核对手机时间后输入最新的 6 位数字。"


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator app needs. It is told once, here."""

    seed: str
    uri: str


@action
async def start_enrolment(actor: Actor) -> Enrolment:
    """A new seed that waits for its first code. An enrolled one stays valid until then."""
    seed = totp.new_seed()
    login_name = await fetch_value("SELECT login_name FROM staff_login WHERE staff_id = $1", actor.id)
    assert login_name is not None
    await fetch_value(
        "INSERT INTO totp_seed (staff_id, last_step, pending_seed, pending_until) VALUES ($1, 0, $2, $3)"
        " ON CONFLICT (staff_id) DO UPDATE SET pending_seed = $2, pending_until = $3",
        actor.id,
        encrypt(seed, context=f"totp_seed.pending_seed.{actor.id}"),
        clock.wall() + timedelta(minutes=PENDING_MINUTES),
    )
    return Enrolment(seed=seed, uri=totp.enrolment_uri(seed, login_name=login_name))


@action
async def confirm_enrolment(actor: Actor, *, code: str) -> list[str]:
    """The first code proves that the app has the seed; older sessions end. New recovery codes return."""
    row = await fetch_one(
        "SELECT pending_seed FROM totp_seed WHERE staff_id = $1 AND pending_until > $2 FOR UPDATE",
        actor.id,
        clock.wall(),
    )
    if row is None:
        raise EnrolmentOver
    assert actor.id is not None
    seed = decrypt(row["pending_seed"], context=f"totp_seed.pending_seed.{actor.id}")
    steps = totp.steps_of(seed, code, at=clock.wall()) if CODE.fullmatch(code) else []
    if not steps:
        raise FirstCodeWrong
    await fetch_value(
        "UPDATE totp_seed SET seed = $2, last_step = $3, enrolled_at = $4, pending_seed = NULL,"
        " pending_until = NULL WHERE staff_id = $1",
        actor.id,
        encrypt(seed, context=seed_context(actor.id)),
        max(steps),
        clock.wall(),
    )
    await fetch_value("UPDATE staff_login SET auth_version = auth_version + 1 WHERE staff_id = $1", actor.id)
    await emit(actor, SecondFactorEnrolled(staff_id=actor.id, factor=FactorKind.TOTP))
    return await renew_recovery_codes(actor)


def seed_context(staff_id: UUID) -> str:
    """Where an enrolled seed is at home: moved to another row, it does not open."""
    return f"totp_seed.seed.{staff_id}"


@action
async def renew_recovery_codes(actor: Actor) -> list[str]:
    """Ten new ones, told once; the ones before are worth nothing from now on."""
    assert actor.id is not None
    await fetch_value("DELETE FROM recovery_code WHERE staff_id = $1", actor.id)
    codes = [b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    rows = [(new_id(), actor.id, recovery_hash(actor.id, code)) for code in codes]
    await execute_many("INSERT INTO recovery_code (id, staff_id, code_hash) VALUES ($1, $2, $3)", rows)
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def recovery_hash(staff_id: UUID, code: str) -> str:
    plain = code.replace("-", "").replace(" ", "").upper()
    return hashlib.sha256(f"{staff_id}:{plain}".encode()).hexdigest()


class Authenticator:
    """RFC 6238 with the window of `totp.STEPS_ASIDE`; the newest used step is kept, older ones are USED."""

    amr = "otp"

    async def enrolled(self, *, staff_id: UUID) -> bool:
        return await fetch_value(
            "SELECT EXISTS (SELECT FROM totp_seed WHERE staff_id = $1 AND seed IS NOT NULL)", staff_id
        )

    async def prove(self, *, staff_id: UUID, proof: Proof) -> Verdict:
        row = await fetch_one(
            "SELECT seed, last_step FROM totp_seed WHERE staff_id = $1 AND seed IS NOT NULL", staff_id
        )
        if row is None or not CODE.fullmatch(proof.answer):
            return Verdict.WRONG
        seed = decrypt(row["seed"], context=seed_context(staff_id))
        steps = totp.steps_of(seed, proof.answer, at=clock.wall())
        if not steps:
            return Verdict.WRONG
        taken = await fetch_value(
            "UPDATE totp_seed SET last_step = $2 WHERE staff_id = $1 AND last_step < $2 RETURNING 1",
            staff_id,
            max(steps),
        )
        return Verdict.USED if taken is None else Verdict.RIGHT


class RecoveryCodes:
    """Printed codes, each once, by compare-and-set."""

    amr = "otp"

    async def enrolled(self, *, staff_id: UUID) -> bool:
        return await fetch_value(
            "SELECT EXISTS (SELECT FROM recovery_code WHERE staff_id = $1 AND used_at IS NULL)", staff_id
        )

    async def prove(self, *, staff_id: UUID, proof: Proof) -> Verdict:
        code_hash = recovery_hash(staff_id, proof.answer)
        taken = await fetch_value(
            "UPDATE recovery_code SET used_at = $3 WHERE staff_id = $1 AND code_hash = $2 AND used_at IS NULL"
            " RETURNING 1",
            staff_id,
            code_hash,
            clock.wall(),
        )
        if taken is not None:
            return Verdict.RIGHT
        known = await fetch_value("SELECT 1 FROM recovery_code WHERE code_hash = $1", code_hash)
        return Verdict.WRONG if known is None else Verdict.USED
