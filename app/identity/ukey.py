"""UKeys: a signature over our challenge by a key that was registered before and never leaves the device."""

import base64
import binascii
import secrets
from datetime import timedelta
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.identity import sm2
from app.identity.events import SecondFactorEnrolled
from app.identity.roles import FactorKind, KeyAlgorithm
from app.identity.second_factor import Proof, Verdict
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.crypto import open_token, sign_token
from app.kernel.database import action, fetch, fetch_value
from app.kernel.errors import DomainError, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id

CHALLENGE_SECONDS = 120
CHALLENGE_PURPOSE = "staff_key_challenge"
LOGIN, REGISTER = "login", "register"  # a signature for the one is worth nothing for the other
KEYS_MAX = 5
TEXT_MAX = 1024


class KeyMalformed(Invalid):
    code = "signing_key_malformed"
    message = "UKey 公钥格式不正确，请更换 UKey 或联系信息科。"


class KeyNotProven(Invalid):
    code = "signing_key_not_proven"
    message = "UKey 签名验证未通过，请重新插入 UKey 后再试。"


class TooManyKeys(DomainError):
    code = "signing_keys_too_many"
    message = "最多登记 5 个 UKey，请先由安全管理员重置后再登记。"


class Challenge(msgspec.Struct, frozen=True):
    """What is in a challenge. It is signed and not stored, so that asking for one costs nothing."""

    nonce: str
    expires_at: int  # seconds since 1970


def new_challenge() -> str:
    made = Challenge(secrets.token_urlsafe(32), int(clock.wall().timestamp()) + CHALLENGE_SECONDS)
    return sign_token(msgspec.json.encode(made), purpose=CHALLENGE_PURPOSE)


def read_challenge(text: str) -> Challenge | None:
    """A challenge that we made and that has not expired."""
    payload = open_token(text, purpose=CHALLENGE_PURPOSE) if len(text) <= TEXT_MAX else None
    if payload is None:
        return None
    challenge = msgspec.json.decode(payload, type=Challenge)
    return challenge if challenge.expires_at >= clock.wall().timestamp() else None


def message_of(challenge: str, *, purpose: str) -> bytes:
    """The bytes that a UKey signs: what it is for, and the challenge."""
    return f"jiuyi.staff.{purpose}\n{challenge}".encode()


def verifies(algorithm: KeyAlgorithm, *, public_key: str, signature: str, message: bytes) -> bool:
    """Does the signature (DER, base64url) over the message come from the key's owner?"""
    encoded, der = _decode(public_key), _decode(signature)
    try:
        if algorithm is KeyAlgorithm.ES256:
            key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), encoded)
            key.verify(der, message, ECDSA(SHA256()))
            return True
        r, s = decode_dss_signature(der)
    except (InvalidSignature, ValueError):
        return False
    point = sm2.read_point(encoded)
    return point is not None and sm2.verifies(point, r=r, s=s, message=message)


def _decode(text: str) -> bytes:
    """Nothing for what is no base64url: an empty key or signature verifies nothing."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) <= TEXT_MAX else b""
    except (binascii.Error, ValueError):
        return b""


def is_public_key(algorithm: KeyAlgorithm, public_key: str) -> bool:
    encoded = _decode(public_key)
    if algorithm is KeyAlgorithm.SM2:
        return sm2.read_point(encoded) is not None
    try:
        return len(encoded) == 1 + 2 * sm2.COORDINATE_BYTES and bool(
            EllipticCurvePublicKey.from_encoded_point(SECP256R1(), encoded)
        )
    except ValueError:
        return False


@action
async def register_key(
    actor: Actor, *, algorithm: KeyAlgorithm, public_key: str, label: str, challenge: str, signature: str
) -> UUID:
    """Register one's own UKey, which signs a challenge at once; older sessions end."""
    if not is_public_key(algorithm, public_key):
        raise KeyMalformed
    message = message_of(challenge, purpose=REGISTER)
    signed = verifies(algorithm, public_key=public_key, signature=signature, message=message)
    if not signed or await _use_up(challenge) is not Verdict.RIGHT:
        raise KeyNotProven
    assert actor.id is not None
    await fetch_value("SELECT 1 FROM staff_login WHERE staff_id = $1 FOR UPDATE", actor.id)
    if len(await _keys(actor.id)) >= KEYS_MAX:
        raise TooManyKeys
    key_id = new_id()
    await fetch_value(
        "INSERT INTO signing_key (id, staff_id, algorithm, public_key, label, registered_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        key_id,
        actor.id,
        str(algorithm),
        public_key.rstrip("="),
        label,
        clock.wall(),
    )
    await fetch_value("UPDATE staff_login SET auth_version = auth_version + 1 WHERE staff_id = $1", actor.id)
    await emit(actor, SecondFactorEnrolled(staff_id=actor.id, factor=FactorKind.UKEY))
    return key_id


async def _keys(staff_id: UUID) -> list[tuple[KeyAlgorithm, str]]:
    rows = await fetch(
        "SELECT algorithm, public_key FROM signing_key WHERE staff_id = $1 AND ended_at IS NULL", staff_id
    )
    return [(KeyAlgorithm(row["algorithm"]), row["public_key"]) for row in rows]


async def _use_up(challenge: str) -> Verdict:
    """Mark a challenge as answered. What has expired is forgotten on the way: it cannot come again."""
    known = read_challenge(challenge)
    if known is None:
        return Verdict.WRONG
    await fetch_value("DELETE FROM used_challenge WHERE expires_at < $1", clock.wall())
    taken = await fetch_value(
        "INSERT INTO used_challenge (nonce, expires_at) VALUES ($1, $2) ON CONFLICT (nonce) DO NOTHING"
        " RETURNING nonce",
        known.nonce,
        clock.wall() + timedelta(seconds=CHALLENGE_SECONDS),
    )
    return Verdict.USED if taken is None else Verdict.RIGHT


class UKey:
    """Any key of the person may answer. Verifying SM2 takes some 15 ms, on a login alone."""

    amr = "hwk"

    async def enrolled(self, *, staff_id: UUID) -> bool:
        return bool(await _keys(staff_id))

    async def prove(self, *, staff_id: UUID, proof: Proof) -> Verdict:
        message = message_of(proof.challenge, purpose=LOGIN)
        for algorithm, public_key in await _keys(staff_id):
            if verifies(algorithm, public_key=public_key, signature=proof.answer, message=message):
                return await _use_up(proof.challenge)
        return Verdict.WRONG
