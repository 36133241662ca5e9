"""Rows and tokens of identity."""

import base64
import hashlib
from itertools import count
from uuid import UUID

from app.identity.authenticator import seed_context
from app.identity.passwords import hash_password, set_staff_login
from app.identity.roles import StaffRole
from app.identity.sessions import Login, open_session
from app.identity.totp import code_of, new_seed, step_at
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind, Reach, system
from app.kernel.crypto import encrypt
from app.kernel.ids import new_id
from tests.make.proofs import KEYS, DeviceKey, key_of
from tests.make.rows import row
from tests.make.rows import value as row_of

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

_numbers = count(1)


async def account() -> UUID:
    return await row("account", auth_version=1)


async def account_actor() -> Actor:
    return Actor(kind=ActorKind.ACCOUNT, id=await account(), channel="mini_program")


def staff_actor(staff_id: UUID, *, role: str = "doctor", reach: Reach | None = None) -> Actor:
    """`reach` is what the policy grants for one request; without it, who is related."""
    return Actor(kind=ActorKind.STAFF, id=staff_id, channel="staff", role=role, reach=reach)


def device_actor(device_id: UUID, *, kind: str = "kiosk") -> Actor:
    return Actor(kind=ActorKind.DEVICE, id=device_id, channel=kind, role=kind)


async def staff_login(
    *, staff_id: UUID | None = None, role: str = "doctor", password: str = "right-password"
) -> tuple[UUID, str]:
    """(staff id, login name) of a login with this password and no second factor."""
    staff_id = staff_id or new_id()
    name = f"{role}{next(_numbers)}"
    await set_staff_login(
        system("test"),
        staff_id=staff_id,
        login_name=name,
        password_hash=await hash_password(password),
        role=StaffRole(role),
    )
    return staff_id, name


async def totp_seed(staff_id: UUID) -> str:
    """Enrol an authenticator app for a login; its seed."""
    seed = new_seed()
    sealed = encrypt(seed, context=seed_context(staff_id))
    await row_of(
        "INSERT INTO totp_seed (staff_id, seed, last_step, enrolled_at) VALUES ($1, $2, 0, $3)",
        staff_id,
        sealed,
        clock.wall(),
    )
    return seed


def otp(seed: str, *, aside: int = 0) -> str:
    """What the app shows now, or `aside` steps before or after."""
    return code_of(seed, step_at(clock.wall()) + aside)


async def staff_headers(*, role: str = "doctor", staff_id: UUID | None = None) -> dict[str, str]:
    return bearer(await staff_token(role=role, staff_id=staff_id))


async def device(
    *, kind: str = "kiosk", place_kind: str = "zone", place_id: UUID | None = None
) -> tuple[UUID, DeviceKey]:
    """(device id, its key)."""
    key = DeviceKey.new()
    device_id = await row(
        "device",
        kind=kind,
        label="一层1号机",
        place_kind=place_kind,
        place_id=place_id or new_id(),
        place_name="门诊大厅",
        key_thumbprint=key.thumbprint,
        auth_version=1,
    )
    KEYS[device_id] = key
    return device_id, key


async def account_token(account_id: UUID | None = None) -> str:
    return await token(ActorKind.ACCOUNT, account_id or await account(), channel="mini_program")


async def staff_token(*, role: str = "doctor", staff_id: UUID | None = None) -> str:
    """A token of a staff member with a login of this role; no password is hashed for it."""
    staff_id = staff_id or new_id()
    await set_staff_login(
        system("test"),
        staff_id=staff_id,
        login_name=f"{role}{next(_numbers)}",
        password_hash="unusable",
        role=StaffRole(role),
    )
    return await token(ActorKind.STAFF, staff_id, channel="staff", role=role)


async def device_token(*, kind: str = "kiosk", place_id: UUID | None = None) -> str:
    device_id, _ = await device(kind=kind, place_id=place_id)
    return await token(ActorKind.DEVICE, device_id, channel=kind, role=kind)


async def token(
    kind: ActorKind, actor_id: UUID, *, channel: str, role: str = "", auth_version: int = 1
) -> str:
    """A device's is bound to its key: send it by `bearer`, and the test clients sign."""
    jkt = KEYS[actor_id].thumbprint if kind is ActorKind.DEVICE else ""
    login = Login(
        kind=kind, id=actor_id, channel=channel, role=role, auth_version=auth_version, key_thumbprint=jkt
    )
    _, opened = await open_session(system("test"), login=login)
    return opened.access_token


def bearer(access_token: str) -> dict[str, str]:
    """The headers of a request; with a fresh Idempotency-Key, which reads ignore."""
    scheme = "DPoP" if key_of(access_token) else "Bearer"
    return {"Authorization": f"{scheme} {access_token}", "Idempotency-Key": f"key-{next(_numbers):08d}"}
