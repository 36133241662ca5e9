"""Fields at rest: sealed to their place by AES-GCM or SM4-GCM, and blind indexes to find them again."""

import base64
import hmac
import os
import secrets
import time
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from app.kernel import clock
from app.kernel.errors import DomainError
from app.kernel.settings import settings

log = structlog.get_logger()

NONCE_BYTES = 12
TAG_BYTES = 16
INDEX_KEY_BYTES = 32
KEY_FILE = "field_keys.json"
LOOK_SECONDS = 1.0  # how long a process may go on with the ring it read before


class Undecipherable(Exception):
    """The stored value was made for another place, with a key we lack, or was changed."""


class UnknownSuite(DomainError):
    code = "unknown_suite"
    message = "不认识的加密套件，请将 JIUYI_SUITE 设为 aes-gcm 或 sm4-gcm。"


class Suite(StrEnum):
    """A cipher for fields and the hash of its blind indexes. docs/algorithms/encryption.md."""

    AES_GCM = "aes-gcm"  # AES-256-GCM, HMAC-SHA-256
    SM4_GCM = "sm4-gcm"  # SM4-GCM (GB/T 32907, RFC 8998), HMAC-SM3 (GB/T 32905)


FIELD_KEY_BYTES = {Suite.AES_GCM: 32, Suite.SM4_GCM: 16}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key: base64. `made_at` is unknown of keys from before we wrote it down."""

    secret: str
    suite: Suite = Suite.AES_GCM
    made_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Key({self.suite})"  # a traceback must not tell the secret


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """Under way: the keys that everybody learns of first and that then become the current ones."""

    field: str
    index: str
    suite: Suite


class KeyRing(msgspec.Struct, frozen=True, kw_only=True):
    """Field keys and index keys by id. New values are made with the current ones."""

    fields: dict[str, Key]
    field_current: str
    indexes: dict[str, Key]
    index_current: str
    current_from: datetime | None = None  # since when the current keys are; None: since the beginning
    rotation: Rotation | None = None


def keys_folder() -> Path:
    return settings().data / "keys"


def ensure_key_ring(folder: Path) -> Path:
    """Make the key file at the first start, readable by us alone. Losing it loses the fields: back it up."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if not path.exists():
        suite = wanted_suite() or Suite.AES_GCM
        field, index = new_keys(suite)
        ring = KeyRing(fields={"1": field}, field_current="1", indexes={"1": index}, index_current="1")
        fresh = _written_aside(path, ring)
        try:
            os.link(fresh, path)  # whoever is first wins; a half-written key is never seen
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path


def wanted_suite() -> Suite | None:
    """JIUYI_SUITE, or None where nobody chose."""
    try:
        return Suite(settings().suite) if settings().suite else None
    except ValueError as error:
        raise UnknownSuite(suite=settings().suite) from error


def new_keys(suite: Suite) -> tuple[Key, Key]:
    """A fresh field key and a fresh index key."""
    now = clock.wall().replace(microsecond=0)
    lengths = (FIELD_KEY_BYTES[suite], INDEX_KEY_BYTES)
    made = [base64.b64encode(secrets.token_bytes(length)).decode() for length in lengths]
    field, index = (Key(secret=secret, suite=suite, made_at=now) for secret in made)
    return field, index


def read_key_ring(path: Path) -> KeyRing:
    """The ring of a key file; in the first files a key was its secret alone."""
    told: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    for kind in ("fields", "indexes"):
        told[kind] = {
            key_id: {"secret": key} if isinstance(key, str) else key for key_id, key in told[kind].items()
        }
    return msgspec.convert(told, KeyRing)


def replace_key_ring(path: Path, ring: KeyRing) -> None:
    """Write the ring for good before anybody uses a key of it. Readers see the old file or the new one."""
    owned = path.stat()
    fresh = _written_aside(path, ring)
    if os.geteuid() == 0:
        os.chown(fresh, owned.st_uid, owned.st_gid)  # root turns the keys of a service that is not root
    fresh.replace(path)
    _flush(path.parent)


def _written_aside(path: Path, ring: KeyRing) -> Path:
    fresh = path.with_suffix(f".{secrets.token_hex(8)}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(ring))
    _flush(fresh)
    return fresh


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RingFile:
    """What this process knows of the key file, which another process may replace at any time."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.mark: tuple[int, int, int] | None = None
        self.ring: KeyRing | None = None
        self.look_at = 0.0

    def current(self) -> KeyRing:
        path = keys_folder() / KEY_FILE
        if self.ring is None or path != self.path or time.monotonic() >= self.look_at:
            return self.look(path)
        return self.ring

    def look(self, path: Path) -> KeyRing:
        """Read the file where it is another one than before. While it is away, what we know goes on."""
        self.look_at = time.monotonic() + LOOK_SECONDS
        try:
            known = path.stat()
            mark = (known.st_mtime_ns, known.st_ino, known.st_size)
            if self.ring is None or (path, mark) != (self.path, self.mark):
                self.ring = read_key_ring(path)
                self.path, self.mark = path, mark
        except OSError as error:
            if self.ring is None or path != self.path:
                raise
            log.error("key_file_away", error=type(error).__name__)
        return self.ring


_RING_FILE = RingFile()


def key_ring() -> KeyRing:
    """The ring as its file was at most a second ago: the process that rotates keys is another one."""
    return _RING_FILE.current()


def fresh_key_ring() -> KeyRing:
    """The ring as its file is now."""
    return _RING_FILE.look(keys_folder() / KEY_FILE)


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
    key = key_ring().fields.get(key_id) or fresh_key_ring().fields.get(key_id)
    if key is None:
        raise Undecipherable(f"no key {key_id!r}")
    try:
        raw = base64.b64decode(body, validate=True)
        plain = _cipher(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise Undecipherable(context) from error
    return plain.decode()


class SM4GCM:
    """SM4 in Galois/Counter Mode, to be used like AESGCM."""

    def __init__(self, key: bytes) -> None:
        self.algorithm = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        sealing = Cipher(self.algorithm, modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated_data)
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        if len(data) < TAG_BYTES:
            raise InvalidTag
        opening = Cipher(self.algorithm, modes.GCM(nonce, data[-TAG_BYTES:])).decryptor()
        opening.authenticate_additional_data(associated_data)
        return opening.update(data[:-TAG_BYTES]) + opening.finalize()


@cache
def _cipher(key: Key) -> AESGCM | SM4GCM:
    secret = base64.b64decode(key.secret)
    return AESGCM(secret) if key.suite is Suite.AES_GCM else SM4GCM(secret)


def blind_index(plain: str, *, column: str) -> str:
    """ "key version:hex" of a normalised value: equal values of one column are equal, and no more.

    An HMAC under a key of the column's own, derived from the index key outside the database.
    """
    ring = key_ring()
    return _index(plain, column, ring, ring.index_current)


def blind_indexes(plain: str, *, column: str) -> list[str]:
    """The index under every key version we hold: what a search compares with while keys rotate."""
    ring = key_ring()
    return [_index(plain, column, ring, version) for version in ring.indexes]


def _index(plain: str, column: str, ring: KeyRing, version: str) -> str:
    return f"{version}:{_mac(ring.indexes[version], f'index:{column}', plain.encode())}"


def _mac(key: Key, use: str, message: bytes) -> str:
    """Hex of the message's MAC under a key that is derived for this use alone."""
    derived = keyed_hash(key.suite, base64.b64decode(key.secret), use.encode())
    return keyed_hash(key.suite, derived, message).hex()


def keyed_hash(suite: Suite, key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 or HMAC-SM3."""
    if suite is Suite.AES_GCM:
        return hmac.digest(key, message, "sha256")
    mac = HMAC(key, SM3())
    mac.update(message)
    return mac.finalize()


def sign_token(payload: bytes, *, purpose: str) -> str:
    """A short text that carries `payload` openly and cannot be made or changed by others."""
    body = base64.urlsafe_b64encode(payload).rstrip(b"=")
    ring = key_ring()
    return f"{body.decode()}.{_mac(ring.indexes[ring.index_current], f'token:{purpose}', body)}"


def open_token(token: str, *, purpose: str) -> bytes | None:
    """The payload of a token that we signed for this purpose, else None. Its age is the caller's matter.

    Every index key counts: what was signed a moment before a rotation is as good as before.
    """
    body, _, given = token.partition(".")
    for key in key_ring().indexes.values():
        expected = _mac(key, f"token:{purpose}", body.encode())
        if hmac.compare_digest(expected.encode(), given.encode()):
            return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    return None
