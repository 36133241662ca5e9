"""A UKey answers one challenge once, for the purpose it was asked for, by a key that was proven before."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.identity import sm2, ukey
from app.identity.roles import KeyAlgorithm
from app.identity.tokens import read_token
from app.kernel import clock
from tests.identity.sm2_signer import Signer
from tests.identity.staff import STAFF, logged_in, refusal, tries
from tests.make import identity as make
from tests.make.rows import value

REFUSED = (401, "login_refused")


class Key:
    """A UKey: its algorithm, its public key, and a button that signs."""

    def __init__(self, algorithm: str, point: bytes, sign: Callable[[bytes], bytes]) -> None:
        self.algorithm = algorithm
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        self._sign = sign

    def sign(self, challenge: str, purpose: str = "login") -> str:
        message = f"jiuyi.staff.{purpose}\n{challenge}".encode()
        return base64.urlsafe_b64encode(self._sign(message)).rstrip(b"=").decode()


def p256() -> Key:
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Key("ES256", point, lambda message: private.sign(message, ec.ECDSA(SHA256())))


def sm2_key() -> Key:
    signer = Signer()
    return Key("SM2", signer.point, lambda message: encode_dss_signature(*signer.sign(message)))


KEYS = pytest.mark.parametrize("make_key", [p256, sm2_key])


async def challenge(client: httpx.AsyncClient) -> str:
    return (await client.post(f"{STAFF}/login/challenges")).json()["challenge"]


def registration(key: Key, asked: str, **other: Any) -> dict[str, Any]:
    said = {
        "algorithm": key.algorithm,
        "public_key": key.public_key,
        "label": "红色 UKey",
        "challenge": asked,
        "signature": key.sign(asked, "register"),
    }
    return said | other


async def registered(client: httpx.AsyncClient, key: Key) -> str:
    """A login name with this key."""
    _, name = await make.staff_login()
    headers = await logged_in(client, name)
    body = registration(key, await challenge(client))
    reply = await client.post(f"{STAFF}/second-factor/keys", headers=headers, json=body)
    assert reply.status_code == 201, reply.text
    return name


@KEYS
async def test_a_registered_key_opens_the_login_once_per_challenge(
    client: httpx.AsyncClient, make_key: Callable[[], Key]
) -> None:
    key = make_key()
    name = await registered(client, key)
    asked = await tries(client, name)
    assert (refusal(asked), asked.json()["ids"]) == ((401, "second_factor_required"), {"factors": "ukey"})
    text = await challenge(client)
    answer = {"challenge": text, "signature": key.sign(text)}
    headers = await logged_in(client, name, ukey=answer)
    assert read_token(headers["Authorization"].removeprefix("Bearer ")).amr == ("pwd", "hwk")
    assert refusal(await tries(client, name, ukey=answer)) == REFUSED
    assert await value("SELECT failures FROM staff_login WHERE login_name = $1", name) == 0


@KEYS
async def test_what_a_key_did_not_sign_for_this_opens_nothing(
    client: httpx.AsyncClient, make_key: Callable[[], Key]
) -> None:
    key, thief = make_key(), p256()
    name = await registered(client, key)
    text = await challenge(client)
    forged = text.partition(".")[0] + "." + "0" * 64
    for answer in (
        {"challenge": text, "signature": thief.sign(text)},
        {"challenge": text, "signature": key.sign(text, "register")},
        {"challenge": forged, "signature": key.sign(forged)},
        {"challenge": text, "signature": "not base64 !"},
    ):
        assert refusal(await tries(client, name, ukey=answer)) == REFUSED, answer
    assert await value("SELECT failures FROM staff_login WHERE login_name = $1", name) == 4


async def test_a_challenge_expires(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    key = p256()
    name = await registered(client, key)
    text = await challenge(client)
    later = clock.wall() + timedelta(seconds=ukey.CHALLENGE_SECONDS + 2)
    monkeypatch.setattr(clock, "wall", lambda: later)
    answer = {"challenge": text, "signature": key.sign(text)}
    assert refusal(await tries(client, name, ukey=answer)) == REFUSED


async def test_used_challenges_are_forgotten_when_they_cannot_come_again(client: httpx.AsyncClient) -> None:
    key = p256()
    name = await registered(client, key)
    await value("UPDATE used_challenge SET expires_at = now() - interval '1 second'")
    text = await challenge(client)
    await logged_in(client, name, ukey={"challenge": text, "signature": key.sign(text)})
    assert await value("SELECT count(*) FROM used_challenge") == 1


@pytest.mark.parametrize(
    ("other", "code"),
    [
        pytest.param({"public_key": "AAAA"}, "signing_key_malformed", id="no point"),
        pytest.param({"public_key": "!"}, "signing_key_malformed", id="no base64"),
        pytest.param({"public_key": p256().public_key + "\0"}, "signing_key_malformed", id="a key and more"),
        pytest.param({"algorithm": "SM2"}, "signing_key_malformed", id="another curve"),
        pytest.param({"public_key": p256().public_key}, "signing_key_not_proven", id="another key"),
        pytest.param({"signature": "AAAA"}, "signing_key_not_proven", id="no signature"),
    ],
)
async def test_a_key_that_is_not_proven_is_not_registered(
    client: httpx.AsyncClient, other: dict[str, str], code: str
) -> None:
    _, name = await make.staff_login()
    headers = await logged_in(client, name)
    body = registration(p256(), await challenge(client), **other)
    reply = await client.post(f"{STAFF}/second-factor/keys", headers=headers, json=body)
    assert refusal(reply) == (422, code)


async def test_a_registration_cannot_be_repeated_and_keys_are_bounded(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff_id, _ = await make.staff_login()
    actor, key, text = make.staff_actor(staff_id), p256(), await challenge(client)

    async def register(text: str) -> object:
        return await ukey.register_key(
            actor,
            algorithm=KeyAlgorithm.ES256,
            public_key=key.public_key,
            label="红色 UKey",
            challenge=text,
            signature=key.sign(text, "register"),
        )

    await register(text)
    with pytest.raises(ukey.KeyNotProven):
        await register(text)
    monkeypatch.setattr(ukey, "KEYS_MAX", 1)
    with pytest.raises(ukey.TooManyKeys):
        await register(await challenge(client))


@given(st.sampled_from(KeyAlgorithm), st.text(max_size=200), st.text(max_size=200))
def test_rubbish_verifies_nothing(algorithm: KeyAlgorithm, public_key: str, signature: str) -> None:
    assert not ukey.verifies(algorithm, public_key=public_key, signature=signature, message=b"")
    assert not ukey.is_public_key(algorithm, public_key)


@given(st.text(max_size=2000))
def test_a_challenge_that_we_did_not_make_is_none(data_folder: object, text: str) -> None:
    assert ukey.read_challenge(text) is None


def test_a_long_text_is_not_even_decoded() -> None:
    long = "A" * (ukey.TEXT_MAX + 1)
    assert not ukey.verifies(KeyAlgorithm.SM2, public_key=long, signature=long, message=b"")
    assert sm2.read_point(b"\x04" + bytes(64)) is None
