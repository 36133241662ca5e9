"""The next access token of a session, for its refresh token: each is used once, a second use is a theft."""

import asyncpg
import msgspec

from app.identity.scopes import ScopeRefused, is_within
from app.identity.sessions import (
    AccessToken,
    GrantRefused,
    end_session,
    hash_secret,
    is_live,
    is_same_client,
    login_of,
    next_tokens,
)
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor
from app.kernel.database import action, fetch_one, fetch_value

SESSION = (
    "SELECT s.* FROM refresh_token r JOIN login_session s ON s.id = r.session_id WHERE r.token_hash = $1"
)


async def refresh(*, refresh_token: str, client_id: str = "", scope: str = "") -> AccessToken:
    """Turn a refresh token into the next pair of tokens; `scope` may ask for less than the login has.

    A token that was used before ends its session, also when the second use is an honest repeat: nothing
    tells it from a thief's (docs/decisions/0007). The login's time is kept: this is no new proof.
    """
    token = await _rotate(ANONYMOUS, token_hash=hash_secret(refresh_token), client_id=client_id, scope=scope)
    if token is None:
        raise GrantRefused
    return token


@action
async def _rotate(actor: Actor, *, token_hash: str, client_id: str, scope: str) -> AccessToken | None:
    # A None commits: the end of a session must stay so.
    session = await fetch_one(SESSION, token_hash)
    if session is None or not is_same_client(client_id, session["client_id"]):
        return None
    login = login_of(session)
    if not is_within(scope, login.scope):
        raise ScopeRefused
    if not await _claim(actor, token_hash, session):
        return None
    return await next_tokens(
        actor,
        login=msgspec.structs.replace(login, scope=scope or login.scope),
        session_id=session["id"],
    )


async def _claim(actor: Actor, token_hash: str, session: asyncpg.Record) -> bool:
    """Whoever marks the token as used has it alone; whoever finds it marked ends the session for both."""
    claimed = await fetch_value(
        "UPDATE refresh_token SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL"
        " RETURNING token_hash",
        token_hash,
        clock.wall(),
    )
    if claimed is None:
        await end_session(actor, session_id=session["id"])
        return False
    return await is_live(actor, session_id=session["id"])
