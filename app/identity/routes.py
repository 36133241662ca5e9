"""Tokens for everybody."""

from typing import Any, Literal

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from app.identity.sessions import AccessToken, redeem_code
from app.identity.tokens import public_keys


class RedeemCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grant_type: Literal["authorization_code"]
    code: str
    code_verifier: str


@post("/oauth/token", permission="public", status_code=200)
async def token(data: JSONBody[RedeemCode]) -> AccessToken:
    """Redeem an authorization code, once and within a minute."""
    return await redeem_code(code=data.code, verifier=data.code_verifier)


@get("/.well-known/jwks.json", permission="public", sync_to_thread=False)
def jwks() -> dict[str, Any]:
    """The public keys that our tokens verify with."""
    return public_keys()


router = Router(path="/", route_handlers=[token, jwks])
