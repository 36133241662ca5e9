"""From a login to a session: authorization codes redeemed once with PKCE, sessions that can be ended."""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.identity.oauth_errors import OAuthRefusal
from app.identity.scopes import own_scope
from app.identity.tokens import TOKEN_SECONDS, Claims, issue_token
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import Invalid
from app.kernel.ids import new_id

CODE_SECONDS = 60
SECRET_BYTES = 32
SESSION_HOURS = {ActorKind.ACCOUNT: 24 * 30, ActorKind.STAFF: 12, ActorKind.DEVICE: 24, ActorKind.CLIENT: 1}
# Who can come back for another access token without a new login; devices and partners prove a key instead.
REFRESHED = {ActorKind.ACCOUNT, ActorKind.STAFF}
OUR_CLIENTS = {ActorKind.ACCOUNT: "mini_program", ActorKind.STAFF: "staff_web"}
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class ChallengeMalformed(Invalid):
    code = "challenge_malformed"
    message = "登录请求缺少有效的 code_challenge（S256），请升级客户端后重试。"


class GrantRefused(OAuthRefusal):
    """One answer for every reason, so that nobody learns which part was right."""

    error = code = "invalid_grant"
    message = "登录凭证无效或已过期，请重新登录。"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has proved who they are, when, and how (`amr`: RFC 8176 words)."""

    kind: ActorKind
    id: UUID
    channel: str
    role: str
    auth_version: int
    client_id: str = ""
    scope: str = ""
    auth_time: datetime = msgspec.field(default_factory=clock.wall)
    amr: tuple[str, ...] = ()
    key_thumbprint: str = ""


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    access_token: str
    expires_in: int
    scope: str = ""
    token_type: str = "Bearer"  # noqa: S105 - the OAuth word, not a secret
    refresh_token: str | msgspec.UnsetType = msgspec.UNSET


def first_party(login: Login) -> Login:
    """A login through one of our own pages, phones or devices names no client: ours, with its whole scope."""
    return msgspec.structs.replace(
        login,
        client_id=login.client_id or OUR_CLIENTS.get(login.kind, login.role),
        scope=login.scope or own_scope(login.kind),
    )


def is_same_client(said: str, held: str) -> bool:
    """Does what was issued to the client `held` come back from it? Only our own need not say their name."""
    return said == held or (not said and held in OUR_CLIENTS.values())


@action
async def grant_code(actor: Actor, *, login: Login, challenge: str, redirect_uri: str = "") -> str:
    """An authorization code for a proven login, bound to the S256 challenge of who asked.

    A code of /oauth/authorize is bound to its redirect_uri too; a login on our own pages has none.
    """
    require_challenge(challenge)
    code = secrets.token_urlsafe(SECRET_BYTES)
    login = first_party(login)
    await fetch_value(
        "INSERT INTO auth_code (code_hash, actor_kind, actor_id, channel, role, auth_version, client_id,"
        " scope, auth_time, amr, challenge, redirect_uri, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        hash_secret(code),
        str(login.kind),
        login.id,
        login.channel,
        login.role,
        login.auth_version,
        login.client_id,
        login.scope,
        login.auth_time,
        " ".join(login.amr),
        challenge,
        redirect_uri,
        clock.wall() + timedelta(seconds=CODE_SECONDS),
    )
    return code


def require_challenge(challenge: str) -> None:
    """Only what an S256 challenge looks like: the base64url of 32 bytes."""
    if not CHALLENGE.fullmatch(challenge):
        raise ChallengeMalformed


async def redeem_code(
    *, code: str, verifier: str, client_id: str = "", redirect_uri: str = ""
) -> AccessToken:
    """Turn a code into a session and its first tokens. A code that comes twice ends the session it made.

    Who names no client can redeem what our own pages and phones were given, and nothing else.
    """
    token = await _redeem(
        ANONYMOUS, code=code, verifier=verifier, client_id=client_id, redirect_uri=redirect_uri
    )
    if token is None:
        raise GrantRefused
    return token


@action
async def _redeem(
    actor: Actor, *, code: str, verifier: str, client_id: str, redirect_uri: str
) -> AccessToken | None:
    # A None commits: what a wrong attempt uses up or ends must stay so.
    login = await use_code(
        actor, code=code, verifier=verifier, client_id=client_id, redirect_uri=redirect_uri
    )
    if login is None:
        return None
    session_id, token = await open_session(actor, login=login)
    await fetch_value(
        "UPDATE auth_code SET session_id = $2 WHERE code_hash = $1", hash_secret(code), session_id
    )
    return token


@action
async def use_code(
    actor: Actor, *, code: str, verifier: str, client_id: str = "", redirect_uri: str = ""
) -> Login | None:
    """The login behind a code, once; a None is to be committed. A second use ends what the first began."""
    row = await fetch_one(
        "UPDATE auth_code SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL RETURNING *",
        hash_secret(code),
        clock.wall(),
    )
    if row is None:
        known = await fetch_value("SELECT session_id FROM auth_code WHERE code_hash = $1", hash_secret(code))
        await end_session(actor, session_id=known)
        return None
    if (
        row["expires_at"] < clock.wall()
        or not _proves(verifier, row["challenge"])
        or redirect_uri != row["redirect_uri"]
        or not is_same_client(client_id, row["client_id"])
    ):
        return None
    return login_of(row)


def login_of(row: asyncpg.Record) -> Login:
    """The login that a row of auth_code or login_session holds."""
    return Login(
        kind=ActorKind(row["actor_kind"]),
        id=row["actor_id"],
        channel=row["channel"],
        role=row["role"],
        auth_version=row["auth_version"],
        client_id=row["client_id"],
        scope=row["scope"],
        auth_time=row["auth_time"],
        amr=tuple(row["amr"].split()),
        key_thumbprint=row.get("key_thumbprint", ""),
    )


def _proves(verifier: str, challenge: str) -> bool:
    if not VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)


def hash_secret(secret: str) -> str:
    """What is stored of a code or a refresh token: 256 random bits need no stretching."""
    return hashlib.sha256(secret.encode()).hexdigest()


@action
async def open_session(actor: Actor, *, login: Login, seconds: int | None = None) -> tuple[UUID, AccessToken]:
    """A session, its first access token, and a refresh token for who logs in as a person.

    `seconds` is the access token's life, by default the kind's.
    """
    session_id = new_id()
    login = first_party(login)
    await fetch_value(
        "INSERT INTO login_session (id, actor_kind, actor_id, channel, role, auth_version, client_id,"
        " scope, auth_time, amr, key_thumbprint, started_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        session_id,
        str(login.kind),
        login.id,
        login.channel,
        login.role,
        login.auth_version,
        login.client_id,
        login.scope,
        login.auth_time,
        " ".join(login.amr),
        login.key_thumbprint,
        clock.wall(),
        clock.wall() + timedelta(hours=SESSION_HOURS[login.kind]),
    )
    return session_id, await next_tokens(actor, login=login, session_id=session_id, seconds=seconds)


@action
async def next_tokens(
    actor: Actor, *, login: Login, session_id: UUID, seconds: int | None = None
) -> AccessToken:
    """A fresh access token of a session, with a fresh refresh token where the session has them."""
    seconds = seconds or TOKEN_SECONDS[login.kind]
    access = issue_token(claims_of(login, session_id=session_id, seconds=seconds))
    token = AccessToken(access_token=access, expires_in=seconds, scope=login.scope)
    if login.kind not in REFRESHED:
        return token
    refresh_token = secrets.token_urlsafe(SECRET_BYTES)
    await fetch_value(
        "INSERT INTO refresh_token (token_hash, session_id) VALUES ($1, $2)",
        hash_secret(refresh_token),
        session_id,
    )
    return msgspec.structs.replace(token, refresh_token=refresh_token)


def claims_of(login: Login, *, session_id: UUID, seconds: int) -> Claims:
    """What the next token of a session says; it lives for `seconds` from now."""
    return Claims(
        sub=login.id,
        sid=session_id,
        kind=login.kind,
        role=login.role,
        channel=login.channel,
        av=login.auth_version,
        exp=int(clock.wall().timestamp()) + seconds,
        auth_time=int(login.auth_time.timestamp()),
        client_id=login.client_id,
        scope=login.scope,
        amr=login.amr,
        cnf={"jkt": login.key_thumbprint} if login.key_thumbprint else None,
    )


@action
async def end_session(actor: Actor, *, session_id: UUID | None) -> None:
    """Log out: the session's tokens stop working within a second."""
    await fetch_value(
        "UPDATE login_session SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1",
        session_id,
        clock.wall(),
    )


@query
async def is_live(actor: Actor, *, session_id: UUID | None) -> bool:
    """Is this login neither ended nor outdated, and its owner not disabled?"""
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM login_session s"
        " LEFT JOIN account a ON s.actor_kind = 'account' AND a.id = s.actor_id"
        " LEFT JOIN staff_login l ON s.actor_kind = 'staff' AND l.staff_id = s.actor_id"
        " LEFT JOIN device d ON s.actor_kind = 'device' AND d.id = s.actor_id"
        " LEFT JOIN oauth_client p ON s.actor_kind = 'client' AND p.id = s.actor_id"
        " LEFT JOIN oauth_client c ON c.client_id = s.client_id"
        " WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2"
        " AND s.auth_version = coalesce(a.auth_version, l.auth_version, d.auth_version, p.auth_version)"
        " AND coalesce(a.disabled_at, l.disabled_at, d.disabled_at, c.disabled_at) IS NULL)",
        session_id,
        clock.wall(),
    )
