"""Access tokens: ES256, short-lived, for our own API alone. Whether a login still lives, sessions know."""

import os
from functools import cache
from pathlib import Path
from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from app.kernel import clock
from app.kernel.actor import ActorKind
from app.kernel.crypto import keys_folder
from app.kernel.errors import Unauthenticated

KEY_FILE = "token_key.json"
ALGORITHM = "ES256"
ISSUER = "jiuyi"
AUDIENCE = "jiuyi-api"
TOKEN_SECONDS = 15 * 60
DEVICE_TOKEN_SECONDS = 5 * 60
TOKEN_LENGTH_MAX = 2048


class TokenRefused(Unauthenticated):
    code = "token_refused"


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says. `role` is the staff role or the device kind, `av` the login's auth version.

    `auth_time` (seconds since 1970) is when the person last proved who they are and `amr` how; `cnf` names
    the key that the bearer must prove (RFC 9449), where the session is bound to one.
    """

    sub: UUID
    sid: UUID
    kind: ActorKind
    role: str
    channel: str
    av: int
    exp: int
    auth_time: int
    client_id: str = ""
    scope: str = ""
    amr: tuple[str, ...] = ()
    cnf: dict[str, str] | None = None


def ensure_token_key(folder: Path) -> Path:
    """Make the signing key at the first start, readable by us alone. Losing it ends every session."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if not path.exists():
        key = ECKey.generate_key("P-256", private=True, auto_kid=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.encode(key.as_dict(private=True)))
        try:
            os.link(fresh, path)  # whoever is first wins; a half-written key is never seen
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path


@cache
def _key_at(path: Path) -> ECKey:
    return ECKey.import_key(msgspec.json.decode(path.read_bytes()))


def signing_key() -> ECKey:
    path = keys_folder() / KEY_FILE
    if not path.exists():
        ensure_token_key(keys_folder())
    return _key_at(path)


def public_keys() -> dict[str, list[dict[str, object]]]:
    """The JWKS that others verify our tokens with."""
    key = signing_key()
    return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM, "kid": key.kid}]}


def issue_token(claims: Claims) -> str:
    key = signing_key()
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(clock.wall().timestamp()),
        **msgspec.to_builtins(claims),
    }
    if claims.cnf is None:
        del said["cnf"]
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}
    return jwt.encode(header, said, key, algorithms=[ALGORITHM])


def read_token(token: str) -> Claims:
    """The claims of a token that we signed for ourselves and that has not expired, or TokenRefused."""
    if len(token) > TOKEN_LENGTH_MAX:
        raise TokenRefused
    registry = jwt.JWTClaimsRegistry(
        now=int(clock.wall().timestamp()),
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )
    try:
        read = jwt.decode(token, signing_key(), algorithms=[ALGORITHM])
        if read.header.get("typ") != "at+jwt":
            raise TokenRefused
        registry.validate(read.claims)
        return msgspec.convert(read.claims, Claims, strict=True)
    except (JoseError, msgspec.ValidationError, ValueError) as error:
        raise TokenRefused from error
