"""Access tokens: ES256, short-lived, for our own API alone. Whether a login still lives, sessions know."""

from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol

from app.identity.token_keys import ALGORITHM, TOKEN_SECONDS_MAX, signing_key, verifying_key
from app.kernel import clock
from app.kernel.actor import ActorKind
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id
from app.kernel.settings import settings

AUDIENCE = "jiuyi-api"
TYPE = "at+jwt"  # RFC 9068: an access token is never taken for anything else, nor the reverse
DEVICE_TOKEN_SECONDS = 5 * 60
TOKEN_SECONDS = {
    ActorKind.ACCOUNT: TOKEN_SECONDS_MAX,
    ActorKind.STAFF: 10 * 60,
    ActorKind.DEVICE: DEVICE_TOKEN_SECONDS,
    ActorKind.CLIENT: 5 * 60,
}
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


def issuer() -> str:
    """Who we are to OAuth clients (RFC 8414): the address that the outside reaches us by."""
    ours = settings()
    return ours.public_url.rstrip("/") or f"http://{ours.host}:{ours.port}"


def issue_token(claims: Claims) -> str:
    key = signing_key()
    said = {
        "iss": issuer(),
        "aud": AUDIENCE,
        "iat": int(clock.wall().timestamp()),
        "jti": str(new_id()),
        **msgspec.to_builtins(claims),
    }
    if claims.cnf is None:
        del said["cnf"]
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": TYPE}
    return jwt.encode(header, said, key, algorithms=[ALGORITHM])


def read_token(token: str) -> Claims:
    """The claims of a token that we signed for ourselves and that has not expired, or TokenRefused."""
    if len(token) > TOKEN_LENGTH_MAX:
        raise TokenRefused
    registry = jwt.JWTClaimsRegistry(
        now=int(clock.wall().timestamp()),
        iss={"essential": True, "value": issuer()},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )
    try:
        read = jwt.decode(token, _key_of, algorithms=[ALGORITHM])
        if read.header.get("typ") != TYPE:
            raise TokenRefused
        registry.validate(read.claims)
        return msgspec.convert(read.claims, Claims, strict=True)
    except (JoseError, msgspec.ValidationError, ValueError) as error:
        raise TokenRefused from error


def _key_of(signature: GuestProtocol) -> ECKey:
    """Our own key of the id in the header; any other key that the header names is ignored."""
    key = verifying_key(signature.headers().get("kid"))
    if key is None:
        raise TokenRefused
    return key
