"""Who is asking, and may they? The dependency and the guard that routes of every channel share."""

import asyncio
import time
from collections import OrderedDict
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from litestar.handlers import BaseRouteHandler

from app.identity.dpop import ProofInvalid, ProofMissing
from app.identity.limited import ENROL_PERMISSIONS, ENROL_SCOPE, require_complete, require_recent
from app.identity.policy import PUBLIC, REACH_OF, Row, role_of
from app.identity.policy_rows import POLICY
from app.identity.proofs import AnyConnection, accept_once, proved_key
from app.identity.scopes import covers, own_scope
from app.identity.sessions import is_live
from app.identity.tokens import Claims, TokenRefused, read_token
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.errors import Forbidden, Unauthenticated
from app.kernel.http import AnyRequest, request_id_of
from app.traces.showing import TRACE, Trace, begin

ALIVE_SECONDS_MAX = 1.0  # how long an ended session may still pass in this process
SESSIONS_REMEMBERED_MAX = 10_000
BEARER = "bearer"
SCHEMES = {BEARER, "dpop"}

VEIL = "veil"  # where the row's veil lies in the state of a request, for the app's response class


class NotSignedIn(Unauthenticated):
    code = "not_signed_in"
    message = "请先登录。"


class WrongRole(Forbidden):
    code = "wrong_role"
    message = "您的账号没有此项权限。如有需要，请联系管理员。"


class ScopeTooNarrow(Forbidden):
    code = "scope_too_narrow"
    message = "该令牌的授权范围不包括此项操作，请按需要的范围重新申请。"


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The actor of a request with the role that its token says: staff role or device kind."""

    actor: Actor
    role: str
    token_exp: datetime
    claims: Claims

    def has_scope(self, needed: str) -> bool:
        """May this token be used for what the scope names? It limits the role, and never widens it."""
        return covers(self.claims.scope, needed)


# Session ids that were alive a moment ago. Only yes is remembered: a no ends the request anyway.
_alive: OrderedDict[UUID, float] = OrderedDict()


def forget_sessions() -> None:
    _alive.clear()


async def current_actor(request: AnyRequest) -> Actor:
    """The dependency `actor`: who signed in with this request's token."""
    return (await signed_in(request)).actor


async def current_token_exp(request: AnyRequest) -> datetime:
    """The dependency `token_exp`: until when this request's token lets its holder in."""
    return (await signed_in(request)).token_exp


async def signed_in(connection: AnyConnection) -> SignedIn:
    """The same with the role; found out once per request, however many ask at the same time."""
    state = connection.scope.setdefault("state", {})
    async with state.setdefault("signing_in", asyncio.Lock()):
        if "signed_in" not in state:
            try:
                state["signed_in"] = await _sign_in(connection)
            except Unauthenticated as refusal:
                state["signed_in"] = refusal
    if isinstance(state["signed_in"], Unauthenticated):
        raise state["signed_in"]
    return state["signed_in"]


async def _sign_in(connection: AnyConnection) -> SignedIn:
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in SCHEMES or not token:
        raise NotSignedIn
    claims = read_token(token)
    if is_bound(claims):
        await _require_sender(connection, scheme=scheme.lower(), token=token, claims=claims)
    else:
        await _require_bearer(scheme.lower(), claims)
    return SignedIn(
        actor=_actor_of(claims, request_id_of(connection)),
        role=claims.role,
        token_exp=datetime.fromtimestamp(claims.exp, UTC),
        claims=claims,
    )


def _actor_of(claims: Claims, request_id: str) -> Actor:
    return Actor(
        kind=claims.kind,
        id=claims.sub,
        channel=claims.channel,
        session_id=claims.sid,
        request_id=request_id,
        role=claims.role,
    )


def is_bound(claims: Claims) -> bool:
    """A device's token works with its key alone, also where a bug had forgotten to bind it."""
    return claims.cnf is not None or claims.kind is ActorKind.DEVICE


async def _require_sender(connection: AnyConnection, *, scheme: str, token: str, claims: Claims) -> None:
    """The sender constraint of RFC 9449: who sends a bound token has signed this very request with its key.

    The session is asked for before the proof is stored: an ended one fills no table.
    """
    if scheme == BEARER:
        raise ProofMissing
    thumbprint, proof = await proved_key(connection, token=token)
    if claims.cnf is None or claims.cnf.get("jkt") != thumbprint:
        raise ProofInvalid
    await _require_live(claims)
    await accept_once(connection, thumbprint=thumbprint, proof=proof)


async def _require_bearer(scheme: str, claims: Claims) -> None:
    if scheme != BEARER:
        raise TokenRefused
    await _require_live(claims)


async def _require_live(claims: Claims) -> None:
    now = time.monotonic()
    if now - _alive.get(claims.sid, -ALIVE_SECONDS_MAX) < ALIVE_SECONDS_MAX:
        return
    _alive.pop(claims.sid, None)
    if not await is_live(ANONYMOUS, session_id=claims.sid):
        raise TokenRefused
    _alive[claims.sid] = now
    if len(_alive) > SESSIONS_REMEMBERED_MAX:
        _alive.popitem(last=False)


async def enforce_policy(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """The app's one guard: a route opens to the roles that the policy names, and to nobody else.

    What the row says of rows goes on with the actor, down to the database.
    """
    permission = handler.opt.get("permission", "")
    if permission == PUBLIC or connection.scope.get("method") == "OPTIONS":
        return
    who = await signed_in(connection)
    state = connection.scope["state"]
    state[TRACE] = begin(trace_of(who.actor, permission))
    row = POLICY.find(who.actor, permission)
    if row is None:
        raise WrongRole
    require_complete(who.claims.scope, permission=permission)
    if not _reaches(who, row):
        raise ScopeTooNarrow
    if row.step_up:
        require_recent(who.claims.auth_time)
    actor = msgspec.structs.replace(who.actor, reach=REACH_OF[row.rows])
    state["signed_in"] = msgspec.structs.replace(who, actor=actor)
    state[VEIL] = row.veil


def trace_of(actor: Actor, permission: str) -> Trace:
    """What this actor's use of the permission will leave behind, so far without a person."""
    return Trace(
        actor=actor,
        role=role_of(actor),
        permission=permission,
        sensitive=POLICY.is_logged(permission),
    )


def _reaches(who: SignedIn, row: Row) -> bool:
    """Does the token's scope reach the row? One without a scope is for our own pages, phones and devices:

    a partner's token, or a narrow one of somebody's app, opens it as little as another role would.
    """
    completes = row.permission in ENROL_PERMISSIONS and who.has_scope(ENROL_SCOPE)
    return completes or who.has_scope(row.scope or own_scope(who.actor.kind))
