"""SM2 signatures, SM3 digests and SM4 encryption (GB/T 32918, 32905, 32907) as platforms use them.

gmssl does the arithmetic of SM2. It checks neither a key nor the ranges of a signature and draws its
numbers from no safe source, so both are done here; SM3 and SM4 come from `cryptography`.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
from gmssl.sm2 import CryptSM2, default_ecc_table

from simulators.keys import write_private

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
SIGNER_ID = b"1234567812345678"  # GB/T 32918.2's default
SIGNATURE_BYTES = 64
SM4_KEY_BYTES = 16

# The DER frame of every SM2 key: its curve has one name and its numbers one length.
PRIVATE_FRAME = bytes.fromhex("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420")
PRIVATE_MIDDLE = bytes.fromhex("a144034200")
PUBLIC_FRAME = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")


class SM2Key(NamedTuple):
    """A key pair; `public` is the point as 04, X, Y."""

    private: int
    public: bytes


def new_key() -> SM2Key:
    return key_of(secrets.randbelow(N - 2) + 1)


def key_of(private: int) -> SM2Key:
    """The pair of this private number (1 to n-2)."""
    assert 1 <= private <= N - 2, "a private key of SM2 lies between 1 and n-2"
    point = CryptSM2(private_key="", public_key="")._kg(private, default_ecc_table["g"])  # pyright: ignore[reportPrivateUsage]  # the library offers no other way
    assert point is not None
    return SM2Key(private, b"\x04" + bytes.fromhex(point))


@cache
def stranger() -> SM2Key:
    """A key nobody trusts: what forged messages are signed with."""
    return new_key()


def stored_key(path: Path) -> SM2Key:
    """The key stored at this path as PKCS#8, made now if it is the first start."""
    if not path.exists():
        write_private(path, private_pem(new_key()))
    der = _unarmoured(path.read_bytes())
    assert der.startswith(PRIVATE_FRAME), f"{path} holds another kind of key"
    start = len(PRIVATE_FRAME)
    return key_of(int.from_bytes(der[start : start + 32], "big"))


def private_pem(key: SM2Key) -> bytes:
    """PKCS#8, as OpenSSL writes it."""
    der = PRIVATE_FRAME + key.private.to_bytes(32, "big") + PRIVATE_MIDDLE + key.public
    return _armoured("PRIVATE KEY", der)


def public_pem(key: SM2Key) -> bytes:
    return _armoured("PUBLIC KEY", PUBLIC_FRAME + key.public)


def on_curve(public: bytes) -> bool:
    """Whether these bytes are 04, X, Y of a point of the curve."""
    if len(public) != 65 or public[0] != 4:
        return False
    x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    return x < P and y < P and (y * y - (x * x * x + A * x + B)) % P == 0


def sign(key: SM2Key, message: bytes) -> str:
    """SM3withSM2 with the default signer id: base64 of r and s, 32 bytes each."""
    signer = CryptSM2(private_key=f"{key.private:064x}", public_key="")
    signature = None
    while signature is None:  # the library gives None for the one number in 2^256 it must not use
        signature = signer.sign(digest_to_sign(key.public, message), f"{secrets.randbelow(N - 1) + 1:064x}")
    return b64encode(bytes.fromhex(signature)).decode()


def verifies(public: bytes, message: bytes, signature: str) -> bool:
    """Whether `signature` (base64 of r and s) is this key's; anything ill-formed is not."""
    try:
        raw = b64decode(signature, validate=True)
    except (NotBase64, ValueError):
        return False
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    in_range = len(raw) == SIGNATURE_BYTES and 1 <= r < N and 1 <= s < N and (r + s) % N != 0
    if not in_range or not on_curve(public):
        return False
    verifier = CryptSM2(private_key="", public_key="")
    verifier.public_key = public[1:].hex()  # the constructor would strip every leading 0 and 4
    try:
        return bool(verifier.verify(raw.hex(), digest_to_sign(public, message)))
    except TypeError:  # the sum is the point at infinity, for which the library has no coordinates
        return False


def digest_to_sign(public: bytes, message: bytes) -> bytes:
    """SM3 of Z and the message (GB/T 32918.2, 5.5 and 6.1)."""
    generator = bytes.fromhex(default_ecc_table["g"])
    curve = A.to_bytes(32, "big") + B.to_bytes(32, "big") + generator
    z = sm3((len(SIGNER_ID) * 8).to_bytes(2, "big") + SIGNER_ID + curve + public[1:])
    return sm3(z + message)


def sm3(data: bytes) -> bytes:
    made = Hash(SM3())
    made.update(data)
    return made.finalize()


def encrypt(key: bytes, plain: bytes) -> str:
    """SM4, ECB, PKCS#7, base64: what the public implementations of the platform's clients do."""
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()  # noqa: S305  # the platform's choice
    padded = padder.update(plain) + padder.finalize()
    return b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(key: bytes, sealed: str) -> bytes:
    """The plain bytes; ValueError for what this key has not encrypted."""
    decryptor = Cipher(algorithms.SM4(key), modes.ECB()).decryptor()  # noqa: S305  # the platform's choice
    unpadder = padding.PKCS7(128).unpadder()
    padded = decryptor.update(b64decode(sealed, validate=True)) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _armoured(kind: str, der: bytes) -> bytes:
    text = b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""]).encode()


def _unarmoured(pem: bytes) -> bytes:
    return b64decode("".join(line for line in pem.decode().splitlines() if not line.startswith("-----")))
