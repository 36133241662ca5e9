"""What a seal says, how it hangs on the one before, and the key that signs it: docs/algorithms/seals.md."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

KEY_FILE = "seal_key.pem"
FIRST_PREVIOUS = "00" * 32
KEY_ID_LENGTH = 16


class NoSealKey(Exception):
    """The file is no Ed25519 key."""


class Seal(msgspec.Struct, frozen=True, kw_only=True, tag="seal"):
    """One link: `entries` leaves in their order, after the root before. Bytes are written in hexadecimal."""

    no: int
    at: datetime
    entries: int
    previous: str
    root: str
    cluster: str
    horizon: str
    horizon_entry: int
    key_id: str
    signature: str = ""


class Restored(msgspec.Struct, frozen=True, kw_only=True, tag="restored"):
    """Told to the anchors by hand: the database was set back to seal `no`; the seals after it are void."""

    no: int
    root: str
    at: datetime
    reason: str
    key_id: str
    signature: str = ""


class Archived(msgspec.Struct, frozen=True, kw_only=True, tag="archived"):
    """A month of one trace went from the database into `file`; its leaves stay. `sha256` is the file's."""

    source: str
    month: str  # 2026-03, in UTC, as the partitions are cut
    entries: int
    leaves: str  # SHA-256 of the month's leaves, one after another in the order of their seals
    file: str
    sha256: str
    at: datetime
    key_id: str
    signature: str = ""


Line = Seal | Restored
Signed = TypeVar("Signed", Seal, Restored, Archived, Line)
HEADS = {Seal: "jiuyi seal 1", Restored: "jiuyi restored 1", Archived: "jiuyi archived 1"}


def root_of(*, previous: str, no: int, digests: Iterable[bytes]) -> str:
    """SHA-256 of the root before, the number, the count (8 bytes each, big endian) and the leaves."""
    leaves = list(digests)
    head = bytes.fromhex(previous) + no.to_bytes(8, "big") + len(leaves).to_bytes(8, "big")
    return hashlib.sha256(head + b"".join(leaves)).hexdigest()


def signed_text(line: Line | Archived) -> bytes:
    """What the signature covers: a first line with the kind, then each field's value on a line."""
    values = [HEADS[type(line)]]
    for name in line.__struct_fields__:
        if name != "signature":
            values.append(_written(getattr(line, name)))
    return "\n".join(values).encode()


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)


def sign(line: Signed, key: Ed25519PrivateKey) -> Signed:
    return msgspec.structs.replace(line, signature=key.sign(signed_text(line)).hex())


def is_signed(line: Line | Archived, keys: Mapping[str, Ed25519PublicKey]) -> bool:
    """Whether one of these keys, the one that it names, has signed it."""
    key = keys.get(line.key_id)
    if key is None:
        return False
    try:
        key.verify(bytes.fromhex(line.signature), signed_text(line))
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id_of(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:KEY_ID_LENGTH]


def seal_key(folder: Path) -> Ed25519PrivateKey:
    """The hospital's key, made at its first use, readable by us alone. Whoever has it can forge seals."""
    path = folder / KEY_FILE
    if not path.exists():
        _make_key(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise NoSealKey(path.name)
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{secrets.token_hex(8)}")  # threads of one process may come at once, too
    fresh.touch(mode=0o600)
    fresh.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    try:
        os.link(fresh, path)  # whoever is first wins; a half-written key is never seen
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def public_keys(paths: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """The keys of these PEM files by their id; a private key's file gives its public half."""
    keys: dict[str, Ed25519PublicKey] = {}
    for path in paths:
        text = path.read_bytes()
        try:
            key = (
                load_pem_private_key(text, password=None).public_key()
                if b"PRIVATE" in text
                else load_pem_public_key(text)
            )
        except ValueError as error:
            raise NoSealKey(path.name) from error
        if not isinstance(key, Ed25519PublicKey):
            raise NoSealKey(path.name)
        keys[key_id_of(key)] = key
    return keys


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
