"""Terminals and displays: each stands in one place and proves its own key for a short token."""

from uuid import UUID

import asyncpg
import msgspec

from app.identity.queries import DeviceNotFound
from app.identity.roles import DeviceKind, PlaceKind
from app.identity.sessions import AccessToken, Login, open_session
from app.identity.tokens import DEVICE_TOKEN_SECONDS
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Unauthenticated

TOKEN_TYPE = "DPoP"  # noqa: S105 - the word of RFC 9449, not a secret
PROVED_BY_KEY = ("pop",)  # RFC 8176


class DeviceRefused(Unauthenticated):
    code = "device_refused"
    message = "设备未登记、密钥不符或已停用，请联系信息科重新登记。"


class BedHasTerminal(DomainError):
    code = "bed_has_terminal"
    message = "该床位已有一台床旁终端，请先停用或移走原来的终端。"


@query
async def require_free_place(actor: Actor, *, kind: DeviceKind, place_id: UUID) -> None:
    """A bed has one terminal: a patient's data never stands on two screens."""
    taken = kind is DeviceKind.BEDSIDE and await fetch_value(
        "SELECT EXISTS (SELECT FROM device WHERE kind = 'bedside' AND place_id = $1 AND disabled_at IS NULL)",
        place_id,
    )
    if taken:
        raise BedHasTerminal(place_id=place_id)


@action
async def move_device(
    actor: Actor, *, device_id: UUID, place_kind: PlaceKind, place_id: UUID, place_name: str
) -> None:
    """Stand it somewhere else: its sessions end, as it must forget what it showed. Moved already is fine."""
    row = await fetch_one(
        "SELECT kind, place_id FROM device WHERE id = $1 AND disabled_at IS NULL FOR UPDATE", device_id
    )
    if row is None:
        raise DeviceNotFound(device_id=device_id)
    if row["place_id"] == place_id:
        return
    await require_free_place(actor, kind=DeviceKind(row["kind"]), place_id=place_id)
    await fetch_value(
        "UPDATE device SET place_kind = $2, place_id = $3, place_name = $4, auth_version = auth_version + 1"
        " WHERE id = $1",
        device_id,
        str(place_kind),
        place_id,
        place_name,
    )


@action
async def revoke_device(actor: Actor, *, device_id: UUID) -> None:
    """The device was lost or replaced: its tokens stop within a second. Revoked already is fine."""
    known = await fetch_value(
        "UPDATE device SET disabled_at = coalesce(disabled_at, $2), auth_version = auth_version + 1"
        " WHERE id = $1 RETURNING id",
        device_id,
        clock.wall(),
    )
    if known is None:
        raise DeviceNotFound(device_id=device_id)


@query
async def require_enrolled(actor: Actor, *, device_id: UUID, thumbprint: str) -> asyncpg.Record:
    """Kind and auth version of the device that has this key, or DeviceRefused."""
    row = await fetch_one(
        "SELECT kind, auth_version FROM device WHERE id = $1 AND key_thumbprint = $2 AND disabled_at IS NULL",
        device_id,
        thumbprint,
    )
    if row is None:
        raise DeviceRefused(device_id=device_id)
    return row


async def log_in_device(*, device_id: UUID, thumbprint: str) -> AccessToken:
    """A short token for the device whose key has just signed; it opens nothing without that key."""
    return await _log_in(ANONYMOUS, device_id=device_id, thumbprint=thumbprint)


@action
async def _log_in(actor: Actor, *, device_id: UUID, thumbprint: str) -> AccessToken:
    row = await require_enrolled(actor, device_id=device_id, thumbprint=thumbprint)
    login = Login(
        kind=ActorKind.DEVICE,
        id=device_id,
        channel=row["kind"],
        role=row["kind"],
        auth_version=row["auth_version"],
        amr=PROVED_BY_KEY,
        key_thumbprint=thumbprint,
    )
    _, token = await open_session(actor, login=login, seconds=DEVICE_TOKEN_SECONDS)
    return msgspec.structs.replace(token, token_type=TOKEN_TYPE)
