"""Clients, their signed assertions, and the road from a pushed request to tokens."""

from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from app.identity.assertions import ASSERTION_TYPE, TOKEN_PATH
from app.identity.clients import Registration, register_client
from app.identity.roles import GrantType
from app.identity.tokens import issuer
from app.kernel import clock
from app.kernel.actor import system
from app.kernel.ids import new_id
from tests.make import identity
from tests.make.rows import value

DEPARTMENTS = "/api/staff/v1/departments"
REDIRECT = "https://partner.test/callback"
STATE = "state-1"

_numbers = count(1)


@dataclass(frozen=True)
class Partner:
    """A confidential client and the private key that stays with it."""

    client_id: str
    key: ECKey | RSAKey
    alg: str

    def assertion(self, *, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """What the client signs about itself; a claim given as None is left out."""
        now = int(clock.wall().timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer() + TOKEN_PATH,
            "exp": now + 60,
            "iat": now,
            "jti": str(new_id()),
        } | changed
        told = {name: value for name, value in claims.items() if value is not None}
        heading = {"alg": self.alg, "kid": self.key.kid} | (header or {})
        return jwt.encode(heading, told, self.key, algorithms=[heading["alg"]])

    def signed(self, **parameters: str) -> dict[str, str]:
        """Form parameters with a fresh assertion."""
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
            **parameters,
        }


def new_key(alg: str) -> ECKey | RSAKey:
    if alg == "RS384":
        return RSAKey.generate_key(2048, auto_kid=True)
    return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384"}[alg], auto_kid=True)


def public_jwks(*keys: ECKey | RSAKey) -> str:
    return msgspec.json.encode(KeySet(list(keys)).as_dict(private=False)).decode()


async def partner(
    *, scopes: str = "system/Organization.rs", alg: str = "ES384", redirect_uris: tuple[str, ...] = ()
) -> Partner:
    client_id, key = f"partner-{next(_numbers)}", new_key(alg)
    codes = [GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN] if redirect_uris else []
    asked = Registration(
        client_id=client_id,
        name="合作医院",
        grants=[GrantType.CLIENT_CREDENTIALS, *codes],
        scopes=scopes,
        redirect_uris=list(redirect_uris),
        jwks=public_jwks(key),
    )
    await register_client(system("test"), asked=asked)
    return Partner(client_id, key, alg)


async def app(*, scopes: str = "user/Organization.rs") -> str:
    """The client id of a public client, such as a page of somebody else's."""
    client_id = f"app-{next(_numbers)}"
    asked = Registration(
        client_id=client_id,
        name="第三方页面",
        grants=[GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN],
        scopes=scopes,
        redirect_uris=[REDIRECT],
    )
    await register_client(system("test"), asked=asked)
    return client_id


def authorization(client_id: str, **changed: str) -> dict[str, str]:
    """The parameters of a sound authorization request."""
    return {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "state": STATE,
        "code_challenge": identity.CHALLENGE,
        "code_challenge_method": "S256",
    } | changed


async def push(http: httpx.AsyncClient, client_id: str, **changed: str) -> str:
    reply = await http.post("/oauth/par", data=authorization(client_id, **changed))
    assert reply.status_code == 201, reply.text
    return reply.json()["request_uri"]


SEEDS: dict[str, str] = {}


async def member() -> str:
    """The login name of a staff member with both factors."""
    staff_id, name = await identity.staff_login()
    SEEDS[name] = await identity.totp_seed(staff_id)
    return name


async def login_proof(http: httpx.AsyncClient, name: str | None = None) -> dict[str, str]:
    """What the login page holds after a staff member (of `member()`) has logged in, however soon again."""
    name = name or await member()
    await value("UPDATE totp_seed SET last_step = 0")
    body = {
        "login_name": name,
        "password": "right-password",
        "otp": identity.otp(SEEDS[name]),
        "code_challenge": identity.CHALLENGE,
    }
    reply = await http.post("/api/staff/v1/login", json=body)
    assert reply.status_code == 200, reply.text
    return {"login_code": reply.json()["code"], "login_verifier": identity.VERIFIER}


async def code_of(
    http: httpx.AsyncClient, client_id: str, *, name: str | None = None, **changed: str
) -> dict[str, str]:
    """What comes back to the client's address after push and login: code, state, iss."""
    request_uri = await push(http, client_id, **changed)
    answer = {"client_id": client_id, "request_uri": request_uri, **await login_proof(http, name)}
    reply = await http.post("/oauth/authorize", json=answer)
    assert reply.status_code == 200, reply.text
    return dict(parse_qsl(urlsplit(reply.json()["redirect_to"]).query))


def code_grant(client_id: str, code: str, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": identity.VERIFIER,
    } | changed


async def tokens_of(http: httpx.AsyncClient, client_id: str) -> dict[str, Any]:
    """Tokens of a staff member through a public client."""
    code = (await code_of(http, client_id))["code"]
    reply = await http.post("/oauth/token", data=code_grant(client_id, code))
    assert reply.status_code == 200, reply.text
    return reply.json()


async def own_tokens(http: httpx.AsyncClient) -> dict[str, Any]:
    """Tokens of a staff member through our own page, in JSON."""
    proof = await login_proof(http)
    body = {
        "grant_type": "authorization_code",
        "code": proof["login_code"],
        "code_verifier": proof["login_verifier"],
    }
    return (await http.post("/oauth/token", json=body)).json()


async def refreshed(http: httpx.AsyncClient, refresh_token: str, **more: str) -> httpx.Response:
    body = {"grant_type": "refresh_token", "refresh_token": refresh_token, **more}
    return await http.post("/oauth/token", data=body)


async def enters(http: httpx.AsyncClient, access_token: str) -> bool:
    """Is the token good for a look at the departments?"""
    from app.identity.signed_in import forget_sessions

    forget_sessions()
    return (await http.get(DEPARTMENTS, headers=identity.bearer(access_token))).status_code == 200
