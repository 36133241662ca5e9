"""Who may be a client, how it proves that it is, and what it may ask."""

import base64
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from app import cli
from app.identity import assertions, tokens
from app.identity.clients import (
    ClientExists,
    ClientMalformed,
    ClientNotFound,
    Registration,
    disable_client,
    find_client,
    register_client,
)
from app.identity.roles import GrantType
from app.kernel import clock
from app.kernel.actor import ActorKind, system
from app.kernel.ids import new_id
from tests.make import identity, oauth
from tests.make.rows import value

TEST = system("test")
KEY = oauth.new_key("ES384")


def asked(**changed: Any) -> Registration:
    sound = Registration(
        client_id="city-hospital",
        name="市医院",
        grants=[GrantType.CLIENT_CREDENTIALS],
        scopes="system/Organization.rs",
        jwks=oauth.public_jwks(KEY),
    )
    return msgspec.structs.replace(sound, **changed)


def page(**changed: Any) -> Registration:
    plain = {
        "jwks": "",
        "grants": [GrantType.AUTHORIZATION_CODE],
        "scopes": "user/Organization.rs",
        "redirect_uris": [oauth.REDIRECT],
    }
    return asked(**plain | changed)


def jwks(*keys: Any, private: bool = False) -> str:
    return msgspec.json.encode({"keys": [key.as_dict(private=private) for key in keys]}).decode()


def weak_key() -> RSAKey:
    with warnings.catch_warnings(action="ignore"):
        return RSAKey.generate_key(1024, auto_kid=True)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "registration",
    [
        pytest.param(asked(client_id="X"), id="no id"),
        pytest.param(asked(name=""), id="no name"),
        pytest.param(asked(grants=[]), id="nothing to do"),
        pytest.param(asked(scopes="staff"), id="our own scope"),
        pytest.param(asked(scopes="system/Organization"), id="no SMART scope"),
        pytest.param(asked(scopes="system/Organization.sr"), id="SMART letters out of order"),
        pytest.param(asked(jwks=""), id="without a key and without a person"),
        pytest.param(asked(jwks="{}"), id="no keys"),
        pytest.param(asked(jwks="[1]"), id="no JWKS"),
        pytest.param(asked(jwks='{"keys":[{"kty":"EC"}]}'), id="half a key"),
        pytest.param(asked(jwks=jwks(KEY, private=True)), id="its private key"),
        pytest.param(asked(jwks=jwks(KEY, KEY)), id="one id twice"),
        pytest.param(asked(jwks=jwks(weak_key())), id="a weak key"),
        pytest.param(asked(jwks=jwks(ECKey.generate_key("P-521", auto_kid=True))), id="another curve"),
        pytest.param(asked(jwks=jwks(OKPKey.generate_key("Ed25519", auto_kid=True))), id="another kind"),
        pytest.param(asked(jwks=jwks(OctKey.generate_key(256, auto_kid=True))), id="a shared secret"),
        pytest.param(asked(redirect_uris=[oauth.REDIRECT]), id="an address without codes"),
        pytest.param(page(redirect_uris=[]), id="codes without an address"),
        pytest.param(page(grants=[GrantType.REFRESH_TOKEN]), id="refreshing without codes"),
        pytest.param(page(redirect_uris=["http://partner.test/"]), id="plain HTTP"),
        pytest.param(page(redirect_uris=["https://partner.test/#x"]), id="a fragment"),
        pytest.param(page(redirect_uris=["https://a@partner.test/"]), id="a user in the address"),
        pytest.param(page(redirect_uris=["/ui/signed-in"]), id="an address of ours"),
        pytest.param(page(redirect_uris=["https://[x/"]), id="no address"),
        pytest.param(page(redirect_uris=["https://x/ https://y/"]), id="two in one"),
        pytest.param(page(redirect_uris=["javascript:alert(1)"]), id="a script"),
        pytest.param(page(redirect_uris=["https://x/" + "x" * 400]), id="too long"),
    ],
)
async def test_an_unsound_client_is_not_registered(db: str, registration: Registration) -> None:
    with pytest.raises(ClientMalformed):
        await register_client(TEST, asked=registration)


async def test_a_client_is_registered_once_and_ends_at_once(client: httpx.AsyncClient) -> None:
    await register_client(TEST, asked=page(redirect_uris=["http://127.0.0.1:9/callback"]))
    with pytest.raises(ClientExists):
        await register_client(TEST, asked=asked())
    partner = await oauth.partner()
    body = partner.signed(grant_type="client_credentials")
    token = (await client.post("/oauth/token", data=body)).json()["access_token"]
    assert await oauth.enters(client, token)
    await disable_client(TEST, client_id=partner.client_id)
    assert not await oauth.enters(client, token)
    reply = await client.post("/oauth/token", data=partner.signed(grant_type="client_credentials"))
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    with pytest.raises(ClientNotFound):
        await disable_client(TEST, client_id="nobody")


async def test_our_own_clients_are_there_and_can_do_no_more_than_they_need(db: str) -> None:
    phone = await find_client(TEST, client_id="mini_program")
    pages = await find_client(TEST, client_id="staff_web")
    kiosk = await find_client(TEST, client_id="kiosk")
    assert phone is not None
    assert pages is not None
    assert kiosk is not None
    assert (phone.redirect_uris, phone.scopes) == (frozenset(), "account")
    assert pages.redirect_uris == {tokens.issuer() + "/ui/signed-in"}
    assert kiosk.grants == frozenset()
    assert await find_client(TEST, client_id="nobody") is None


Change = Callable[[oauth.Partner], str]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda p: p.assertion(iss="somebody"), id="another issuer"),
        pytest.param(lambda p: p.assertion(sub="somebody"), id="another subject"),
        pytest.param(lambda p: p.assertion(aud="https://evil.test/token"), id="for another server"),
        pytest.param(lambda p: p.assertion(aud=[tokens.issuer(), "https://evil.test"]), id="for two servers"),
        pytest.param(lambda p: p.assertion(exp=1), id="expired"),
        pytest.param(lambda p: p.assertion(exp=int(clock.wall().timestamp()) + 3600), id="for an hour"),
        pytest.param(lambda p: p.assertion(exp=None), id="for ever"),
        pytest.param(lambda p: p.assertion(exp=float("inf")), id="for infinity"),
        pytest.param(lambda p: p.assertion(iat=int(clock.wall().timestamp()) + 200), id="from the future"),
        pytest.param(lambda p: p.assertion(nbf=int(clock.wall().timestamp()) + 200), id="not yet"),
        pytest.param(lambda p: p.assertion(jti=None), id="without an id"),
        pytest.param(lambda p: p.assertion(jti=""), id="with an empty id"),
        pytest.param(lambda p: p.assertion(jti="x" * 256), id="with an endless id"),
        pytest.param(lambda p: p.assertion(header={"kid": "other"}), id="by an unknown key"),
        pytest.param(lambda p: p.assertion(header={"kid": ""}), id="by no key"),
        pytest.param(lambda p: by_somebody(p), id="by another key under its id"),
        pytest.param(lambda p: with_public_key(p), id="HS256 with the public key"),
        pytest.param(lambda p: unsigned(p), id="alg none"),
        pytest.param(lambda p: p.assertion()[:-8], id="cut off"),
        pytest.param(lambda p: p.assertion(note="x" * 5000), id="oversize"),
        pytest.param(lambda _: "a.b.c", id="nonsense"),
        pytest.param(lambda _: "nonsense", id="more nonsense"),
    ],
)
async def test_an_assertion_that_proves_nothing_is_refused(client: httpx.AsyncClient, made: Change) -> None:
    partner = await oauth.partner()
    for more in ({}, {"client_id": partner.client_id}):
        body = partner.signed(grant_type="client_credentials", **more) | {"client_assertion": made(partner)}
        reply = await client.post("/oauth/token", data=body)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    body = partner.signed(grant_type="client_credentials")
    assert (await client.post("/oauth/token", data=body)).status_code == 200, "the control"


def by_somebody(partner: oauth.Partner) -> str:
    other = oauth.Partner(partner.client_id, oauth.new_key("ES384"), "ES384")
    return other.assertion(header={"kid": partner.key.kid})


def with_public_key(partner: oauth.Partner) -> str:
    claims = jwt.decode(partner.assertion(), partner.key, algorithms=["ES384"]).claims
    secret = OctKey.import_key(base64.b64encode(partner.key.as_pem(private=False)))
    return jwt.encode({"alg": "HS256", "kid": partner.key.kid}, claims, secret)


def unsigned(partner: oauth.Partner) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{partner.assertion().split('.')[1]}."


async def test_an_algorithm_that_is_not_on_the_list_is_refused(client: httpx.AsyncClient) -> None:
    partner = await oauth.partner(alg="RS384")
    body = partner.signed(grant_type="client_credentials")
    for alg in ("RS256", "RS512", "PS384"):
        weaker = oauth.Partner(partner.client_id, partner.key, alg)
        reply = await client.post("/oauth/token", data=body | {"client_assertion": weaker.assertion()})
        assert reply.json()["error"] == "invalid_client", alg


async def test_an_assertion_is_taken_once(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    partner, other = await oauth.partner(), await oauth.partner()
    body = partner.signed(grant_type="client_credentials")
    assert (await client.post("/oauth/token", data=body)).status_code == 200
    for path in ("/oauth/token", "/oauth/introspect"):
        reply = await client.post(path, data=body | {"token": "x"})
        assert (reply.status_code, reply.json()["code"]) == (401, "client_refused")
    jti = str(new_id())
    for who in (partner, other):
        body = who.signed(grant_type="client_credentials") | {"client_assertion": who.assertion(jti=jti)}
        reply = await client.post("/oauth/token", data=body)
        assert reply.status_code == 200, "an id is the client's own"
    kept = await value("SELECT max(expires_at) FROM client_assertion")
    assert kept > clock.wall() + timedelta(seconds=60), "longer than any of them is good for"


async def test_an_assertion_of_another_type_or_client_is_refused(client: httpx.AsyncClient) -> None:
    partner, public = await oauth.partner(), await oauth.app()
    for changed in (
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_id": public},
        {"client_id": "nobody"},
    ):
        body = partner.signed(grant_type="client_credentials") | changed
        reply = await client.post("/oauth/token", data=body)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


async def test_a_partner_without_system_scopes_gets_no_token_of_its_own(client: httpx.AsyncClient) -> None:
    partner = await oauth.partner(scopes="introspect")
    reply = await client.post("/oauth/token", data=partner.signed(grant_type="client_credentials"))
    assert reply.json()["error"] == "invalid_scope"


async def test_a_partners_token_says_who_it_is(client: httpx.AsyncClient) -> None:
    partner = await oauth.partner()
    token = (await client.post("/oauth/token", data=partner.signed(grant_type="client_credentials"))).json()
    claims = tokens.read_token(token["access_token"])
    assert token["expires_in"] == 300
    assert (claims.kind, claims.role, claims.client_id) == (ActorKind.CLIENT, "partner", partner.client_id)
    ended = await client.post("/oauth/logout-everywhere", headers=identity.bearer(token["access_token"]))
    assert (ended.status_code, ended.json()["code"]) == (403, "wrong_role")


async def test_a_partner_is_told_about_tokens_of_others_only_if_registered_for_it(
    client: httpx.AsyncClient,
) -> None:
    token = await oauth.own_tokens(client)
    curious, server = await oauth.partner(), await oauth.partner(scopes="introspect")
    reply = await client.post("/oauth/introspect", data=curious.signed(token=token["access_token"]))
    assert reply.json() == {"active": False}
    about = await client.post("/oauth/introspect", data=server.signed(token=token["access_token"]))
    claims = tokens.read_token(token["access_token"])
    assert about.json() == {
        "active": True,
        "scope": "staff",
        "client_id": "staff_web",
        "sub": str(claims.sub),
        "exp": claims.exp,
        "token_type": "Bearer",
        "iss": tokens.issuer(),
        "aud": tokens.AUDIENCE,
        "auth_time": claims.auth_time,
    }
    about = await client.post("/oauth/introspect", data=server.signed(token=token["refresh_token"]))
    assert about.json()["active"] is True
    await oauth.refreshed(client, token["refresh_token"])
    about = await client.post("/oauth/introspect", data=server.signed(token=token["refresh_token"]))
    assert about.json() == {"active": False}


def test_the_command_registers_and_disables(database_url: str, tmp_path: Path) -> None:
    def jiuyi(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.main, ["client", *words])
        return done.exit_code, done.output

    keys = tmp_path / "jwks.json"
    keys.write_text(oauth.public_jwks(KEY))
    scope = ("--name", "市医院", "--scope", "system/Organization.rs")
    assert jiuyi("add", "city", *scope, "--jwks", str(keys))[0] == 0
    assert "client_exists" in jiuyi("add", "city", *scope, "--jwks", str(keys))[1]
    assert "client_malformed" in jiuyi("add", "town", *scope)[1]
    assert "client_malformed" in jiuyi("add", "town", *scope, "--grant", "password")[1]
    assert jiuyi("disable", "city")[0] == 0
    assert "client_not_found" in jiuyi("disable", "nobody")[1]


def test_the_list_of_algorithms_is_short() -> None:
    assert assertions.ASSERTION_ALGORITHMS == ["ES256", "ES384", "RS384"]
