"""Fields at rest: AES-256-GCM bound to their place, and blind indexes to find them again."""

import base64
import hashlib
import hmac
import os
import secrets
from functools import cache
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.kernel.settings import settings

NONCE_BYTES = 12
KEY_BYTES = 32
KEY_FILE = "field_keys.json"


class Undecipherable(Exception):
    """The stored value was made for another place, with a key we lack, or was changed."""


class KeyRing(msgspec.Struct, frozen=True, kw_only=True):
    """Field keys and index keys by id (base64, 32 bytes). New values are made with the current ones."""

    fields: dict[str, str]
    field_current: str
    indexes: dict[str, str]
    index_current: str


def keys_folder() -> Path:
    return settings().data / "keys"


def ensure_key_ring(folder: Path) -> Path:
    """Make the key file at the first start, readable by us alone. Losing it loses the fields: back it up."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if not path.exists():
        ring = KeyRing(
            fields={"1": _new_key()},
            field_current="1",
            indexes={"1": _new_key()},
            index_current="1",
        )
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.encode(ring))
        try:
            os.link(fresh, path)  # whoever is first wins; a half-written key is never seen
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@cache
def key_ring() -> KeyRing:
    path = keys_folder() / KEY_FILE
    return msgspec.json.decode(path.read_bytes(), type=KeyRing)


def encrypt(plain: str, *, context: str) -> str:
    """Encrypt one field as "key id:base64(nonce + ciphertext + tag)".

    `context` names its place, `table.column.row id`: moved elsewhere, the value does not open.
    """
    ring = key_ring()
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = _cipher(ring.fields[ring.field_current]).encrypt(nonce, plain.encode(), context.encode())
    return f"{ring.field_current}:{base64.b64encode(nonce + sealed).decode()}"


def decrypt(stored: str, *, context: str) -> str:
    """The plain text of a field, or Undecipherable."""
    key_id, _, body = stored.partition(":")
    key = key_ring().fields.get(key_id)
    if key is None:
        raise Undecipherable(f"no key {key_id!r}")
    raw = base64.b64decode(body)
    try:
        plain = _cipher(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode())
    except InvalidTag as error:
        raise Undecipherable(context) from error
    return plain.decode()


@cache
def _cipher(key: str) -> AESGCM:
    return AESGCM(base64.b64decode(key))


def blind_index(plain: str, *, column: str) -> str:
    """ "key version:hex" of a normalised value: equal values of one column are equal, and no more.

    HMAC-SHA-256 under a key of the column's own, derived from the index key outside the database.
    """
    ring = key_ring()
    return _index(plain, column, ring.index_current)


def blind_indexes(plain: str, *, column: str) -> list[str]:
    """The index under every key version we hold: what a search compares with while keys rotate."""
    return [_index(plain, column, version) for version in key_ring().indexes]


def _index(plain: str, column: str, version: str) -> str:
    column_key = hmac.digest(
        base64.b64decode(key_ring().indexes[version]), f"index:{column}".encode(), "sha256"
    )
    return f"{version}:{hmac.new(column_key, plain.encode(), hashlib.sha256).hexdigest()}"


def sign_token(payload: bytes, *, purpose: str) -> str:
    """A short text that carries `payload` openly and cannot be made or changed by others."""
    body = base64.urlsafe_b64encode(payload).rstrip(b"=")
    return f"{body.decode()}.{_mac(body, purpose)}"


def open_token(token: str, *, purpose: str) -> bytes | None:
    """The payload of a token that we signed for this purpose, else None. Its age is the caller's matter."""
    body, _, given = token.partition(".")
    if not hmac.compare_digest(_mac(body.encode(), purpose).encode(), given.encode()):
        return None
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def _mac(body: bytes, purpose: str) -> str:
    ring = key_ring()
    key = hmac.digest(
        base64.b64decode(ring.indexes[ring.index_current]), f"token:{purpose}".encode(), "sha256"
    )
    return hmac.new(key, body, hashlib.sha256).hexdigest()
