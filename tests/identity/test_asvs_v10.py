"""OWASP ASVS 5.0, chapter V10: what each item forbids is tried, and fails.

| item | here |
|---|---|
| 10.1.1 | below: tokens stand in the reply's body alone, which nobody may keep |
| 10.1.2, 10.2.x, 10.5.x | for clients; ours are pages and phones, which prove PKCE; no OpenID Connect |
| 10.3.1-10.3.4 | below |
| 10.3.5, 10.4.14 | devices only, by DPoP; people's tokens are bearer tokens (docs/oauth.md) |
| 10.4.1-10.4.6, 10.4.8-10.4.13, 10.4.16 | below |
| 10.4.7 | there is no dynamic registration; shown below |
| 10.4.15 | `authorization_details` is not known here; shown below |
| 10.6.x, 10.7.x | no OpenID Connect; staff apps are the hospital's own decision (docs/oauth.md) |
"""

from datetime import timedelta

import httpx
import pytest

from app.identity import sessions, tokens
from app.identity.clients import ClientMalformed, Registration, register_client
from app.identity.roles import GrantType
from app.kernel import clock
from app.kernel.actor import ActorKind, system
from tests.make import identity, oauth
from tests.make.rows import value


def refusal(reply: httpx.Response) -> tuple[int, str]:
    assert reply.headers["Content-Type"] == "application/json", "RFC 6749 5.2"
    body = reply.json()
    assert body["error_description"].isascii()
    assert body["detail"]
    assert body["code"]
    return reply.status_code, body["error"]


async def redeem(client: httpx.AsyncClient, client_id: str, code: str, **changed: str) -> httpx.Response:
    return await client.post("/oauth/token", data=oauth.code_grant(client_id, code, **changed))


async def test_10_1_1_tokens_stand_in_no_address_and_in_no_cache(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    back = await oauth.code_of(client, client_id)
    assert set(back) == {"code", "state", "iss"}
    reply = await redeem(client, client_id, back["code"])
    assert reply.headers["Cache-Control"] == "no-store"
    refused = await redeem(client, client_id, "wrong")
    assert refused.headers["Cache-Control"] == "no-store"


async def test_10_3_1_a_token_for_another_audience_is_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(tokens, "AUDIENCE", "another-api")
        foreign = await identity.staff_token()
    assert not await oauth.enters(client, foreign)
    assert await oauth.enters(client, await identity.staff_token())


async def test_10_3_2_a_token_does_no_more_than_its_scope(client: httpx.AsyncClient) -> None:
    narrow = (await oauth.tokens_of(client, await oauth.app()))["access_token"]
    reply = await client.get("/api/staff/v1/me", headers=identity.bearer(narrow))
    assert (reply.status_code, reply.json()["code"]) == (403, "scope_too_narrow")
    partner = await oauth.partner()
    body = partner.signed(grant_type="client_credentials", scope="system/Organization.r")
    reads = (await client.post("/oauth/token", data=body)).json()["access_token"]
    reply = await client.get(oauth.DEPARTMENTS, headers=identity.bearer(reads))
    assert (reply.status_code, reply.json()["code"]) == (403, "scope_too_narrow"), "searching is not reading"
    reply = await client.get("/api/staff/v1/me", headers=identity.bearer(reads))
    assert (reply.status_code, reply.json()["code"]) == (403, "wrong_role")


async def test_10_3_3_a_name_that_passes_on_does_not_pass_its_login_on(client: httpx.AsyncClient) -> None:
    name = await oauth.member()
    left = tokens.read_token((await _own(client, name))["access_token"])
    await value("UPDATE staff_login SET login_name = 'left' WHERE login_name = $1", name)
    follower = await oauth.member()
    await value("UPDATE staff_login SET login_name = $1 WHERE login_name = $2", name, follower)
    oauth.SEEDS[name] = oauth.SEEDS[follower]
    came = tokens.read_token((await _own(client, name))["access_token"])
    assert came.sub != left.sub


async def _own(client: httpx.AsyncClient, name: str) -> dict[str, str]:
    proof = await oauth.login_proof(client, name)
    body = {
        "grant_type": "authorization_code",
        "code": proof["login_code"],
        "code_verifier": identity.VERIFIER,
    }
    return (await client.post("/oauth/token", json=body)).json()


async def test_10_3_4_a_refresh_is_no_new_proof_of_who_one_is(client: httpx.AsyncClient) -> None:
    token = await oauth.own_tokens(client)
    await value("UPDATE login_session SET auth_time = auth_time - interval '5 minutes'")
    renewed = (await oauth.refreshed(client, token["refresh_token"])).json()
    proved = tokens.read_token(renewed["access_token"]).auth_time
    assert proved == tokens.read_token(token["access_token"]).auth_time - 300
    fresh = tokens.read_token((await oauth.own_tokens(client))["access_token"])
    assert fresh.auth_time >= proved + 300


@pytest.mark.parametrize(
    "address",
    [
        oauth.REDIRECT + "/",
        oauth.REDIRECT + "?x=1",
        oauth.REDIRECT + "/../other",
        oauth.REDIRECT.replace("https", "http"),
        oauth.REDIRECT.upper(),
        "https://partner.test.evil.test/callback",
        "https://evil.test/?" + oauth.REDIRECT,
    ],
)
async def test_10_4_1_only_the_registered_address_is_sent_back_to(
    client: httpx.AsyncClient, address: str
) -> None:
    asked = oauth.authorization(await oauth.app(), redirect_uri=address)
    reply = await client.post("/oauth/par", data=asked)
    assert (*refusal(reply), reply.json()["code"]) == (400, "invalid_request", "redirect_uri_refused")


async def test_10_4_1_a_code_is_redeemed_with_the_address_that_it_went_to(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    code = (await oauth.code_of(client, client_id))["code"]
    reply = await redeem(client, client_id, code, redirect_uri="https://partner.test/other")
    assert refusal(reply) == (400, "invalid_grant")


async def test_10_4_2_a_code_that_comes_twice_ends_what_it_began(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    code = (await oauth.code_of(client, client_id))["code"]
    token = (await redeem(client, client_id, code)).json()
    assert refusal(await redeem(client, client_id, code)) == (400, "invalid_grant")
    again = await oauth.refreshed(client, token["refresh_token"], client_id=client_id)
    assert refusal(again) == (400, "invalid_grant")
    assert await value("SELECT revoked_at IS NOT NULL FROM login_session") is True


async def test_10_4_3_a_code_lives_a_minute(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_id = await oauth.app()
    code = (await oauth.code_of(client, client_id))["code"]
    assert sessions.CODE_SECONDS == 60
    later = clock.wall() + timedelta(seconds=61)
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert refusal(await redeem(client, client_id, code)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "grant",
    [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ],
)
async def test_10_4_4_there_are_no_other_grants(client: httpx.AsyncClient, grant: str) -> None:
    body = {"grant_type": grant, "username": "doctor", "password": "right-password"}
    assert refusal(await client.post("/oauth/token", data=body)) == (400, "unsupported_grant_type")


async def test_10_4_4_a_client_uses_only_the_grants_that_it_is_registered_for(
    client: httpx.AsyncClient,
) -> None:
    partner = await oauth.partner()
    asked = partner.signed(**oauth.authorization(partner.client_id))
    assert refusal(await client.post("/oauth/par", data=asked)) == (400, "unauthorized_client")
    body = {"grant_type": "client_credentials", "client_id": await oauth.app()}
    assert refusal(await client.post("/oauth/token", data=body)) == (401, "invalid_client")
    app = await oauth.partner(redirect_uris=(oauth.REDIRECT,))
    await value("UPDATE oauth_client SET grants = 'authorization_code' WHERE client_id = $1", app.client_id)
    body = app.signed(grant_type="client_credentials")
    assert refusal(await client.post("/oauth/token", data=body)) == (400, "unauthorized_client")
    implicit = oauth.authorization(await oauth.app(), response_type="token")
    assert refusal(await client.post("/oauth/par", data=implicit)) == (400, "unsupported_response_type")


async def test_10_4_5_a_refresh_token_that_comes_twice_ends_its_family(client: httpx.AsyncClient) -> None:
    token = await oauth.own_tokens(client)
    renewed = (await oauth.refreshed(client, token["refresh_token"])).json()
    assert refusal(await oauth.refreshed(client, token["refresh_token"])) == (400, "invalid_grant")
    assert refusal(await oauth.refreshed(client, renewed["refresh_token"])) == (400, "invalid_grant")
    assert not await oauth.enters(client, renewed["access_token"])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"code_challenge_method": "plain"}, id="plain"),
        pytest.param({"code_challenge_method": ""}, id="no method, which means plain"),
        pytest.param({"code_challenge": ""}, id="no challenge"),
        pytest.param({"code_challenge": "short"}, id="no S256 challenge"),
    ],
)
async def test_10_4_6_a_request_without_a_challenge_is_refused(
    client: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    asked = oauth.authorization(await oauth.app()) | changed
    reply = await client.post("/oauth/par", data=asked)
    assert refusal(reply)[1] == "invalid_request"
    assert reply.json()["code"] == "challenge_malformed"


@pytest.mark.parametrize("verifier", ["", "w" * 43, identity.CHALLENGE])
async def test_10_4_6_a_code_without_its_verifier_is_worth_nothing(
    client: httpx.AsyncClient, verifier: str
) -> None:
    client_id = await oauth.app()
    code = (await oauth.code_of(client, client_id))["code"]
    reply = await redeem(client, client_id, code, code_verifier=verifier)
    assert reply.status_code == 400
    assert await value("SELECT count(*) FROM login_session") == 0


@pytest.mark.parametrize("path", ["/oauth/register", "/oauth/clients", "/oauth/connect/register"])
async def test_10_4_7_no_client_registers_itself(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.post(path, json={"redirect_uris": ["https://evil.test/"]})
    assert reply.status_code == 404


@pytest.mark.parametrize(
    ("kind", "hours"), [(ActorKind.STAFF, 12), (ActorKind.ACCOUNT, 24 * 30)], ids=["staff", "account"]
)
async def test_10_4_8_refreshing_does_not_go_on_for_ever(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, kind: ActorKind, hours: int
) -> None:
    who = await identity.account() if kind is ActorKind.ACCOUNT else (await identity.staff_login())[0]
    login = sessions.Login(kind=kind, id=who, channel="test", role="", auth_version=1)
    _, token = await sessions.open_session(system("test"), login=login)
    began = clock.wall()
    refresh_token = str(token.refresh_token)
    monkeypatch.setattr(clock, "wall", lambda: began + timedelta(hours=hours, minutes=-1))
    refresh_token = (await oauth.refreshed(client, refresh_token)).json()["refresh_token"]
    monkeypatch.setattr(clock, "wall", lambda: began + timedelta(hours=hours, seconds=1))
    assert refusal(await oauth.refreshed(client, refresh_token)) == (400, "invalid_grant")


async def test_10_4_9_a_person_ends_the_logins_that_she_does_not_know(client: httpx.AsyncClient) -> None:
    name = await oauth.member()
    lost, mine = await _own(client, name), await _own(client, name)
    done = await client.post("/oauth/logout-everywhere", headers=identity.bearer(mine["access_token"]))
    assert done.status_code == 204
    for token in (lost, mine):
        assert not await oauth.enters(client, token["access_token"])
        assert refusal(await oauth.refreshed(client, token["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par", "/oauth/revoke", "/oauth/introspect"])
async def test_10_4_10_a_confidential_client_that_does_not_sign_is_nobody(
    client: httpx.AsyncClient, path: str
) -> None:
    partner = await oauth.partner(redirect_uris=(oauth.REDIRECT,))
    body = oauth.authorization(partner.client_id, token="x", grant_type="client_credentials")
    assert refusal(await client.post(path, data=body)) == (401, "invalid_client")
    basic = await client.post(path, data=body, auth=(partner.client_id, "secret"))
    assert refusal(basic) == (401, "invalid_client")


async def test_10_4_10_the_code_of_a_confidential_client_needs_its_signature(
    client: httpx.AsyncClient,
) -> None:
    partner = await oauth.partner(scopes="user/Organization.rs", redirect_uris=(oauth.REDIRECT,))
    asked = partner.signed(**oauth.authorization(partner.client_id))
    pushed = (await client.post("/oauth/par", data=asked)).json()["request_uri"]
    answer = {"client_id": partner.client_id, "request_uri": pushed} | await oauth.login_proof(client)
    back = httpx.URL((await client.post("/oauth/authorize", json=answer)).json()["redirect_to"])
    grant = oauth.code_grant(partner.client_id, back.params["code"])
    assert refusal(await client.post("/oauth/token", data=grant)) == (401, "invalid_client")
    unnamed = {name: told for name, told in grant.items() if name != "client_id"}
    assert refusal(await client.post("/oauth/token", data=unnamed)) == (400, "invalid_grant")


async def test_10_4_11_nobody_gets_more_scope_than_is_registered(client: httpx.AsyncClient) -> None:
    client_id, partner = await oauth.app(), await oauth.partner()
    for scope in ("staff", "user/*.cruds", "user/Organization.cruds", "system/Organization.rs"):
        asked = oauth.authorization(client_id, scope=scope)
        assert refusal(await client.post("/oauth/par", data=asked)) == (400, "invalid_scope")
        body = partner.signed(grant_type="client_credentials", scope=scope.replace("system/O", "system/P"))
        assert refusal(await client.post("/oauth/token", data=body)) == (400, "invalid_scope")
    token = await oauth.tokens_of(client, client_id)
    wider = await oauth.refreshed(client, token["refresh_token"], client_id=client_id, scope="staff")
    assert refusal(wider) == (400, "invalid_scope")
    narrower = await oauth.refreshed(
        client, token["refresh_token"], client_id=client_id, scope="user/Organization.r"
    )
    assert narrower.json()["scope"] == "user/Organization.r", "the refusal had not used the token up"


@pytest.mark.parametrize("mode", ["fragment", "form_post", "query.jwt"])
async def test_10_4_12_only_the_query_carries_the_answer(client: httpx.AsyncClient, mode: str) -> None:
    asked = oauth.authorization(await oauth.app(), response_mode=mode)
    assert refusal(await client.post("/oauth/par", data=asked)) == (400, "unsupported_response_type")


async def test_10_4_13_what_was_not_pushed_is_not_answered(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    direct = await client.get("/oauth/authorize", params=oauth.authorization(client_id))
    assert refusal(direct) == (400, "invalid_request")
    pushed = await oauth.push(client, client_id)
    for params in (
        {"client_id": await oauth.app(), "request_uri": pushed},
        {"client_id": client_id, "request_uri": pushed[:-1]},
        {"client_id": client_id, "request_uri": "https://evil.test/request.jwt"},
    ):
        assert refusal(await client.get("/oauth/authorize", params=params))[0] == 400
        answer = params | await oauth.login_proof(client)
        assert refusal(await client.post("/oauth/authorize", json=answer))[0] == 400


async def test_10_4_15_authorization_details_give_nothing(client: httpx.AsyncClient) -> None:
    client_id = await oauth.app()
    asked = oauth.authorization(client_id, authorization_details='[{"type":"payment"}]')
    assert (await client.post("/oauth/par", data=asked)).status_code == 201, "ignored, by RFC 6749 3.1"
    assert refusal(await client.post("/oauth/par", json=asked)) == (400, "invalid_request")


async def test_10_4_16_who_acts_without_a_person_must_have_registered_a_key(db: str) -> None:
    asked = Registration(
        client_id="secretless",
        name="无密钥",
        grants=[GrantType.CLIENT_CREDENTIALS],
        scopes="system/Organization.rs",
    )
    with pytest.raises(ClientMalformed):
        await register_client(system("test"), asked=asked)
