"""What others may ask about logins and devices."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.identity.roles import DeviceKind, Platform, StaffRole
from app.kernel.actor import Actor
from app.kernel.crypto import decrypt
from app.kernel.database import fetch, fetch_one, query
from app.kernel.errors import NotFound
from app.kernel.http import PAGE_MAX

DEVICES_MAX = 100


class DeviceNotFound(NotFound):
    code = "device_not_found"
    message = "没有找到该设备，请核对设备编号或联系信息科。"


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: DeviceKind
    label: str
    place_kind: str
    place_id: UUID
    place_name: str


DEVICE = "SELECT id, kind, label, place_kind, place_id, place_name FROM device WHERE disabled_at IS NULL"


@query
async def device(actor: Actor, *, device_id: UUID) -> DeviceView:
    row = await fetch_one(f"{DEVICE} AND id = $1", device_id)
    if row is None:
        raise DeviceNotFound(device_id=device_id)
    return msgspec.convert(dict(row), DeviceView)


@query
async def devices_at(actor: Actor, *, place_id: UUID, kind: DeviceKind | None = None) -> list[DeviceView]:
    """The devices that stand in a place."""
    rows = await fetch(
        f"{DEVICE} AND place_id = $1 AND ($2::text IS NULL OR kind = $2) ORDER BY label LIMIT $3",
        place_id,
        None if kind is None else str(kind),
        DEVICES_MAX,
    )
    return [msgspec.convert(dict(row), DeviceView) for row in rows]


class LoginNotFound(NotFound):
    code = "login_not_found"
    message = "没有找到该登录账号，请核对后重试。"


class StaffLoginView(msgspec.Struct, frozen=True, kw_only=True):
    staff_id: UUID
    login_name: str
    role: StaffRole
    locked_until: datetime | None
    one_time_until: datetime | None
    disabled_at: datetime | None
    has_second_factor: bool


STAFF_LOGIN = (
    "SELECT l.staff_id, l.login_name, l.role, l.locked_until, l.one_time_until, l.disabled_at,"
    " EXISTS (SELECT FROM totp_seed t WHERE t.staff_id = l.staff_id AND t.seed IS NOT NULL) OR EXISTS"
    " (SELECT FROM signing_key k WHERE k.staff_id = l.staff_id AND k.ended_at IS NULL) AS has_second_factor"
    " FROM staff_login l"
)


@query
async def staff_login(actor: Actor, *, staff_id: UUID) -> StaffLoginView:
    row = await fetch_one(f"{STAFF_LOGIN} WHERE l.staff_id = $1", staff_id)
    if row is None:
        raise LoginNotFound(staff_id=staff_id)
    return msgspec.convert(dict(row), StaffLoginView)


@query
async def staff_logins(actor: Actor, *, limit: int, after: UUID | None) -> list[StaffLoginView]:
    """All logins, disabled ones too."""
    rows = await fetch(
        f"{STAFF_LOGIN} WHERE ($1::uuid IS NULL OR l.staff_id > $1) ORDER BY l.staff_id LIMIT $2",
        after,
        min(limit, PAGE_MAX),
    )
    return [msgspec.convert(dict(row), StaffLoginView) for row in rows]


class InstalledDevice(DeviceView, frozen=True, kw_only=True):
    """A device as its keeper sees it, also after it was revoked."""

    enrolled_at: datetime
    revoked_at: datetime | None


INSTALLED = (
    "SELECT id, kind, label, place_kind, place_id, place_name, enrolled_at, disabled_at AS revoked_at"
    " FROM device"
)


@query
async def installed_device(actor: Actor, *, device_id: UUID) -> InstalledDevice:
    row = await fetch_one(f"{INSTALLED} WHERE id = $1", device_id)
    if row is None:
        raise DeviceNotFound(device_id=device_id)
    return msgspec.convert(dict(row), InstalledDevice)


@query
async def installed_devices(actor: Actor, *, limit: int, after: UUID | None) -> list[InstalledDevice]:
    """Newest first."""
    rows = await fetch(
        f"{INSTALLED} WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2", after, limit
    )
    return [msgspec.convert(dict(row), InstalledDevice) for row in rows]


@query
async def account_subject(actor: Actor, *, account_id: UUID, platform: Platform) -> str | None:
    """The account's openid or user id on a platform: whom the gateway bills. Never for a log."""
    row = await fetch_one(
        "SELECT id, subject FROM account_login WHERE account_id = $1 AND platform = $2"
        " ORDER BY created_at LIMIT 1",
        account_id,
        str(platform),
    )
    return None if row is None else decrypt(row["subject"], context=f"account_login.subject.{row['id']}")
