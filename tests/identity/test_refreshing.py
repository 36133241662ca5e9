"""Refresh tokens: used once each, dead with their login; of many at once, one is served."""

import asyncio
import contextlib
from typing import Any

import httpx
import msgspec
import pytest

from app.identity import sessions, tokens
from app.identity.forgetting import forget_spent
from app.identity.refreshing import refresh
from app.identity.sessions import GrantRefused, Login, open_session
from app.kernel.actor import ActorKind, system
from app.kernel.ids import new_id
from tests.make import identity, oauth
from tests.make.rows import value

TEST = system("test")
RACERS = 8


async def opened(kind: ActorKind = ActorKind.ACCOUNT) -> sessions.AccessToken:
    login = Login(kind=kind, id=await identity.account(), channel="test", role="", auth_version=1)
    return (await open_session(TEST, login=login))[1]


async def test_a_chain_of_refreshes_stays_one_login(client: httpx.AsyncClient) -> None:
    token: dict[str, Any] = await oauth.own_tokens(client)
    first = tokens.read_token(token["access_token"])
    for _ in range(3):
        token = (await oauth.refreshed(client, token["refresh_token"])).json()
        claims = tokens.read_token(token["access_token"])
        assert (claims.sid, claims.auth_time, claims.scope) == (first.sid, first.auth_time, "staff")
        assert token["expires_in"] == 600
    assert await value("SELECT count(*) FROM refresh_token WHERE used_at IS NULL") == 1


async def test_what_is_stored_refreshes_nothing(db: str) -> None:
    token = await opened()
    stored = await value("SELECT json_agg(refresh_token)::text FROM refresh_token")
    assert str(token.refresh_token) not in stored
    with pytest.raises(GrantRefused):
        await refresh(refresh_token=await value("SELECT token_hash FROM refresh_token"))


@pytest.mark.parametrize("kind", [ActorKind.DEVICE, ActorKind.CLIENT])
async def test_who_proves_a_key_gets_no_refresh_token(db: str, kind: ActorKind) -> None:
    login = Login(kind=kind, id=new_id(), channel="kiosk", role="kiosk", auth_version=1)
    _, token = await open_session(TEST, login=login)
    assert token.expires_in == 300
    assert b"refresh_token" not in msgspec.json.encode(token)


async def test_another_client_gets_nothing_and_harms_nothing(client: httpx.AsyncClient) -> None:
    theirs, other = await oauth.app(), await oauth.app()
    token = await oauth.tokens_of(client, theirs)
    for more in ({"client_id": other}, {"client_id": "staff_web"}, {}):
        reply = await oauth.refreshed(client, token["refresh_token"], **more)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
    reply = await oauth.refreshed(client, token["refresh_token"], client_id=theirs)
    assert reply.status_code == 200


async def test_a_disabled_client_refreshes_nothing(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    token = await oauth.tokens_of(client, client_id)
    await value("UPDATE oauth_client SET disabled_at = now() WHERE client_id = $1", client_id)
    reply = await oauth.refreshed(client, token["refresh_token"], client_id=client_id)
    assert reply.json()["error"] == "invalid_client"
    assert not await oauth.enters(client, token["access_token"])


async def test_a_new_password_ends_the_refreshing(client: httpx.AsyncClient) -> None:
    token = await oauth.own_tokens(client)
    await value("UPDATE staff_login SET auth_version = auth_version + 1")
    assert (await oauth.refreshed(client, token["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.commits
async def test_of_many_refreshes_at_once_one_is_served_and_the_login_ends(db: str) -> None:
    """Nobody can tell the honest one: so a second use ends the login for all, whoever was first."""
    refresh_token = str((await opened()).refresh_token)
    session_id = await value("SELECT session_id FROM refresh_token ORDER BY issued_at DESC LIMIT 1")
    served: list[sessions.AccessToken] = []

    async def race() -> None:
        with contextlib.suppress(GrantRefused):
            served.append(await refresh(refresh_token=refresh_token))

    async with asyncio.TaskGroup() as group:
        for _ in range(RACERS):
            group.create_task(race())
    assert len(served) == 1
    made = await value("SELECT count(*) FROM refresh_token WHERE session_id = $1", session_id)
    assert made == 2, "the first and its one successor"
    assert not await sessions.is_live(TEST, session_id=session_id)


@pytest.mark.commits
async def test_of_many_redemptions_at_once_one_is_served(db: str) -> None:
    login = Login(
        kind=ActorKind.ACCOUNT, id=await identity.account(), channel="test", role="", auth_version=1
    )
    code = await sessions.grant_code(TEST, login=login, challenge=identity.CHALLENGE)
    served: list[sessions.AccessToken] = []

    async def race() -> None:
        with contextlib.suppress(GrantRefused):
            served.append(await sessions.redeem_code(code=code, verifier=identity.VERIFIER))

    async with asyncio.TaskGroup() as group:
        for _ in range(RACERS):
            group.create_task(race())
    assert len(served) == 1


async def test_what_is_spent_is_forgotten_a_day_later(client: httpx.AsyncClient) -> None:
    await oauth.tokens_of(client, await oauth.app())
    partner = await oauth.partner()
    await client.post("/oauth/token", data=partner.signed(grant_type="client_credentials"))
    spent = ("auth_code", "pushed_request", "client_assertion")
    await forget_spent()
    assert [await value(f"SELECT count(*) > 0 FROM {table}") for table in spent] == [True] * 3
    for table in (*spent, "login_session"):
        await value(f"UPDATE {table} SET expires_at = now() - interval '25 hours'")
    await forget_spent()
    assert [await value(f"SELECT count(*) FROM {table}") for table in (*spent, "refresh_token")] == [0] * 4
    assert await value("SELECT count(*) > 1 FROM login_session"), "who was logged in stays known"
