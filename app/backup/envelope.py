"""Age files, as the public `age` tool reads them: a key for each backup, sealed by the passphrase."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NewType, Protocol

import pyrage

from app.launch.refusals import CannotStart

PASSPHRASE_CHARACTERS_MIN = 16

AGE: Any = pyrage  # compiled, without types

Identity = NewType("Identity", str)  # the private key of one backup, as age writes it


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    def write(self, data: bytes, /) -> Any: ...


class PassphraseTooShort(CannotStart):
    """Whoever steals the folder may guess for as long as he likes."""


class WrongPassphrase(CannotStart):
    """The passphrase does not open this backup."""


class Unsealable(Exception):
    """The stream was changed, cut, or made for another key."""


def refuse_short(passphrase: str) -> str:
    if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
        raise PassphraseTooShort(
            f"备份口令太短:至少需要 {PASSPHRASE_CHARACTERS_MIN} 个字符,建议用几个不相干的词连成一句。"
        )
    return passphrase


def new_identity() -> Identity:
    return Identity(str(AGE.x25519.Identity.generate()))


def seal_identity(identity: Identity, passphrase: str) -> bytes:
    """The key as an age file of its own, by scrypt: `age -d -i identity.age` asks for the passphrase."""
    return AGE.passphrase.encrypt(f"{identity}\n".encode(), passphrase)


def open_identity(sealed: bytes, passphrase: str) -> Identity:
    try:
        return Identity(AGE.passphrase.decrypt(sealed, passphrase).decode().strip())
    except AGE.DecryptError as error:
        raise WrongPassphrase("口令不正确,备份没有打开。请核对信封中的备份口令。") from error


def manifest_key(identity: Identity) -> bytes:
    return hmac.digest(identity.encode(), b"jiuyi backup manifest", hashlib.sha256)


def row_salt(identity: Identity) -> str:
    """Mixed into every row's hash, so that the manifest's sums neither tell a row nor can be aimed at."""
    return hmac.new(identity.encode(), b"jiuyi backup rows", hashlib.sha256).hexdigest()


def seal(source: Readable, target: Writable, identity: Identity) -> None:
    """Encrypt a stream of any length, 64 KiB at a time."""
    reading, writing = _Kept(source.read), _Kept(target.write)
    try:
        AGE.encrypt_io(
            _Reader(reading), _Writer(writing), [AGE.x25519.Identity.from_str(identity).to_public()]
        )
    except AGE.EncryptError as error:
        raise reading.error or writing.error or error from None


def unseal(source: Readable, target: Writable, identity: Identity) -> None:
    """Decrypt a stream; what `target` has got is worth nothing when this raises Unsealable."""
    reading, writing = _Kept(source.read), _Kept(target.write)
    try:
        AGE.decrypt_io(_Reader(reading), _Writer(writing), [AGE.x25519.Identity.from_str(identity)])
    except (AGE.DecryptError, OSError) as error:
        raise reading.error or writing.error or Unsealable(str(error)) from None


class _Kept:
    """A call whose exception the library would turn into a text of its own."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.error: BaseException | None = None

    def __call__(self, value: Any) -> Any:
        try:
            return self.call(value)
        except BaseException as error:
            self.error = error
            raise


class _Reader:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


class _Writer:
    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write

    def write(self, data: bytes) -> int:
        self._write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""
