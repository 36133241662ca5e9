"""Who is asking, and may they? The dependency and the guard that routes of every channel share."""

import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from app.identity.limited import require_complete, require_recent
from app.identity.policy import PUBLIC, REACH_OF
from app.identity.policy_rows import POLICY
from app.identity.sessions import is_live
from app.identity.tokens import Claims, TokenRefused, read_token
from app.kernel.actor import ANONYMOUS, Actor
from app.kernel.errors import Forbidden, Unauthenticated
from app.kernel.http import AnyRequest, request_id_of

ALIVE_SECONDS_MAX = 1.0  # how long an ended session may still pass in this process
SESSIONS_REMEMBERED_MAX = 10_000

VEIL = "veil"  # where the row's veil lies in the state of a request, for the app's response class

AnyConnection = ASGIConnection[Any, Any, Any, State]


class NotSignedIn(Unauthenticated):
    code = "not_signed_in"
    message = "请先登录。"


class WrongRole(Forbidden):
    code = "wrong_role"
    message = "您的账号没有此项权限。如有需要，请联系管理员。"


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The actor of a request with the role that its token says: staff role or device kind."""

    actor: Actor
    role: str
    token_exp: datetime
    claims: Claims


# Session ids that were alive a moment ago. Only yes is remembered: a no ends the request anyway.
_alive: OrderedDict[UUID, float] = OrderedDict()


def forget_sessions() -> None:
    _alive.clear()


async def current_actor(request: AnyRequest) -> Actor:
    """The dependency `actor`: who signed in with this request's bearer token."""
    return (await signed_in(request)).actor


async def current_token_exp(request: AnyRequest) -> datetime:
    """The dependency `token_exp`: until when this request's token lets its bearer in."""
    return (await signed_in(request)).token_exp


async def signed_in(connection: AnyConnection) -> SignedIn:
    """The same with the role; read once per request."""
    state = connection.scope.setdefault("state", {})
    if "signed_in" not in state:
        scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotSignedIn
        claims = await _live_claims(token)
        state["signed_in"] = SignedIn(
            actor=_actor_of(claims, request_id_of(connection)),  # type: ignore[arg-type] - reads scope and headers only
            role=claims.role,
            token_exp=datetime.fromtimestamp(claims.exp, UTC),
            claims=claims,
        )
    return state["signed_in"]


def _actor_of(claims: Claims, request_id: str) -> Actor:
    return Actor(
        kind=claims.kind,
        id=claims.sub,
        channel=claims.channel,
        session_id=claims.sid,
        request_id=request_id,
        role=claims.role,
    )


async def _live_claims(token: str) -> Claims:
    claims = read_token(token)
    now = time.monotonic()
    if now - _alive.get(claims.sid, -ALIVE_SECONDS_MAX) < ALIVE_SECONDS_MAX:
        return claims
    _alive.pop(claims.sid, None)
    if not await is_live(ANONYMOUS, session_id=claims.sid):
        raise TokenRefused
    _alive[claims.sid] = now
    if len(_alive) > SESSIONS_REMEMBERED_MAX:
        _alive.popitem(last=False)
    return claims


async def enforce_policy(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """The app's one guard: a route opens to the roles that the policy names, and to nobody else.

    What the row says of rows goes on with the actor, down to the database.
    """
    permission = handler.opt.get("permission", "")
    if permission == PUBLIC or connection.scope.get("method") == "OPTIONS":
        return
    who = await signed_in(connection)
    row = POLICY.find(who.actor, permission)
    if row is None:
        raise WrongRole
    require_complete(who.claims.scope, permission=permission)
    if row.step_up:
        require_recent(who.claims.auth_time)
    actor = msgspec.structs.replace(who.actor, reach=REACH_OF[row.rows])
    state = connection.scope["state"]
    state["signed_in"] = msgspec.structs.replace(who, actor=actor)
    state[VEIL] = row.veil
