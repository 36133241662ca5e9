"""Authlib's client, which knows nothing of us, goes every road of the authorization server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from app.identity.assertions import TOKEN_PATH
from app.identity.tokens import issuer
from app.kernel import clock
from tests.make import identity, oauth, organization

ISSUER_PATH = "/.well-known/oauth-authorization-server"
Connect = Callable[..., Awaitable[Any]]  # Authlib tells no types


class ShortAssertion(PrivateKeyJWT):
    """Authlib signs for an hour; a server that remembers every id wants minutes."""

    def __init__(self, partner: oauth.Partner) -> None:
        # One audience at every endpoint: what is signed for us is for us as a whole (RFC 7523 3).
        super().__init__(issuer() + TOKEN_PATH, alg=partner.alg, headers={"kid": partner.key.kid})

    @property
    def claims(self) -> dict[str, int]:
        return {"exp": int(clock.wall().timestamp()) + 60}

    @claims.setter
    def claims(self, _: object) -> None:
        """Authlib's constructor wants to set it."""


@pytest.fixture
async def server(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get(ISSUER_PATH)).json()


@pytest.fixture
async def connect(client: httpx.AsyncClient) -> AsyncIterator[Connect]:
    """Authlib clients whose line ends in this test's own hospital."""
    async with AsyncExitStack() as stack:

        async def made(client_id: str, **options: Any) -> Any:
            made: Any = AsyncOAuth2Client(client_id, transport=client._transport, **options)  # pyright: ignore[reportPrivateUsage] - the same line for both
            return await stack.enter_async_context(made)

        yield made


async def signed_back(client: httpx.AsyncClient, server: dict[str, Any], url: str) -> str:
    """Push what the client's address carries, log in at the page, and return where the browser ends."""
    asked = dict(parse_qsl(urlsplit(url).query))
    pushed = (await client.post(server["pushed_authorization_request_endpoint"], data=asked)).json()
    browser = {"client_id": asked["client_id"], "request_uri": pushed["request_uri"]}
    page = await client.get(server["authorization_endpoint"], params=browser)
    assert page.status_code == 303
    assert dict(parse_qsl(urlsplit(page.headers["Location"]).query)) == browser
    back = await client.post(server["authorization_endpoint"], data=browser | await oauth.login_proof(client))
    assert back.status_code == 303
    return back.headers["Location"]


async def test_a_public_client_gets_refreshes_and_revokes_tokens(
    client: httpx.AsyncClient, server: dict[str, Any], connect: Connect
) -> None:
    client_id = await oauth.app()
    theirs = await connect(
        client_id,
        token_endpoint_auth_method="none",
        code_challenge_method="S256",
        redirect_uri=oauth.REDIRECT,
        scope="user/Organization.rs",
    )
    url, state = theirs.create_authorization_url(
        server["authorization_endpoint"], code_verifier=identity.VERIFIER
    )
    back = await signed_back(client, server, url)
    answer = dict(parse_qsl(urlsplit(back).query))
    assert (answer["state"], answer["iss"]) == (state, server["issuer"])
    token = await theirs.fetch_token(
        server["token_endpoint"],
        authorization_response=back,
        state=state,
        code_verifier=identity.VERIFIER,
    )
    assert (token["token_type"], token["expires_in"], token["scope"]) == (
        "Bearer",
        600,
        "user/Organization.rs",
    )
    renewed = await theirs.refresh_token(server["token_endpoint"], refresh_token=token["refresh_token"])
    assert renewed["refresh_token"] != token["refresh_token"]
    ended = await theirs.revoke_token(
        server["revocation_endpoint"], token=renewed["refresh_token"], token_type_hint="refresh_token"
    )
    assert ended.status_code == 200
    assert (await oauth.refreshed(client, renewed["refresh_token"], client_id=client_id)).status_code == 400


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS384"])
async def test_a_partner_signs_for_its_token_reads_and_asks_about_it(
    client: httpx.AsyncClient, server: dict[str, Any], connect: Connect, alg: str
) -> None:
    partner = await oauth.partner(alg=alg)
    await organization.department(name="呼吸内科")
    theirs = await connect(
        partner.client_id,
        client_secret=partner.key,
        token_endpoint_auth_method=ShortAssertion(partner),
        revocation_endpoint_auth_method=ShortAssertion(partner),
        token_endpoint=server["token_endpoint"],
    )
    token = await theirs.fetch_token(
        server["token_endpoint"], grant_type="client_credentials", scope="system/Organization.rs"
    )
    assert "refresh_token" not in token
    found = await theirs.get(server["issuer"] + oauth.DEPARTMENTS)
    assert found.json()["items"][0]["name"] == "呼吸内科"
    about = (
        await theirs.introspect_token(server["introspection_endpoint"], token=token["access_token"])
    ).json()
    assert (about["active"], about["client_id"], about["scope"]) == (
        True,
        partner.client_id,
        "system/Organization.rs",
    )
    await theirs.revoke_token(server["revocation_endpoint"], token=token["access_token"])
    about = await theirs.introspect_token(server["introspection_endpoint"], token=token["access_token"])
    assert about.json() == {"active": False}


async def test_a_confidential_client_signs_at_every_step_of_the_code_road(
    client: httpx.AsyncClient, server: dict[str, Any], connect: Connect
) -> None:
    partner = await oauth.partner(scopes="user/Organization.rs", redirect_uris=(oauth.REDIRECT,))
    asked = oauth.authorization(partner.client_id)
    pushed = (await client.post("/oauth/par", data=partner.signed(**asked))).json()
    answer = {"client_id": partner.client_id, "request_uri": pushed["request_uri"]}
    back = await client.post("/oauth/authorize", json=answer | await oauth.login_proof(client))
    theirs = await connect(
        partner.client_id,
        client_secret=partner.key,
        token_endpoint_auth_method=ShortAssertion(partner),
        redirect_uri=oauth.REDIRECT,
    )
    token = await theirs.fetch_token(
        server["token_endpoint"],
        authorization_response=back.json()["redirect_to"],
        state=oauth.STATE,
        code_verifier=identity.VERIFIER,
    )
    assert (await theirs.refresh_token(server["token_endpoint"], refresh_token=token["refresh_token"]))[
        "scope"
    ] == "user/Organization.rs"
