"""Authorization requests: pushed by the client beforehand (RFC 9126), answered after a staff login."""

import secrets
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import msgspec

from app.identity.assertions import ClientRefused, identify_client, require_grant
from app.identity.clients import Client
from app.identity.limited import ENROL_SCOPE, LoginIncomplete
from app.identity.oauth_body import required
from app.identity.oauth_errors import OAuthRefusal
from app.identity.proving import missing_parts
from app.identity.roles import GrantType
from app.identity.scopes import ScopeRefused, covers, is_within, own_scope
from app.identity.sessions import (
    SECRET_BYTES,
    GrantRefused,
    grant_code,
    hash_secret,
    require_challenge,
    use_code,
)
from app.identity.tokens import issuer
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query

PUSHED_SECONDS = 600  # RFC 9126's most: a person types a password and finds her second factor meanwhile
REQUEST_URI = "urn:ietf:params:oauth:request_uri:"
LOGIN_PAGE = "/ui/login"
STATE_LENGTH_MAX = 512
WAITING = "SELECT client_id FROM pushed_request WHERE uri_hash = $1 AND used_at IS NULL AND expires_at > $2"


class RedirectRefused(OAuthRefusal):
    code = "redirect_uri_refused"
    message = "回调地址与登记的不一致（须逐字相同），请核对 redirect_uri。"


class ResponseTypeRefused(OAuthRefusal):
    error = "unsupported_response_type"
    code = "response_type_refused"
    message = "只支持授权码方式（response_type=code，response_mode=query）。"


class ChallengeMissing(OAuthRefusal):
    code = "challenge_malformed"
    message = "授权请求须带 code_challenge，且 code_challenge_method 只能是 S256。"


class RequestNotPushed(OAuthRefusal):
    code = "request_not_pushed"
    message = "授权请求不存在或已过期，请返回原系统重新登录（须先提交到 /oauth/par）。"


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    request_uri: str
    expires_in: int


async def push_request(parameters: dict[str, str]) -> Pushed:
    """Keep an authorization request until its person comes; the browser then carries only its handle."""
    client = await identify_client(parameters)
    if client is None:
        raise ClientRefused
    _require_sound(client, parameters)
    handle = secrets.token_urlsafe(SECRET_BYTES)
    await _keep(ANONYMOUS, handle=handle, client=client, parameters=parameters)
    return Pushed(request_uri=REQUEST_URI + handle, expires_in=PUSHED_SECONDS)


def _require_sound(client: Client, parameters: dict[str, str]) -> None:
    require_grant(client, GrantType.AUTHORIZATION_CODE)
    if "request_uri" in parameters or "request" in parameters:
        raise OAuthRefusal
    if required(parameters, "redirect_uri") not in client.redirect_uris:
        raise RedirectRefused
    if parameters.get("response_type") != "code" or parameters.get("response_mode", "query") != "query":
        raise ResponseTypeRefused
    if parameters.get("code_challenge_method") != "S256":
        raise ChallengeMissing
    require_challenge(parameters.get("code_challenge", ""))
    if not is_within(parameters.get("scope", ""), client.scopes):
        raise ScopeRefused
    if len(parameters.get("state", "")) > STATE_LENGTH_MAX:
        raise OAuthRefusal


@action
async def _keep(actor: Actor, *, handle: str, client: Client, parameters: dict[str, str]) -> None:
    await fetch_value(
        "INSERT INTO pushed_request (uri_hash, client_id, redirect_uri, scope, state, challenge, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        hash_secret(handle),
        client.client_id,
        parameters["redirect_uri"],
        parameters.get("scope", "") or client.scopes,
        parameters.get("state", ""),
        parameters["code_challenge"],
        clock.wall() + timedelta(seconds=PUSHED_SECONDS),
    )


async def login_page_for(*, client_id: str, request_uri: str) -> str:
    """Where the browser goes to log in for a pushed request; nobody else's address, whatever it says."""
    known = await _waiting(ANONYMOUS, handle=_handle(request_uri))
    if known is None or known != client_id:
        raise RequestNotPushed
    return f"{LOGIN_PAGE}?{urlencode({'client_id': client_id, 'request_uri': request_uri})}"


@query
async def _waiting(actor: Actor, *, handle: str) -> str | None:
    return await fetch_value(WAITING, hash_secret(handle), clock.wall())


def _handle(request_uri: str) -> str:
    return request_uri.removeprefix(REQUEST_URI)


async def answer_request(parameters: dict[str, str]) -> str:
    """Where to send the browser back to, with a code: for a pushed request and a staff login of just now.

    The proof is the code that the staff login gives to the page's own challenge, whatever factors it asked.
    """
    back = await _answer(
        ANONYMOUS,
        client_id=required(parameters, "client_id"),
        handle=_handle(required(parameters, "request_uri")),
        login_code=required(parameters, "login_code"),
        login_verifier=required(parameters, "login_verifier"),
    )
    if back is None:
        raise GrantRefused
    return back


@action
async def _answer(
    actor: Actor, *, client_id: str, handle: str, login_code: str, login_verifier: str
) -> str | None:
    # A None commits: a login's code that was tried is used up.
    login = await use_code(actor, code=login_code, verifier=login_verifier)
    if login is None or login.kind is not ActorKind.STAFF:
        return None
    if login.scope == ENROL_SCOPE:
        # Raised, so that the code stays good for /oauth/token, whose token can complete the login.
        raise LoginIncomplete(missing=await missing_parts(actor, staff_id=login.id))
    if not covers(login.scope, own_scope(login.kind)):
        return None  # a code that was given to another client
    asked = await fetch_one(
        "UPDATE pushed_request SET used_at = $3 WHERE uri_hash = $1 AND client_id = $2"
        " AND used_at IS NULL AND expires_at > $3 RETURNING *",
        hash_secret(handle),
        client_id,
        clock.wall(),
    )
    if asked is None:
        raise RequestNotPushed
    code = await grant_code(
        actor,
        login=msgspec.structs.replace(login, client_id=client_id, scope=asked["scope"]),
        challenge=asked["challenge"],
        redirect_uri=asked["redirect_uri"],
    )
    answer = {"code": code, "iss": issuer()} | ({"state": asked["state"]} if asked["state"] else {})
    separator = "&" if urlsplit(asked["redirect_uri"]).query else "?"
    return asked["redirect_uri"] + separator + urlencode(answer)
