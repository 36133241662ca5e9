"""How a device comes in: an administrator's one-time code for a place, and a key that the device makes."""

import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

import asyncpg
import msgspec

from app.identity.devices import require_free_place
from app.identity.roles import DeviceKind, PlaceKind
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, system
from app.kernel.crypto import blind_index, blind_indexes
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Unauthenticated
from app.kernel.ids import new_id

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that looks like something else
CODE_LENGTH = 10  # 31^10, nearly 50 bits
CODE_COLUMN = "device_enrolment.code"
CODE_MINUTES = 10
# Wrong codes within the code's life: of one address, and of all together. With 1,000 guesses against 100
# open codes a guess succeeds in one of eight thousand million tries.
TRIES_OF_ADDRESS_MAX = 10
TRIES_MAX = 1_000
FORGOTTEN_AT_ONCE_MAX = 10_000


class EnrolmentRefused(Unauthenticated):
    """One answer for unknown, used and late codes."""

    code = "enrolment_refused"
    message = "登记码无效、已使用或已过期，请联系信息科重新生成登记码。"


class EnrolmentPaused(DomainError):
    code = "enrolment_paused"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "登记码输错次数过多，请 10 分钟后再试。"
    retry_after_s = CODE_MINUTES * 60


class KeyEnrolled(DomainError):
    code = "device_key_enrolled"
    message = "这台设备的密钥已经登记过，请刷新页面生成新的密钥后再登记。"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A place that waits for its device. `code` is told here and nowhere else."""

    id: UUID
    code: str
    expires_at: datetime


@action
async def offer_enrolment(
    actor: Actor, *, kind: DeviceKind, label: str, place_kind: PlaceKind, place_id: UUID, place_name: str
) -> Offer:
    """A code for one device of this kind at this place; single use, 10 minutes."""
    await require_free_place(actor, kind=kind, place_id=place_id)
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    offer = Offer(id=new_id(), code=code, expires_at=clock.wall() + timedelta(minutes=CODE_MINUTES))
    await fetch_value(
        "INSERT INTO device_enrolment (id, code_index, kind, label, place_kind, place_id, place_name,"
        " offered_by, offered_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        offer.id,
        blind_index(_typed(code), column=CODE_COLUMN),
        str(kind),
        label,
        str(place_kind),
        place_id,
        place_name,
        actor.id,
        clock.wall(),
        offer.expires_at,
    )
    return offer


def _typed(code: str) -> str:
    """As it was made, however it was typed: in small letters, in groups."""
    return code.upper().replace("-", "").replace(" ", "")


async def enrol_device(*, code: str, thumbprint: str, address: str) -> UUID:
    """The id of the device whose key is `thumbprint`. A vain try is counted although it is refused.

    The same key with the same code gets the same answer, for a device that lost the first one.
    """
    device_id = await _enrol(ANONYMOUS, code=code, thumbprint=thumbprint, address=address)
    if device_id is None:
        raise EnrolmentRefused
    return device_id


@action
async def _enrol(actor: Actor, *, code: str, thumbprint: str, address: str) -> UUID | None:
    await _require_few_tries(address)
    device_id, now = new_id(), clock.wall()
    indexes = blind_indexes(_typed(code), column=CODE_COLUMN)
    offer = await fetch_one(
        "UPDATE device_enrolment SET used_at = $2, device_id = $3"
        " WHERE code_index = ANY($1) AND used_at IS NULL AND expires_at > $2 RETURNING *",
        indexes,
        now,
        device_id,
    )
    if offer is not None:
        await require_free_place(actor, kind=DeviceKind(offer["kind"]), place_id=offer["place_id"])
        await _place(offer, device_id=device_id, thumbprint=thumbprint)
        return device_id
    known = await fetch_value(
        "SELECT d.id FROM device_enrolment e JOIN device d ON d.id = e.device_id"
        " WHERE e.code_index = ANY($1) AND e.expires_at > $2 AND d.key_thumbprint = $3"
        " AND d.disabled_at IS NULL",
        indexes,
        now,
        thumbprint,
    )
    if known is None:
        await fetch_value(
            "INSERT INTO enrolment_try (id, address, at) VALUES ($1, $2, $3)", new_id(), address, now
        )
    return known


async def _require_few_tries(address: str) -> None:
    tries = await fetch_one(
        "SELECT count(*) AS all_of_them, count(*) FILTER (WHERE address = $1) AS of_address"
        " FROM enrolment_try WHERE at > $2",
        address,
        clock.wall() - timedelta(minutes=CODE_MINUTES),
    )
    assert tries is not None
    if tries["of_address"] >= TRIES_OF_ADDRESS_MAX or tries["all_of_them"] >= TRIES_MAX:
        raise EnrolmentPaused


async def _place(offer: asyncpg.Record, *, device_id: UUID, thumbprint: str) -> None:
    placed = await fetch_value(
        "INSERT INTO device (id, kind, label, place_kind, place_id, place_name, key_thumbprint, auth_version,"
        " enrolled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)"
        " ON CONFLICT (key_thumbprint) DO NOTHING RETURNING id",
        device_id,
        offer["kind"],
        offer["label"],
        offer["place_kind"],
        offer["place_id"],
        offer["place_name"],
        thumbprint,
        offer["used_at"],
    )
    if placed is None:
        raise KeyEnrolled


@action
async def _forget(actor: Actor) -> int:
    rows = await fetch(
        "DELETE FROM enrolment_try WHERE id IN"
        " (SELECT id FROM enrolment_try WHERE at < $1 ORDER BY at LIMIT $2) RETURNING id",
        clock.wall() - timedelta(minutes=CODE_MINUTES),
        FORGOTTEN_AT_ONCE_MAX,
    )
    return len(rows)


async def forget_tries() -> int:
    """The sweep: who guessed longer ago than a code lives is not held up by it."""
    return await _forget(system("sweeper"))
