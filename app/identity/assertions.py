"""Which client sends this back-channel request? A confidential one signs that it is itself (RFC 7523)."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol
from joserfc.jws import extract_compact

from app.identity.clients import Client, find_client
from app.identity.oauth_errors import OAuthRefusal
from app.identity.roles import ClientKind, GrantType
from app.identity.tokens import issuer
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor
from app.kernel.database import action, fetch_value

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ["ES256", "ES384", "RS384"]
ASSERTION_SECONDS_MAX = 5 * 60
ASSERTION_LENGTH_MAX = 4096
SKEW_SECONDS = 30  # how far a partner's clock may be off
JTI_LENGTH_MAX = 255
TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address, not a secret


class ClientRefused(OAuthRefusal):
    """One answer for an unknown client, a wrong signature and a replay alike."""

    error = "invalid_client"
    code = "client_refused"
    status = 401
    message = "客户端身份无法确认，请核对 client_id、签名密钥和系统时间后重新签名。"


class GrantNotAllowed(OAuthRefusal):
    error = "unauthorized_client"
    code = "grant_not_allowed"
    message = "该客户端没有登记这种授权方式，请联系信息科。"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an assertion. `aud` is one word: a list would let one signature serve many servers."""

    iss: str
    sub: str
    aud: str
    exp: float
    jti: str
    iat: float = 0
    nbf: float = 0


async def identify_client(parameters: dict[str, str]) -> Client | None:
    """The client of a request: by its signed assertion, or by name if it is public.

    None for our own pages and phones, which need not name themselves.
    """
    name, assertion = parameters.get("client_id"), parameters.get("client_assertion")
    if assertion is not None:
        return await _who_signed(parameters, assertion)
    if name is None:
        return None
    client = await find_client(ANONYMOUS, client_id=name)
    if client is None or client.kind is not ClientKind.PUBLIC:
        raise ClientRefused
    return client


async def require_confidential(parameters: dict[str, str]) -> Client:
    """The client of a request that only somebody with a key may send."""
    client = await identify_client(parameters)
    if client is None or client.kind is not ClientKind.CONFIDENTIAL:
        raise ClientRefused
    return client


def require_grant(client: Client | None, grant: GrantType) -> None:
    if client is not None and grant not in client.grants:
        raise GrantNotAllowed


async def _who_signed(parameters: dict[str, str], assertion: str) -> Client:
    if len(assertion) > ASSERTION_LENGTH_MAX:
        raise ClientRefused
    name = parameters.get("client_id") or _claimed_name(assertion)
    client = await find_client(ANONYMOUS, client_id=name)
    if (
        parameters.get("client_assertion_type") != ASSERTION_TYPE
        or client is None
        or client.kind is not ClientKind.CONFIDENTIAL
    ):
        raise ClientRefused
    said = _verified(client, assertion)
    now = clock.wall().timestamp()
    if (
        not said.iss == said.sub == client.client_id
        or said.aud not in {issuer(), issuer() + TOKEN_PATH}
        or not now < said.exp <= now + ASSERTION_SECONDS_MAX + SKEW_SECONDS
        or max(said.iat, said.nbf) > now + SKEW_SECONDS
        or not 0 < len(said.jti) <= JTI_LENGTH_MAX
    ):
        raise ClientRefused
    if not await _is_first_use(ANONYMOUS, client_id=client.client_id, said=said):
        raise ClientRefused
    return client


class Claiming(msgspec.Struct, frozen=True):
    iss: str


def _claimed_name(assertion: str) -> str:
    """Whose keys to try: what the assertion says of itself, believed for nothing else."""
    try:
        return msgspec.json.decode(extract_compact(assertion.encode()).payload, type=Claiming).iss
    except (JoseError, msgspec.DecodeError, ValueError) as error:
        raise ClientRefused from error


def _verified(client: Client, assertion: str) -> Said:
    keys = client.keys()

    def key_of(signature: GuestProtocol) -> Any:
        kid = signature.headers().get("kid")
        return next(key for key in keys.keys if kid is not None and key.kid == kid)

    try:
        read = jwt.decode(assertion, key_of, algorithms=ASSERTION_ALGORITHMS)
        return msgspec.convert(read.claims, Said, strict=True)
    except (JoseError, StopIteration, msgspec.ValidationError, ValueError, TypeError) as error:
        raise ClientRefused from error


@action
async def _is_first_use(actor: Actor, *, client_id: str, said: Said) -> bool:
    """The id is remembered in PostgreSQL, so no other process takes the assertion again."""
    fresh = await fetch_value(
        "INSERT INTO client_assertion (jti_hash, expires_at) VALUES ($1, $2)"
        " ON CONFLICT (jti_hash) DO NOTHING RETURNING jti_hash",
        hashlib.sha256(f"{client_id} {said.jti}".encode()).hexdigest(),
        datetime.fromtimestamp(said.exp, UTC) + timedelta(seconds=SKEW_SECONDS),
    )
    return fresh is not None
