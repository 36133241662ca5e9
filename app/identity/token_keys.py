"""The keys that sign our tokens. A new one is published before it signs; an old one verifies to the end."""

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from joserfc.jwk import ECKey

from app.kernel import clock
from app.kernel.crypto import keys_folder

KEYS_FILE = "token_keys.json"
ALGORITHM = "ES256"
TOKEN_SECONDS_MAX = 15 * 60  # no token lives longer, so no key verifies longer after its successor signs
JWKS_SECONDS = 5 * 60  # how long others may keep our public keys
PUBLISHED_AHEAD_SECONDS = 2 * JWKS_SECONDS


class TokenKey(msgspec.Struct, frozen=True, kw_only=True):
    """A private JWK and the second since 1970 from which it signs."""

    jwk: dict[str, Any]
    sign_from: int


class ReadyKey(msgspec.Struct, frozen=True, kw_only=True):
    key: ECKey
    sign_from: int


K = TypeVar("K", TokenKey, ReadyKey)


def ensure_token_keys(folder: Path) -> Path:
    """Make the first key at the first start, readable by us alone. Losing the file ends every token."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEYS_FILE
    if not path.exists():
        fresh = _written(folder, [_new_key(sign_from=0)])
        try:
            os.link(fresh, path)  # whoever is first wins; a half-written key is never seen
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path


def rotate_token_keys(folder: Path) -> TokenKey:
    """Add a key that signs once everybody has had the time to read it; drop those that nothing needs.

    Running processes see the file's change by themselves, and the times in it decide: none is told.
    """
    path = ensure_token_keys(folder)
    added = _new_key(sign_from=int(clock.wall().timestamp()) + PUBLISHED_AHEAD_SECONDS)
    kept = _needed(msgspec.json.decode(path.read_bytes(), type=list[TokenKey]))
    _written(folder, [*kept, added]).replace(path)
    return added


def signing_key() -> ECKey:
    """The youngest key whose time to sign has come."""
    now = clock.wall().timestamp()
    return [ready.key for ready in _keys() if ready.sign_from <= now][-1]


def verifying_key(kid: object) -> ECKey | None:
    """The key of this id, while a token that it signed can be alive. Never a key that the token brings."""
    return next((ready.key for ready in _needed(_keys()) if ready.key.kid == kid), None)


def public_keys() -> dict[str, list[dict[str, object]]]:
    """The JWKS that others verify our tokens with, next key included."""
    return {
        "keys": [
            {**ready.key.as_dict(private=False), "use": "sig", "alg": ALGORITHM, "kid": ready.key.kid}
            for ready in _needed(_keys())
        ]
    }


def _new_key(*, sign_from: int) -> TokenKey:
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    return TokenKey(jwk=dict(key.as_dict(private=True)), sign_from=sign_from)


def _written(folder: Path, keys: list[TokenKey]) -> Path:
    fresh = folder / f"{KEYS_FILE}.{os.getpid()}.{time.monotonic_ns()}"
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(keys))
    return fresh


def _keys() -> list[ReadyKey]:
    path = keys_folder() / KEYS_FILE
    if not path.exists():
        ensure_token_keys(keys_folder())
    about = path.stat()
    return _read(path, about.st_mtime_ns, about.st_ino)


@lru_cache(maxsize=4)
def _read(path: Path, changed_at: int, inode: int) -> list[ReadyKey]:
    # The arguments name one version of the file: another version is another entry.
    stored = msgspec.json.decode(path.read_bytes(), type=list[TokenKey])
    return [ReadyKey(key=ECKey.import_key(one.jwk), sign_from=one.sign_from) for one in stored]


def _needed(keys: list[K]) -> list[K]:
    """Oldest first: a key is needed until the last token from before its successor has expired."""
    now = clock.wall().timestamp()
    successors = [key.sign_from for key in keys[1:]]
    outlived = sum(begins + TOKEN_SECONDS_MAX <= now for begins in successors)
    return keys[outlived:]
