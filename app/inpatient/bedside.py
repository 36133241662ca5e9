"""The terminal at a bed: opened by the wristband and the ID's last digits, closed when it rests."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from uuid import UUID

import asyncpg
import msgspec

from app.identity.limited import STEP_UP_SECONDS, StepUpRequired
from app.inpatient.rules import pause_after
from app.inpatient.tables import AdmissionStatus
from app.inpatient.wristbands import wristband_hash
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden, Unauthenticated
from app.kernel.ids import new_id
from app.patients.access import end_relation, relate
from app.patients.queries import id_number_ends_with
from app.patients.tables import CareReason

IDLE = timedelta(seconds=90)
LAST_DIGITS = 6
PROOF_LASTS = timedelta(seconds=STEP_UP_SECONDS)


class BedsideNotPlaced(Forbidden):
    code = "bedside_not_placed"
    message = "这台终端没有绑定床位，请联系信息科。"


class WristbandUnknown(Forbidden):
    code = "wristband_unknown"
    message = "无法识别该腕带，请重新扫描或联系护士。"


class WristbandReplaced(Forbidden):
    code = "wristband_replaced"
    message = "该腕带已更换，请扫描新的腕带。"


class WristbandNotThisBed(Forbidden):
    code = "wristband_not_this_bed"
    message = "该腕带不属于这张床位，请在自己的床旁使用。"


class StayEnded(Forbidden):
    code = "stay_ended"
    message = "该次住院已经结束，如需查询请使用手机或到窗口办理。"


class IdDigitsWrong(Forbidden):
    code = "id_digits_wrong"
    message = "证件号后 6 位不正确，请核对后重新输入。"


class BedsidePaused(DomainError):
    code = "bedside_paused"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "尝试次数过多，请 5 分钟后再试，或联系护士。"
    retry_after_s = 300


class BedsideLocked(Unauthenticated):
    code = "bedside_locked"
    message = "终端已锁定，请重新扫描腕带。"


PROVE_AGAIN = "为保护您的资金和隐私，请重新扫描腕带并输入证件号后 6 位。"


class Refusal(StrEnum):
    """Why a try opened nothing. It is counted, so its transaction commits and it is raised after that."""

    WRISTBAND_UNKNOWN = "wristband_unknown"
    WRISTBAND_REPLACED = "wristband_replaced"
    WRISTBAND_NOT_THIS_BED = "wristband_not_this_bed"
    STAY_ENDED = "stay_ended"
    ID_DIGITS_WRONG = "id_digits_wrong"
    BEDSIDE_PAUSED = "bedside_paused"


REFUSALS: dict[Refusal, type[DomainError]] = {
    Refusal.WRISTBAND_UNKNOWN: WristbandUnknown,
    Refusal.WRISTBAND_REPLACED: WristbandReplaced,
    Refusal.WRISTBAND_NOT_THIS_BED: WristbandNotThisBed,
    Refusal.STAY_ENDED: StayEnded,
    Refusal.ID_DIGITS_WRONG: IdDigitsWrong,
    Refusal.BEDSIDE_PAUSED: BedsidePaused,
}


class Opened(msgspec.Struct, frozen=True):
    token: str
    admission_id: UUID


class BedsideStay(msgspec.Struct, frozen=True, kw_only=True):
    """Whose stay an open terminal shows."""

    session_id: UUID
    admission_id: UUID
    encounter_id: UUID
    person_id: UUID
    proved_at: datetime
    expires_at: datetime


async def unlock_bedside(actor: Actor, *, wristband: str, id_last6: str) -> Opened:
    """Open this terminal for the patient of its own bed. A vain try is counted although it is refused."""
    outcome = await try_wristband(actor, wristband=wristband, id_last6=id_last6)
    if isinstance(outcome, Opened):
        return outcome
    raise REFUSALS[outcome]


@action
async def try_wristband(actor: Actor, *, wristband: str, id_last6: str) -> Opened | Refusal:
    band = await _read_band(actor, wristband, id_last6)
    return band if isinstance(band, Refusal) else await _open(actor, band)


async def prove_bedside(actor: Actor, *, token: str, wristband: str, id_last6: str) -> BedsideStay:
    """Show wristband and digits again in an open session, which goes on. Vain tries are counted as ever."""
    stay = await use_bedside(actor, token=token)
    refusal = await try_proof(actor, session_id=stay.session_id, wristband=wristband, id_last6=id_last6)
    if refusal is not None:
        raise REFUSALS[refusal]
    return await use_bedside(actor, token=token)


@action
async def try_proof(actor: Actor, *, session_id: UUID, wristband: str, id_last6: str) -> Refusal | None:
    band = await _read_band(actor, wristband, id_last6)
    if isinstance(band, Refusal):
        return band
    await fetch_value(
        "UPDATE bedside_tries SET failures = 0, paused_until = NULL WHERE device_id = $1", actor.id
    )
    # Of the same stay: the bed may have been given to somebody else a moment ago.
    await fetch_value(
        "UPDATE bedside_session SET proved_at = $3 WHERE id = $1 AND admission_id = $2 AND ended_at IS NULL",
        session_id,
        band["admission_id"],
        clock.wall(),
    )
    return None


def require_fresh_proof(stay: BedsideStay) -> None:
    """Before money and results: who sits at the bed now may be a visitor."""
    if clock.wall() - stay.proved_at > PROOF_LASTS:
        raise StepUpRequired(PROVE_AGAIN)


async def _read_band(actor: Actor, wristband: str, id_last6: str) -> asyncpg.Record | Refusal:
    bed_id = await bed_of_terminal(actor)
    tries = await fetch_one(  # takes the row, so that tries of one terminal stand in line
        "INSERT INTO bedside_tries AS t (device_id, failures) VALUES ($1, 0)"
        " ON CONFLICT (device_id) DO UPDATE SET failures = t.failures RETURNING failures, paused_until",
        actor.id,
    )
    assert tries is not None
    if tries["paused_until"] is not None and tries["paused_until"] > clock.wall():
        return Refusal.BEDSIDE_PAUSED
    band = await fetch_one("SELECT * FROM jiuyi.stay_of_wristband($1)", wristband_hash(wristband))
    refusal = await _refusal(actor, band, bed_id, id_last6)
    if refusal is not None:
        await _count_failure(actor, tries["failures"] + 1)
        return refusal
    assert band is not None
    return band


async def bed_of_terminal(actor: Actor) -> UUID:
    """The bed that the acting terminal stands at."""
    bed_id = await fetch_value(
        "SELECT place_id FROM device WHERE id = $1 AND kind = 'bedside' AND place_kind = 'bed'"
        " AND disabled_at IS NULL",
        actor.id,
    )
    if bed_id is None:
        raise BedsideNotPlaced
    return bed_id


async def _refusal(actor: Actor, band: asyncpg.Record | None, bed_id: UUID, id_last6: str) -> Refusal | None:
    """The order matters: digits are compared only for a band of this bed, so they tell about no other."""
    if band is None:
        return Refusal.WRISTBAND_UNKNOWN
    if band["status"] != AdmissionStatus.IN_WARD:
        return Refusal.STAY_ENDED
    if band["ended_at"] is not None:
        return Refusal.WRISTBAND_REPLACED
    if band["bed_id"] != bed_id:
        return Refusal.WRISTBAND_NOT_THIS_BED
    right = len(id_last6) == LAST_DIGITS and await id_number_ends_with(
        actor, person_id=band["person_id"], ending=id_last6
    )
    return None if right else Refusal.ID_DIGITS_WRONG


async def _count_failure(actor: Actor, failures: int) -> None:
    pause = pause_after(failures)
    await fetch_value(
        "UPDATE bedside_tries SET failures = $2, paused_until = $3 WHERE device_id = $1",
        actor.id,
        failures,
        None if pause is None else clock.wall() + pause,
    )


async def _open(actor: Actor, band: asyncpg.Record) -> Opened:
    await fetch_value(
        "UPDATE bedside_tries SET failures = 0, paused_until = NULL WHERE device_id = $1", actor.id
    )
    await _end_session_of_device(actor)
    token = secrets.token_urlsafe(32)
    now = clock.wall()
    await fetch_value(
        "INSERT INTO bedside_session"
        " (id, token_hash, device_id, admission_id, opened_at, proved_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $5, $6)",
        new_id(),
        _hash(token),
        actor.id,
        band["admission_id"],
        now,
        now + IDLE,
    )
    await _let_terminal_see(actor, band["person_id"])
    return Opened(token, band["admission_id"])


async def _let_terminal_see(actor: Actor, person_id: UUID) -> None:
    """Only as long as the session rests, whatever happens to the terminal."""
    until = await clock.now() + IDLE
    await relate(actor, person_id=person_id, device_id=actor.id, reason=CareReason.TERMINAL, until=until)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@action
async def use_bedside(actor: Actor, *, token: str) -> BedsideStay:
    """The stay behind an open session of this very terminal; using it starts the 90 seconds anew."""
    now = clock.wall()
    row = await fetch_one(
        "UPDATE bedside_session s SET expires_at = $3 FROM device d, jiuyi.stay_in_bed(d.place_id) a"
        " WHERE s.token_hash = $1 AND s.device_id = $2 AND s.ended_at IS NULL AND s.expires_at > $4"
        " AND a.admission_id = s.admission_id AND d.id = $2 AND d.disabled_at IS NULL"
        " RETURNING s.id AS session_id, a.admission_id, a.encounter_id, a.person_id, s.proved_at,"
        " s.expires_at",
        _hash(token),
        actor.id,
        now + IDLE,
        now,
    )
    if row is None:
        raise BedsideLocked
    await _let_terminal_see(actor, row["person_id"])
    return BedsideStay(**dict(row))


@action
async def lock_bedside(actor: Actor) -> UUID:
    """Close this terminal, whoever had it open. Locked already is fine."""
    await _end_session_of_device(actor)
    assert actor.id is not None
    return actor.id


async def _end_session_of_device(actor: Actor) -> None:
    row = await fetch_one(
        "UPDATE bedside_session SET ended_at = $2 WHERE device_id = $1 AND ended_at IS NULL"
        " RETURNING jiuyi.person_of_stay(admission_id) AS person_id",
        actor.id,
        clock.wall(),
    )
    if row is not None:
        await end_relation(actor, person_id=row["person_id"], device_id=actor.id)


@action
async def end_bedside_sessions(actor: Actor, *, admission_id: UUID) -> None:
    """Close every terminal that is open for a stay, in the transaction that ends or moves it."""
    rows = await fetch(
        "UPDATE bedside_session s SET ended_at = $2 FROM admission a"
        " WHERE s.admission_id = $1 AND s.ended_at IS NULL AND a.id = s.admission_id"
        " RETURNING s.device_id, a.person_id",
        admission_id,
        clock.wall(),
    )
    for row in rows:
        await end_relation(actor, person_id=row["person_id"], device_id=row["device_id"])
