"""Tokens for everybody, and the login of staff."""

from typing import Any, Literal

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from app.identity.passwords import log_in_staff
from app.identity.sessions import AccessToken, redeem_code
from app.identity.tokens import public_keys


class RedeemCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grant_type: Literal["authorization_code"]
    code: str
    code_verifier: str


class StaffLoginForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    login_name: str
    password: str
    code_challenge: str


class CodeReply(msgspec.Struct, frozen=True):
    """What /oauth/token wants together with the verifier."""

    code: str


@post("/oauth/token", status_code=200)
async def token(data: JSONBody[RedeemCode]) -> AccessToken:
    """Redeem an authorization code, once and within a minute."""
    return await redeem_code(code=data.code, verifier=data.code_verifier)


@get("/.well-known/jwks.json", sync_to_thread=False)
def jwks() -> dict[str, Any]:
    """The public keys that our tokens verify with."""
    return public_keys()


@post("/api/staff/v1/login", status_code=200)
async def staff_login(data: JSONBody[StaffLoginForm]) -> CodeReply:
    code = await log_in_staff(
        login_name=data.login_name, password=data.password, challenge=data.code_challenge
    )
    return CodeReply(code)


router = Router(path="/", route_handlers=[token, jwks, staff_login])
