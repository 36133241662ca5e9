"""The login of devices; tokens for everybody else are a matter of oauth_routes."""

from uuid import UUID

import msgspec
from litestar import Router, post
from litestar.params import JSONBody

from app.identity.devices import log_in_device
from app.identity.sessions import AccessToken


class DeviceLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_id: UUID
    device_key: str


@post("/oauth/device", permission="public", status_code=200)
async def device_token(data: JSONBody[DeviceLogin]) -> AccessToken:
    """A short token for a device that knows its key."""
    return await log_in_device(device_id=data.device_id, device_key=data.device_key)


router = Router(path="/", route_handlers=[device_token])
