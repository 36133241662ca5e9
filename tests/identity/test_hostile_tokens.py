"""Tokens, codes and bodies that somebody made up are refused with words, and never break anything."""

import base64
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from app.identity import token_keys, tokens
from tests.make import identity, oauth

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PATHS = ["/oauth/token", "/oauth/par", "/oauth/authorize", "/oauth/revoke", "/oauth/introspect"]
NAMES = [
    "grant_type", "code", "code_verifier", "client_id", "redirect_uri", "refresh_token", "scope", "token",
    "client_assertion", "client_assertion_type", "request_uri", "state", "login_code", "login_verifier",
    "response_type", "code_challenge", "code_challenge_method",
]  # fmt: skip
WORDS = [
    "authorization_code", "refresh_token", "client_credentials", "code", "S256", "staff_web", "mini_program",
    identity.VERIFIER, identity.CHALLENGE, "a.b.c", "urn:ietf:params:oauth:request_uri:x",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
]  # fmt: skip
VALUES = st.one_of(st.sampled_from(WORDS), st.text(max_size=60))


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode()


def forgeries(good: str) -> dict[str, str]:
    """What attackers make of a good token of ours, by the name of the attack."""
    key = token_keys.signing_key()
    claims = jwt.decode(good, key).claims
    header, payload, signature = good.split(".")
    ours = {"alg": "ES256", "typ": tokens.TYPE, "kid": key.kid}
    mine = ECKey.generate_key("P-256", auto_kid=True)
    hs256 = {"alg": "HS256", "typ": tokens.TYPE, "kid": key.kid}
    public_texts = [key.as_pem(private=False), msgspec.json.encode(key.as_dict(private=False))]
    signed_with_public = [
        jwt.encode(hs256, claims, OctKey.import_key(base64.b64encode(text)), algorithms=["HS256"])
        for text in public_texts
    ]

    def by_me(**changed: Any) -> str:
        return jwt.encode(ours | changed, claims, mine)

    def by_us(**changed: Any) -> str:
        return jwt.encode(ours, claims | changed, key)

    return {
        "alg none": f"{encoded(ours | {'alg': 'none'})}.{payload}.",
        "alg none, signature kept": f"{encoded(ours | {'alg': 'none'})}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "HS256 with the public PEM": signed_with_public[0],
        "HS256 with the public JWK": signed_with_public[1],
        "another key under our kid": by_me(),
        "another key under its own kid": by_me(kid=mine.kid),
        "no kid": jwt.encode({"alg": "ES256", "typ": tokens.TYPE}, claims, key),
        "kid as a path": by_me(kid="../../../../dev/null"),
        "kid as SQL": by_me(kid="x' UNION SELECT 'key'--"),
        "key in the header": by_me(kid=mine.kid, jwk=mine.as_dict(private=False)),
        "key address in the header": by_me(jku="https://evil.test/jwks", kid=mine.kid),
        "certificate in the header": by_me(x5u="https://evil.test/cert", kid=mine.kid),
        "another type": jwt.encode(ours | {"typ": "JWT"}, claims, key),
        "another audience": by_us(aud="another-api"),
        "many audiences": by_us(aud=["another-api"]),
        "another issuer": by_us(iss="https://evil.test"),
        "expired": by_us(exp=1),
        "endless": jwt.encode(ours, {k: v for k, v in claims.items() if k != "exp"}, key),
        "another subject, signature kept": f"{header}.{encoded(claims | {'sub': claims['sid']})}.{signature}",
        "a session of nobody": by_us(sid=claims["sub"]),
        "oversize": by_us(role="x" * tokens.TOKEN_LENGTH_MAX),
        "five parts": f"{header}..{payload}.{signature}.{signature}",
    }


async def test_no_forgery_opens_the_door(client: httpx.AsyncClient) -> None:
    good = await identity.staff_token()
    assert await oauth.enters(client, good), "the control"
    for name, token in forgeries(good).items():
        reply = await client.get(oauth.DEPARTMENTS, headers=identity.bearer(token))
        assert (reply.status_code, reply.json()["code"]) == (401, "token_refused"), name


async def test_no_forgery_is_worth_anything_to_a_partner_either(client: httpx.AsyncClient) -> None:
    partner = await oauth.partner(scopes="system/Organization.rs introspect")
    good = await identity.staff_token()
    for name, token in {"the control": good, **forgeries(good)}.items():
        about = await client.post("/oauth/introspect", data=partner.signed(token=token))
        assert about.json()["active"] is (name == "the control"), name


@FUZZ
@given(text=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=300))
async def test_made_up_bearers_are_refused(client: httpx.AsyncClient, text: str) -> None:
    reply = await client.get(oauth.DEPARTMENTS, headers={"Authorization": f"Bearer {text}"})
    assert reply.status_code == 401


@FUZZ
@given(place=st.integers(0, 2), at=st.integers(0, 200), letter=st.sampled_from("Aa0_-.=+/"))
async def test_a_token_with_one_letter_changed_is_refused(
    client: httpx.AsyncClient, place: int, at: int, letter: str
) -> None:
    good = await identity.staff_token()
    parts = good.split(".")
    at %= len(parts[place]) - 1  # the last letter of base64 has bits that mean nothing
    parts[place] = parts[place][:at] + letter + parts[place][at + 1 :]
    changed = ".".join(parts)
    reply = await client.get(oauth.DEPARTMENTS, headers={"Authorization": f"Bearer {changed}"})
    assert reply.status_code == (200 if changed == good else 401)


@FUZZ
@given(
    path=st.sampled_from(PATHS),
    fields=st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), VALUES, max_size=8),
    as_json=st.booleans(),
)
async def test_made_up_requests_are_refused_with_words(
    client: httpx.AsyncClient, path: str, fields: dict[str, str], as_json: bool
) -> None:
    body: dict[str, Any] = {"json": fields} if as_json else {"data": fields}
    headers = {} if fields or as_json else {"Content-Type": "application/x-www-form-urlencoded"}
    reply = await client.post(path, headers=headers, **body)
    if path == "/oauth/revoke" and reply.status_code == 200:
        return  # an unknown token is as good as ended (RFC 7009 2.2)
    assert reply.status_code in {400, 401, 422}, reply.text
    assert reply.json()["error"]


@FUZZ
@given(
    path=st.sampled_from(PATHS),
    body=st.binary(max_size=200),
    media=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", ""]),
)
async def test_made_up_bytes_are_refused_with_words(
    client: httpx.AsyncClient, path: str, body: bytes, media: str
) -> None:
    reply = await client.post(path, content=body, headers={"Content-Type": media})
    assert reply.status_code in {400, 401, 415, 422}, reply.text
    assert reply.json()["code"]


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=refresh_token&grant_type=password&refresh_token=x",
        b"&".join(b"p%d=1" % n for n in range(50)),
        b"grant_type=%00",
        b"grant_type=%ff",
        b"grant_type=" + b"x" * 9000,
    ],
    ids=["a parameter twice", "too many", "a zero byte", "no UTF-8", "too long"],
)
async def test_a_form_that_is_none_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    reply = await client.post(
        "/oauth/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


async def test_a_body_without_end_is_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post(
        "/oauth/token", content=b"x" * (1024 * 1024 + 1), headers={"Content-Type": "application/json"}
    )
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
