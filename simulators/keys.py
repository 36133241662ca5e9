"""Keys and secrets of the simulated platforms, made at first start, readable by the owner only."""

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from app.kernel.clock import wall

CERTIFICATE_LIFE = timedelta(days=5 * 365)
TOP_BIT = 1 << 158  # a serial number of forty digits without leading zero: some clients lose one on the way
PKCS8 = serialization.PrivateFormat.PKCS8
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL

T = TypeVar("T", bound=msgspec.Struct)


def write_private(path: Path, content: bytes) -> None:
    """Write a file only its owner can read; a reader sees the old content or the new, whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def remembered(path: Path, fresh: T) -> T:
    """The Struct stored at this path, or the fresh one, stored now."""
    if not path.exists():
        write_json(path, fresh)
    return msgspec.json.decode(path.read_bytes(), type=type(fresh))


def write_json(path: Path, content: msgspec.Struct | dict[str, str]) -> None:
    """Write JSON that people can read."""
    write_private(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def private_key(path: Path) -> rsa.RSAPrivateKey:
    """The RSA key stored at this path as PKCS#8, made now if it is the first start."""
    if not path.exists():
        write_private(path, private_pem(new_key(), PKCS8))
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey), f"{path} holds another kind of key"
    return key


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def stranger() -> rsa.RSAPrivateKey:
    """A key nobody trusts: what forged messages are signed with."""
    return new_key()


def private_pem(key: rsa.RSAPrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate(path: Path, key: rsa.RSAPrivateKey, *, name: str) -> x509.Certificate:
    """The self-signed certificate stored at this path, made now if it is the first start."""
    if not path.exists():
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number() | TOP_BIT)
            .not_valid_before(wall() - timedelta(days=1))
            .not_valid_after(wall() + CERTIFICATE_LIFE)
            .sign(key, hashes.SHA256())
        )
        write_private(path, made.public_bytes(serialization.Encoding.PEM))
    return x509.load_pem_x509_certificate(path.read_bytes())


def serial_of(made: x509.Certificate) -> str:
    """Forty hexadecimal digits: a leading zero belongs to the number."""
    return f"{made.serial_number:040X}"


def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
    """SHA256 with RSA (PKCS #1 v1.5), as both platforms sign."""
    return b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def verifies(key: rsa.RSAPublicKey, message: bytes, signature: str) -> bool:
    try:
        key.verify(b64decode(signature, validate=True), message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, NotBase64, ValueError):
        return False
    return True
