"""Proofs of possession (RFC 9449): what a device signs anew for every request, read and compared.

Beside the claims of the RFC a proof carries `bh`, ours: the base64url SHA-256 of the request's raw body.
Every request that is not a plain read needs it, so that nobody on the way can change what was asked.
"""

import base64
import hashlib
from typing import Annotated, Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from app.kernel.errors import Unauthenticated

ALGORITHM = "ES256"
PROOF_TYPE = "dpop+jwt"
PROOF_SECONDS = 120  # how far a proof's time may lie from ours, in either direction
PROOF_LENGTH_MAX = 2048
READS = {"GET", "HEAD", "OPTIONS"}

Coordinate = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class ProofMissing(Unauthenticated):
    code = "proof_missing"
    message = "请求缺少设备签名，请升级设备程序后重试。"


class ProofInvalid(Unauthenticated):
    code = "proof_invalid"
    message = "设备签名无效，请重新打开本页；仍不行请联系信息科重新登记设备。"


class ProofStale(Unauthenticated):
    """`ids.server_time` (seconds since 1970) lets a device whose clock is wrong sign again."""

    code = "proof_stale"
    message = "设备时钟与服务器相差过大，请校准设备时间后重试。"


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A P-256 public JWK. Whatever else a key may hold, its private part first of all, is refused."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Coordinate
    y: Coordinate
    alg: Literal["ES256"] = "ES256"
    use: Literal["sig"] = "sig"
    kid: str = ""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing else is understood, so nothing else (crit, jku, x5c ...) may stand in it."""

    typ: Literal["dpop+jwt"]
    alg: Literal["ES256"]
    jwk: PublicKey


class Proof(msgspec.Struct, frozen=True):
    htm: str
    htu: Annotated[str, msgspec.Meta(max_length=1024)]
    iat: int
    jti: Annotated[str, msgspec.Meta(min_length=16, max_length=64)]
    ath: str = ""
    bh: str = ""


def read_proof(text: str, *, now: float) -> tuple[str, Proof]:
    """(RFC 7638 thumbprint of the signing key, what it signed); `now` is in seconds since 1970.

    Raises ProofInvalid, or ProofStale where only the time is wrong.
    """
    if len(text) > PROOF_LENGTH_MAX:
        raise ProofInvalid
    try:
        key = msgspec.json.decode(from_base64url(text.partition(".")[0]), type=Header).jwk
        signed = jws.deserialize_compact(text, _imported(key), algorithms=[ALGORITHM])
        proof = msgspec.json.decode(signed.payload, type=Proof)
    except (JoseError, msgspec.MsgspecError, ValueError) as error:
        raise ProofInvalid from error
    if abs(now - proof.iat) > PROOF_SECONDS:
        raise ProofStale(server_time=int(now))
    return thumbprint(key), proof


def _imported(key: PublicKey) -> ECKey:
    return ECKey.import_key({"kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y})


def thumbprint(key: PublicKey) -> str:
    """RFC 7638: the members that make the key, in lexical order, without spaces."""
    return digest(f'{{"crv":"{key.crv}","kty":"{key.kty}","x":"{key.x}","y":"{key.y}"}}'.encode())


def require_fit(
    proof: Proof, *, method: str, origins: set[str], path: str, token: str, body: bytes | None
) -> None:
    """The proof was made for this request, this token and, unless `body` is None, this body.

    `origins` are the places where we are reached, like "https://host:port".
    """
    fits = (
        proof.htm == method
        and proof.htu in {origin + path for origin in origins}
        and proof.ath == (digest(token.encode()) if token else "")
        and (body is None or proof.bh == digest(body))
    )
    if not fits:
        raise ProofInvalid


def digest(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
