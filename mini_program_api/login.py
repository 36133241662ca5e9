"""The first screen: log in with the platform's code."""

import msgspec
from litestar import Router, post
from litestar.params import JSONBody

from app.identity.channel_login import log_in_account
from app.identity.roles import Platform


class PlatformLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    platform: Platform
    code: str
    code_challenge: str


class CodeReply(msgspec.Struct, frozen=True):
    """What /oauth/token wants together with the verifier."""

    code: str


@post("/login", permission="public", status_code=200)
async def log_in(data: JSONBody[PlatformLogin]) -> CodeReply:
    return CodeReply(
        await log_in_account(platform=data.platform, code=data.code, challenge=data.code_challenge)
    )


router = Router(path="/api/mini-program/v1", route_handlers=[log_in])
