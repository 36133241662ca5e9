"""Who was here a while ago proves it anew before what a passer-by must not do (RFC 9470)."""

import asyncpg

from app.identity.limited import require_recent
from app.identity.passwords import check_password
from app.identity.proving import enrolled_factors, weigh
from app.identity.second_factor import Proof
from app.identity.sessions import AccessToken, Login, claims_of
from app.identity.signed_in import SignedIn
from app.identity.tokens import TOKEN_SECONDS, TokenRefused, issue_token
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError


async def require_proved_to_replace(signed_in: SignedIn) -> None:
    """A first factor is enrolled with the login alone; replacing or adding one needs a fresh proof."""
    assert signed_in.actor.id is not None
    if await enrolled_factors(signed_in.actor, staff_id=signed_in.actor.id):
        require_recent(signed_in.claims.auth_time)


async def step_up(actor: Actor, *, password: str | None, proof: Proof | None) -> AccessToken:
    """A fresh token of the same session for who proves the second factor, or the password without one."""
    assert actor.id is not None
    stored, factors = await _known(actor)
    knows = bool(factors and password is None) or await check_password(stored, password or "")
    outcome = await _renew(actor, seen_hash=stored, knows=knows, proof=proof)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


@query
async def _known(actor: Actor) -> tuple[str, bool]:
    assert actor.id is not None
    stored = await fetch_value("SELECT password_hash FROM staff_login WHERE staff_id = $1", actor.id)
    if stored is None:
        raise TokenRefused
    return stored, bool(await enrolled_factors(actor, staff_id=actor.id))


@action
async def _renew(
    actor: Actor, *, seen_hash: str, knows: bool, proof: Proof | None
) -> AccessToken | DomainError:
    assert actor.id is not None
    proved = await weigh(actor, staff_id=actor.id, seen_hash=seen_hash, knows=knows, proof=proof)
    if isinstance(proved, DomainError):
        return proved
    row = await fetch_one(
        "UPDATE login_session SET auth_time = $2 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2"
        " AND auth_version = $3 RETURNING *",
        actor.session_id,
        clock.wall(),
        proved.auth_version,
    )
    if row is None:
        return TokenRefused()
    token = issue_token(claims_of(_login(row), session_id=row["id"], seconds=TOKEN_SECONDS))
    return AccessToken(access_token=token, expires_in=TOKEN_SECONDS)


def _login(row: asyncpg.Record) -> Login:
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
        key_thumbprint=row["key_thumbprint"],
    )
