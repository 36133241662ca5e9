"""Who stands before a kiosk: a card or a booking code becomes a token for 90 s on this device."""

import hashlib
import secrets
from datetime import timedelta
from http import HTTPStatus
from typing import Literal
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, NotFound, Unauthenticated
from app.kernel.ids import new_id
from app.outpatient.booking import CODE_BYTES
from app.patients.access import relate
from app.patients.queries import find_by_id_number, masked_name
from app.patients.rules import read_id_number
from app.patients.tables import CareReason

VISITOR_SECONDS = 90
TRIES_PER_MINUTE_MAX = 20
KEPT = timedelta(days=1)
FORGOTTEN_AT_ONCE_MAX = 2000
CODE_LENGTH = CODE_BYTES * 8 // 5

IdentifyKind = Literal["id_card", "booking_code"]


class VisitorUnknown(NotFound):
    code = "visitor_unknown"
    message = "没有查到相关预约，请核对证件或预约码，也可以到服务台办理。"


class TooManyTries(DomainError):
    code = "too_many_tries"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "本机操作过于频繁，请稍候一分钟再试，或到服务台办理。"
    retry_after_s = 60


class VisitorExpired(Unauthenticated):
    code = "visitor_expired"
    message = "操作已超时，请重新刷身份证或扫描预约码。"


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    person_id: UUID
    appointment_id: UUID | None
    masked_name: str
    expires_in: int = VISITOR_SECONDS


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a live token stands for. A booking code opens its own visit only."""

    person_id: UUID
    appointment_id: UUID | None


async def identify(actor: Actor, *, kind: IdentifyKind, value: str) -> Visitor:
    """Answer a card or a code with a visitor token, or raise VisitorUnknown; either way the try counts."""
    visitor = await try_identify(actor, kind=kind, value=value)
    if visitor is None:
        raise VisitorUnknown
    return visitor


@action
async def try_identify(actor: Actor, *, kind: IdentifyKind, value: str) -> Visitor | None:
    """One counted try of this device. None where nobody is found: the row of the try must stay."""
    assert actor.kind is ActorKind.DEVICE
    assert actor.id is not None
    await _require_few_tries(actor.id)
    person_id, appointment_id = await (_by_card(actor, value) if kind == "id_card" else _by_code(value))
    token = secrets.token_urlsafe(24)
    now = clock.wall()
    await fetch_value(
        "INSERT INTO kiosk_identification (id, device_id, found, token_hash, person_id, appointment_id,"
        " made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new_id(),
        actor.id,
        person_id is not None,
        None if person_id is None else _hash(token),
        person_id,
        appointment_id,
        now,
        now + timedelta(seconds=VISITOR_SECONDS),
    )
    if person_id is None:
        return None
    await relate(
        actor,
        person_id=person_id,
        device_id=actor.id,
        reason=CareReason.TERMINAL,
        until=await clock.now() + timedelta(seconds=VISITOR_SECONDS),
    )
    return Visitor(
        token=token,
        person_id=person_id,
        appointment_id=appointment_id,
        masked_name=await masked_name(actor, person_id=person_id),
    )


async def _require_few_tries(device_id: UUID) -> None:
    """A kiosk must not become a way to try card numbers: so many a minute, found or not."""
    await fetch("SELECT pg_advisory_xact_lock(hashtext('outpatient.identify'), hashtext($1))", str(device_id))
    tries = await fetch_value(
        "SELECT count(*) FROM kiosk_identification WHERE device_id = $1 AND made_at > $2",
        device_id,
        clock.wall() - timedelta(minutes=1),
    )
    if tries >= TRIES_PER_MINUTE_MAX:
        raise TooManyTries(device_id=device_id)


async def _by_card(actor: Actor, value: str) -> tuple[UUID | None, UUID | None]:
    number = read_id_number(value, today=await clock.today())
    if number is None:
        return None, None
    return await find_by_id_number(actor, id_number=number.number), None


async def _by_code(value: str) -> tuple[UUID | None, UUID | None]:
    code = value.strip().upper()[:CODE_LENGTH]
    row = await fetch_one("SELECT id, person_id FROM jiuyi.visit_of_code($1)", code)
    return (None, None) if row is None else (row["person_id"], row["id"])


@query
async def shown_by(actor: Actor, *, visitor_token: str) -> Shown:
    """Whom a token stands for, on the device it was made on and no other."""
    row = await fetch_one(
        "SELECT person_id, appointment_id FROM kiosk_identification"
        " WHERE token_hash = $1 AND device_id = $2 AND expires_at > $3",
        _hash(visitor_token),
        actor.id,
        clock.wall(),
    )
    if row is None:
        raise VisitorExpired
    return Shown(person_id=row["person_id"], appointment_id=row["appointment_id"])


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def forget_identifications() -> int:
    """Who stood before a kiosk yesterday is nobody's business today."""
    return await _forget(system("sweeper"))


@action
async def _forget(actor: Actor) -> int:
    rows = await fetch(
        "DELETE FROM kiosk_identification WHERE id IN (SELECT id FROM kiosk_identification"
        " WHERE made_at < $1 LIMIT $2) RETURNING id",
        clock.wall() - KEPT,
        FORGOTTEN_AT_ONCE_MAX,
    )
    return len(rows)
