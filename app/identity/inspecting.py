"""What a token is worth now (RFC 7662), and its end at its holder's wish (RFC 7009)."""

from uuid import UUID

import msgspec

from app.identity.assertions import identify_client, require_confidential
from app.identity.clients import Client
from app.identity.oauth_body import required
from app.identity.scopes import INTROSPECT, covers
from app.identity.sessions import end_session, hash_secret, is_live, is_same_client
from app.identity.tokens import AUDIENCE, TokenRefused, issuer, read_token
from app.kernel.actor import ANONYMOUS, Actor
from app.kernel.database import action, fetch_one, query


class Introspection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """SMART App Launch's answer; of a token that is worth nothing, only that. Times are Unix seconds."""

    active: bool
    scope: str = ""
    client_id: str = ""
    sub: str = ""
    exp: int = 0
    token_type: str = ""
    iss: str = ""
    aud: str = ""
    auth_time: int = 0
    cnf: dict[str, str] | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    session_id: UUID
    about: Introspection


INACTIVE = Introspection(active=False)
SESSION = (
    "SELECT s.*, r.used_at FROM refresh_token r JOIN login_session s ON s.id = r.session_id"
    " WHERE r.token_hash = $1"
)


async def introspect(parameters: dict[str, str]) -> Introspection:
    """Only for a client that signs; about tokens of others only where it is registered for that."""
    client = await require_confidential(parameters)
    found = await _find(ANONYMOUS, token=required(parameters, "token"))
    if found is None or not _may_ask(client, found.about.client_id):
        return INACTIVE
    live = found.about.active and await is_live(ANONYMOUS, session_id=found.session_id)
    return found.about if live else INACTIVE


def _may_ask(client: Client, holder: str) -> bool:
    return holder == client.client_id or covers(client.scopes, INTROSPECT)


async def revoke(parameters: dict[str, str]) -> None:
    """End the login of a token, with all that was issued for it. An unknown token is as good as ended."""
    client = await identify_client(parameters)
    said = "" if client is None else client.client_id
    await _revoke(ANONYMOUS, token=required(parameters, "token"), said=said)


@action
async def _revoke(actor: Actor, *, token: str, said: str) -> None:
    found = await _find(actor, token=token)
    if found is not None and is_same_client(said, found.about.client_id):
        await end_session(actor, session_id=found.session_id)


@query
async def _find(actor: Actor, *, token: str) -> Found | None:
    """The login behind an access or a refresh token; the hint of which it is, is not needed."""
    return _find_access(token) if "." in token else await _find_refresh(token)


def _find_access(token: str) -> Found | None:
    try:
        claims = read_token(token)
    except TokenRefused:
        return None
    about = Introspection(
        active=True,
        scope=claims.scope,
        client_id=claims.client_id,
        sub=str(claims.sub),
        exp=claims.exp,
        token_type="Bearer",  # noqa: S106 - the OAuth word, not a secret
        iss=issuer(),
        aud=AUDIENCE,
        auth_time=claims.auth_time,
        cnf=claims.cnf,
    )
    return Found(session_id=claims.sid, about=about)


async def _find_refresh(token: str) -> Found | None:
    session = await fetch_one(SESSION, hash_secret(token))
    if session is None:
        return None
    about = Introspection(
        active=session["used_at"] is None,
        scope=session["scope"],
        client_id=session["client_id"],
        sub=str(session["actor_id"]),
        exp=int(session["expires_at"].timestamp()),
        iss=issuer(),
        auth_time=int(session["auth_time"].timestamp()),
    )
    return Found(session_id=session["id"], about=about)
