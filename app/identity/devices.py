"""Terminals and displays: each stands in one place and proves its key for a short token."""

import hashlib
import hmac
import secrets
from uuid import UUID

from app.identity.roles import DeviceKind
from app.identity.sessions import AccessToken, Login, open_session
from app.identity.tokens import DEVICE_TOKEN_SECONDS
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id

KEY_BYTES = 32


class DeviceRefused(Unauthenticated):
    code = "device_refused"
    message = "设备凭证无效或已停用，请联系信息科重新登记。"


@action
async def enrol_device(
    actor: Actor, *, kind: DeviceKind, label: str, place_kind: str, place_id: UUID, place_name: str
) -> tuple[UUID, str]:
    """Register a device in its place; its key is told once, here."""
    key = secrets.token_urlsafe(KEY_BYTES)
    device_id = new_id()
    await fetch_value(
        "INSERT INTO device (id, kind, label, place_kind, place_id, place_name, key_hash, auth_version)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
        device_id,
        str(kind),
        label,
        place_kind,
        place_id,
        place_name,
        hash_key(key),
    )
    return device_id, key


@action
async def disable_device(actor: Actor, *, device_id: UUID) -> None:
    """The device was lost or replaced: its tokens stop within a second."""
    await fetch_value("UPDATE device SET disabled_at = now() WHERE id = $1", device_id)


def hash_key(key: str) -> str:
    """A device key is 256 random bits, so one plain hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


async def log_in_device(*, device_id: UUID, device_key: str) -> AccessToken:
    return await _log_in(ANONYMOUS, device_id=device_id, device_key=device_key)


@action
async def _log_in(actor: Actor, *, device_id: UUID, device_key: str) -> AccessToken:
    row = await fetch_one(
        "SELECT kind, key_hash, auth_version FROM device WHERE id = $1 AND disabled_at IS NULL", device_id
    )
    if row is None or not hmac.compare_digest(row["key_hash"], hash_key(device_key)):
        raise DeviceRefused(device_id=device_id)
    login = Login(
        kind=ActorKind.DEVICE,
        id=device_id,
        channel=row["kind"],
        role=row["kind"],
        auth_version=row["auth_version"],
    )
    _, token = await open_session(actor, login=login, seconds=DEVICE_TOKEN_SECONDS)
    return token
