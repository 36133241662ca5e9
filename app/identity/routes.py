"""The login of staff and of devices; tokens are a matter of oauth_routes."""

from uuid import UUID

import msgspec
from litestar import Router, post
from litestar.params import JSONBody

from app.identity.devices import log_in_device
from app.identity.passwords import log_in_staff
from app.identity.sessions import AccessToken


class DeviceLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_id: UUID
    device_key: str


class StaffLoginForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    login_name: str
    password: str
    code_challenge: str


class CodeReply(msgspec.Struct, frozen=True):
    """What /oauth/token wants together with the verifier."""

    code: str


@post("/oauth/device", permission="public", status_code=200)
async def device_token(data: JSONBody[DeviceLogin]) -> AccessToken:
    """A short token for a device that knows its key."""
    return await log_in_device(device_id=data.device_id, device_key=data.device_key)


@post("/api/staff/v1/login", permission="public", status_code=200)
async def staff_login(data: JSONBody[StaffLoginForm]) -> CodeReply:
    code = await log_in_staff(
        login_name=data.login_name, password=data.password, challenge=data.code_challenge
    )
    return CodeReply(code)


router = Router(path="/", route_handlers=[device_token, staff_login])
