"""A token opens the door only while it is ours, whole, in time, and its login lives."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from app.identity import token_keys, tokens
from app.identity.devices import revoke_device
from app.identity.sessions import end_session
from app.identity.signed_in import forget_sessions
from app.kernel import clock
from app.kernel.actor import ActorKind, system
from app.kernel.ids import new_id
from tests.make import identity as make
from tests.make import organization

ME = "/api/staff/v1/departments"


@pytest.fixture
def claims() -> dict[str, Any]:
    now = int(clock.wall().timestamp())
    return {
        "iss": tokens.issuer(),
        "aud": tokens.AUDIENCE,
        "sub": str(new_id()),
        "sid": str(new_id()),
        "kind": "staff",
        "role": "doctor",
        "channel": "staff",
        "av": 1,
        "auth_time": now,
        "iat": now,
        "exp": now + 60,
    }


def signed(claims: dict[str, Any], key: ECKey | None = None, **header: str) -> str:
    return jwt.encode(
        {"alg": "ES256", "typ": "at+jwt", "kid": token_keys.signing_key().kid, **header},
        claims,
        key or token_keys.signing_key(),
    )


def test_our_own_token_is_read(data_folder: Path, claims: dict[str, Any]) -> None:
    assert str(tokens.read_token(signed(claims)).sub) == claims["sub"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"exp": None}, id="endless"),
        pytest.param({"aud": "another-api"}, id="another audience"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"iss": "somebody"}, id="another issuer"),
        pytest.param({"sub": "not-an-id"}, id="malformed subject"),
        pytest.param({"kind": "emperor"}, id="unknown kind"),
    ],
)
def test_a_wrong_claim_is_refused(data_folder: Path, claims: dict[str, Any], changed: dict[str, Any]) -> None:
    claims = {name: told for name, told in (claims | changed).items() if told is not None}
    with pytest.raises(tokens.TokenRefused):
        tokens.read_token(signed(claims))


def test_a_token_expires_at_its_second(data_folder: Path, claims: dict[str, Any]) -> None:
    claims["exp"] = int((clock.wall() - timedelta(seconds=1)).timestamp())
    with pytest.raises(tokens.TokenRefused):
        tokens.read_token(signed(claims))


def test_a_token_of_another_key_type_or_no_key_is_refused(data_folder: Path, claims: dict[str, Any]) -> None:
    other = signed(claims, ECKey.generate_key("P-256"))
    public_pem = token_keys.signing_key().as_pem(private=False)
    confused = jwt.encode(
        {"alg": "HS256", "typ": "at+jwt"}, claims, OctKey.import_key(base64.b64encode(public_pem))
    )
    header, payload, _ = signed(claims).split(".")
    none_header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    for token in (
        other,
        confused,
        f"{none_header}.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{payload[:-2]}AA.{signed(claims).split('.')[2]}",
        signed(claims, typ="JWT"),
        "",
        "a.b.c",
        "x" * 5000,
    ):
        with pytest.raises(tokens.TokenRefused):
            tokens.read_token(token)


async def test_a_bearer_is_let_in(client: httpx.AsyncClient) -> None:
    await organization.department(name="呼吸内科")
    reply = await client.get(ME, headers=make.bearer(await make.staff_token()))
    assert reply.status_code == 200
    assert reply.json()["items"][0]["name"] == "呼吸内科"


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer x.y.z"])
async def test_who_shows_no_token_stays_outside(client: httpx.AsyncClient, header: str) -> None:
    reply = await client.get(ME, headers={"Authorization": header} if header else {})
    assert reply.status_code == 401
    assert reply.json()["code"] in {"not_signed_in", "token_refused"}


async def test_an_ended_session_ends_its_tokens_within_a_second(client: httpx.AsyncClient) -> None:
    token = await make.staff_token()
    assert (await client.get(ME, headers=make.bearer(token))).status_code == 200
    await end_session(system("test"), session_id=tokens.read_token(token).sid)
    assert (await client.get(ME, headers=make.bearer(token))).status_code == 200, "remembered for a second"
    forget_sessions()
    reply = await client.get(ME, headers=make.bearer(token))
    assert (reply.status_code, reply.json()["code"]) == (401, "token_refused")


async def test_a_new_password_ends_older_sessions(client: httpx.AsyncClient) -> None:
    staff_id = new_id()
    token = await make.staff_token(staff_id=staff_id)
    await make.staff_login(staff_id=staff_id)
    assert (await client.get(ME, headers=make.bearer(token))).status_code == 401


async def test_a_disabled_device_is_out(client: httpx.AsyncClient) -> None:
    device_id, _ = await make.device()
    token = await make.token(ActorKind.DEVICE, device_id, channel="kiosk", role="kiosk")
    await revoke_device(system("test"), device_id=device_id)
    reply = await client.get("/api/mini-program/v1/persons", headers=make.bearer(token))
    assert reply.status_code == 401


async def test_each_kind_keeps_to_its_own_channel(client: httpx.AsyncClient) -> None:
    for token, path in (
        (await make.account_token(), ME),
        (await make.staff_token(), "/api/mini-program/v1/persons"),
        (await make.device_token(), ME),
    ):
        reply = await client.get(path, headers=make.bearer(token))
        assert (reply.status_code, reply.json()["code"]) == (403, "wrong_role")


async def test_a_role_is_needed_where_one_is_named(client: httpx.AsyncClient) -> None:
    path = f"/api/staff/v1/persons/{new_id()}/allergies"
    body = {"substance": "penicillin", "substance_name": "青霉素"}
    reply = await client.post(path, json=body, headers=make.bearer(await make.staff_token(role="cashier")))
    assert reply.json()["code"] == "wrong_role"
