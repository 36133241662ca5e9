"""Tokens for everybody."""

from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from app.identity.devices import log_in_device
from app.identity.sessions import AccessToken, redeem_code
from app.identity.tokens import public_keys


class RedeemCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grant_type: Literal["authorization_code"]
    code: str
    code_verifier: str


class DeviceLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_id: UUID
    device_key: str


@post("/oauth/token", permission="public", status_code=200)
async def token(data: JSONBody[RedeemCode]) -> AccessToken:
    """Redeem an authorization code, once and within a minute."""
    return await redeem_code(code=data.code, verifier=data.code_verifier)


@post("/oauth/device", permission="public", status_code=200)
async def device_token(data: JSONBody[DeviceLogin]) -> AccessToken:
    """A short token for a device that knows its key."""
    return await log_in_device(device_id=data.device_id, device_key=data.device_key)


@get("/.well-known/jwks.json", permission="public", sync_to_thread=False)
def jwks() -> dict[str, Any]:
    """The public keys that our tokens verify with."""
    return public_keys()


router = Router(path="/", route_handlers=[token, device_token, jwks])
