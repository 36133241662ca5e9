"""var/demo/credentials.json: how to be anybody in the demo hospital. Secrets are new for each one."""

import base64
import os
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from joserfc.jwk import ECKey

from app.identity.authenticator import seed_context
from app.identity.dpop import PublicKey, thumbprint
from app.identity.roles import DeviceKind, StaffRole
from app.identity.totp import new_seed
from app.kernel import clock
from app.kernel.crypto import encrypt
from app.kernel.ids import new_id
from app.kernel.settings import settings
from app.seed.copying import Rows
from app.seed.places import DEPARTMENTS, DevicePlan
from app.seed.staff import Member

PAGES = {
    DeviceKind.KIOSK: "kiosk",
    DeviceKind.HALL_DISPLAY: "display",
    DeviceKind.NURSE_STATION: "nurse",
    DeviceKind.BEDSIDE: "bedside",
    DeviceKind.WINDOW_DISPLAY: "display",
}
# Payers that the simulators make when they are first asked for.
WECHAT_USERS = ["wechat-parent", "wechat-neighbour"]
ALIPAY_USERS = ["alipay-grandfather", "alipay-colleague"]


class DeviceSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A device with the private key (JWK) that a real one would make itself and never show."""

    id: UUID
    private_jwk: dict[str, str]
    plan: DevicePlan


def new_passwords() -> dict[StaffRole, str]:
    """One password per role: 77 people in a demo need not have 77."""
    return {role: f"{role}-{secrets.token_hex(5)}" for role in StaffRole}


def new_totp_seeds(members: list[Member]) -> dict[UUID, str]:
    """One seed per login: two people who share one would use up each other's codes."""
    return {member.id: new_seed() for member in members}


def totp_rows(seeds: dict[UUID, str]) -> Rows:
    return Rows(
        table="totp_seed",
        columns=("staff_id", "seed", "last_step", "enrolled_at"),
        records=[
            (staff_id, encrypt(seed, context=seed_context(staff_id)), 0, clock.wall())
            for staff_id, seed in seeds.items()
        ],
    )


def new_devices(plans: list[DevicePlan]) -> list[DeviceSecret]:
    return [DeviceSecret(id=new_id(), private_jwk=_new_key(), plan=plan) for plan in plans]


def _new_key() -> dict[str, str]:
    made = ECKey.generate_key("P-256", private=True).as_dict(private=True)
    return {name: str(made[name]) for name in ("kty", "crv", "x", "y", "d")}


def device_rows(devices: list[DeviceSecret]) -> Rows:
    return Rows(
        table="device",
        columns=(
            "id",
            "kind",
            "label",
            "place_kind",
            "place_id",
            "place_name",
            "key_thumbprint",
            "auth_version",
        ),
        records=[
            (
                device.id,
                str(device.plan.kind),
                device.plan.label,
                device.plan.place_kind,
                device.plan.place_id,
                device.plan.place_name,
                _thumbprint(device),
                1,
            )
            for device in devices
        ],
    )


def _thumbprint(device: DeviceSecret) -> str:
    jwk = {name: part for name, part in device.private_jwk.items() if name != "d"}
    return thumbprint(msgspec.convert(jwk, PublicKey))


def write_credentials(
    *,
    members: list[Member],
    passwords: dict[StaffRole, str],
    totp_seeds: dict[UUID, str],
    devices: list[DeviceSecret],
) -> Path:
    """Written whole and readable by us alone, before the database commits what it opens."""
    names = {spec.code: spec.name for spec in DEPARTMENTS}
    content: dict[str, Any] = {
        "staff": [
            {
                "login_name": member.login_name,
                "password": passwords[member.role],
                "totp_seed": totp_seeds[member.id],
                "role": str(member.role),
                "name": member.name,
                "title": member.title,
                "department": names.get(member.department, ""),
                "staff_id": str(member.id),
            }
            for member in members
        ],
        "devices": [_device(device) for device in devices],
        "wechat_users": WECHAT_USERS,
        "alipay_users": ALIPAY_USERS,
    }
    path = settings().data / "demo" / "credentials.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
    return fresh.replace(path)


def _device(device: DeviceSecret) -> dict[str, Any]:
    plan = device.plan
    page = f"http://{settings().host}:{settings().port}/ui/{PAGES[plan.kind]}"
    return {
        "device_id": str(device.id),
        "private_jwk": device.private_jwk,
        "kind": str(plan.kind),
        "label": plan.label,
        "place": {"kind": plan.place_kind, "id": str(plan.place_id), "name": plan.place_name},
        "url": f"{page}#device_id={device.id}&private_jwk={_packed(device.private_jwk)}",
    }


def _packed(private_jwk: dict[str, str]) -> str:
    """For the part of an address that a browser keeps to itself."""
    return base64.urlsafe_b64encode(msgspec.json.encode(private_jwk)).rstrip(b"=").decode()
