"""The authorization server as others see it: what it says of itself, both dialects, logging out."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.identity import tokens
from app.identity.sessions import Login, grant_code
from app.kernel import clock
from app.kernel.actor import ActorKind, system
from tests.identity.staff import tries
from tests.make import identity, oauth
from tests.make.rows import value


async def test_the_server_says_what_it_can(client: httpx.AsyncClient) -> None:
    said: dict[str, Any] = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert said["issuer"] == tokens.issuer()
    assert said["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["require_pushed_authorization_requests"] is True
    assert said["introspection_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    smart = (await client.get("/.well-known/smart-configuration")).json()
    assert smart["capabilities"] == ["client-confidential-asymmetric", "permission-v2"]
    assert smart["token_endpoint"] == said["token_endpoint"]
    for address in (said["jwks_uri"], "/.well-known/jwks.json"):
        reply = await client.get(address)
        assert reply.headers["Cache-Control"] == "max-age=300, public"
        assert reply.json()["keys"][0]["alg"] == "ES256"


async def test_our_own_pages_speak_json_and_name_no_client(client: httpx.AsyncClient) -> None:
    token = await oauth.own_tokens(client)
    assert (token["expires_in"], token["token_type"], token["scope"]) == (600, "Bearer", "staff")
    claims = tokens.read_token(token["access_token"])
    assert (claims.client_id, claims.scope) == ("staff_web", "staff")
    body = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert (await client.post("/oauth/token", json=body)).status_code == 200


async def test_json_is_refused_where_it_says_more_than_we_know(client: httpx.AsyncClient) -> None:
    for body in ({"grant_type": "refresh_token", "extra": "x"}, {"grant_type": 1}, ["x"]):
        reply = await client.post("/oauth/token", json=body)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


async def test_our_workstations_can_go_the_long_road_too(client: httpx.AsyncClient) -> None:
    address = tokens.issuer() + "/ui/signed-in"
    back = await oauth.code_of(client, "staff_web", redirect_uri=address)
    assert (back["state"], back["iss"]) == (oauth.STATE, tokens.issuer())
    grant = oauth.code_grant("staff_web", back["code"], redirect_uri=address)
    token = (await client.post("/oauth/token", data=grant)).json()
    assert token["scope"] == "staff"
    assert await oauth.enters(client, token["access_token"])


async def test_the_page_is_sent_to_with_the_request_alone(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    request_uri = await oauth.push(client, client_id)
    reply = await client.get("/oauth/authorize", params={"client_id": client_id, "request_uri": request_uri})
    page = httpx.URL(reply.headers["Location"])
    assert (reply.status_code, page.path) == (303, "/ui/login")
    assert dict(page.params) == {"client_id": client_id, "request_uri": request_uri}


async def test_a_pushed_request_is_answered_once(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    answer = {"client_id": client_id, "request_uri": await oauth.push(client, client_id)}
    first = await client.post("/oauth/authorize", json=answer | await oauth.login_proof(client))
    assert first.status_code == 200
    again = await client.post("/oauth/authorize", json=answer | await oauth.login_proof(client))
    assert (again.status_code, again.json()["code"]) == (400, "request_not_pushed")


async def test_only_a_login_of_staff_answers_a_request(client: httpx.AsyncClient) -> None:
    """Neither a patient's login, nor a wrong proof, nor a code for a client."""
    client_id = await oauth.app()
    patient = Login(
        kind=ActorKind.ACCOUNT,
        id=await identity.account(),
        channel="mini_program",
        role="",
        auth_version=1,
    )
    codes = [
        await grant_code(system("test"), login=patient, challenge=identity.CHALLENGE),
        (await oauth.code_of(client, client_id))["code"],
        "nonsense",
    ]
    for code in codes:
        answer = {
            "client_id": client_id,
            "request_uri": await oauth.push(client, client_id),
            "login_code": code,
            "login_verifier": identity.VERIFIER,
        }
        reply = await client.post("/oauth/authorize", json=answer)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
    proof = await oauth.login_proof(client) | {"login_verifier": "w" * 43}
    answer = {"client_id": client_id, "request_uri": await oauth.push(client, client_id)}
    assert (await client.post("/oauth/authorize", json=answer | proof)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("one_time", "enrolled", "missing"),
    [(False, False, "second_factor"), (True, False, "password second_factor"), (True, True, "password")],
)
async def test_an_incomplete_login_is_told_what_it_lacks_and_its_code_stays_good_for_that(
    client: httpx.AsyncClient, one_time: bool, enrolled: bool, missing: str
) -> None:
    client_id = await oauth.app()
    staff_id, name = await identity.staff_login()
    proof = {"otp": identity.otp(await identity.totp_seed(staff_id))} if enrolled else {}
    if one_time:
        until = clock.wall() + timedelta(hours=1)
        await value("UPDATE staff_login SET one_time_until = $2 WHERE staff_id = $1", staff_id, until)
    code = (await tries(client, name, **proof)).json()["code"]
    answer = {
        "client_id": client_id,
        "request_uri": await oauth.push(client, client_id),
        "login_code": code,
        "login_verifier": identity.VERIFIER,
    }

    reply = await client.post("/oauth/authorize", json=answer)
    told = reply.json()
    assert (reply.status_code, told["error"], told["code"]) == (403, "access_denied", "login_incomplete")
    assert told["ids"] == {"missing": missing}
    grant = {"grant_type": "authorization_code", "code": code, "code_verifier": identity.VERIFIER}
    token = await client.post("/oauth/token", json=grant)
    assert (token.status_code, token.json()["scope"]) == (200, "enrol")


async def test_a_code_belongs_to_its_client(client: httpx.AsyncClient) -> None:
    mine, other = await oauth.app(), await oauth.app()
    for who in (other, "staff_web", ""):
        code = (await oauth.code_of(client, mine))["code"]
        reply = await client.post("/oauth/token", data=oauth.code_grant(who, code))
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("state", ["", "x" * 512, "a&b=c#d%20?"])
async def test_the_state_comes_back_as_it_was(client: httpx.AsyncClient, state: str) -> None:
    back = await oauth.code_of(client, await oauth.app(), state=state)
    assert back.get("state", "") == state


async def test_a_state_without_end_is_refused(client: httpx.AsyncClient) -> None:
    asked = oauth.authorization(await oauth.app(), state="x" * 513)
    assert (await client.post("/oauth/par", data=asked)).status_code == 400
    smuggled = oauth.authorization(await oauth.app(), request_uri="urn:x")
    assert (await client.post("/oauth/par", data=smuggled)).status_code == 400
    nobody = oauth.authorization("")
    assert (await client.post("/oauth/par", data=nobody)).json()["error"] == "invalid_client"


async def test_logging_out_ends_this_login_only(client: httpx.AsyncClient) -> None:
    here, there = await oauth.own_tokens(client), await oauth.own_tokens(client)
    reply = await client.post("/oauth/logout", headers=identity.bearer(here["access_token"]))
    assert reply.status_code == 204
    assert not await oauth.enters(client, here["access_token"])
    assert (await oauth.refreshed(client, here["refresh_token"])).status_code == 400
    assert await oauth.enters(client, there["access_token"])
    assert (await client.post("/oauth/logout")).status_code == 401


async def test_an_account_logs_out_everywhere(client: httpx.AsyncClient) -> None:
    account_id = await identity.account()
    lost, mine = await identity.account_token(account_id), await identity.account_token(account_id)
    done = await client.post("/oauth/logout-everywhere", headers=identity.bearer(mine))
    assert done.status_code == 204
    assert await value("SELECT auth_version FROM account WHERE id = $1", account_id) == 2
    reply = await client.get("/api/mini-program/v1/persons", headers=identity.bearer(lost))
    assert reply.status_code == 401


async def test_revoking_ends_a_login_for_its_own_client_alone(client: httpx.AsyncClient) -> None:
    mine, other = await oauth.app(), await oauth.app()
    token = await oauth.tokens_of(client, mine)
    for body in ({"client_id": other}, {}, {"client_id": mine, "token": "nonsense"}):
        asked = {"token": token["access_token"]} | body
        assert (await client.post("/oauth/revoke", data=asked)).status_code == 200
        assert await oauth.enters(client, token["access_token"]) is False, "its scope opens no desk"
        assert await value("SELECT count(*) FROM login_session WHERE revoked_at IS NULL") == 1
    asked = {"token": token["access_token"], "client_id": mine}
    assert (await client.post("/oauth/revoke", data=asked)).status_code == 200
    assert await value("SELECT count(*) FROM login_session WHERE revoked_at IS NULL") == 0
    assert (await client.post("/oauth/revoke", data={"client_id": mine})).status_code == 400
