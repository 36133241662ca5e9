"""The programs that may ask for tokens: ours are there from the start, partners are registered by hand."""

import re
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from app.identity.roles import ClientKind, GrantType
from app.identity.scopes import is_well_formed
from app.identity.tokens import issuer
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Invalid, NotFound
from app.kernel.ids import new_id

CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{2,59}")
CLIENT_NAME_LENGTH_MAX = 80
REDIRECT_URIS_MAX = 10
REDIRECT_URI_LENGTH_MAX = 400
KEYS_MAX = 10
RSA_BITS_MIN = 2048
CURVES = {"P-256", "P-384"}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ClientMalformed(Invalid):
    code = "client_malformed"
    message = "客户端登记信息不符合要求：请核对编号、公钥（JWKS，只含公钥）、回调地址和授权范围。"


class ClientExists(DomainError):
    code = "client_exists"
    message = "该客户端编号已登记，请换一个编号。"


class ClientNotFound(NotFound):
    code = "client_not_found"
    message = "没有找到该客户端，请核对编号。"


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A registered client that is not disabled. `redirect_uris` are whole addresses."""

    id: UUID
    client_id: str
    name: str
    kind: ClientKind
    grants: frozenset[GrantType]
    redirect_uris: frozenset[str]
    scopes: str
    jwks: str
    auth_version: int

    def keys(self) -> KeySet:
        return KeySet.import_key_set(msgspec.json.decode(self.jwks))


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an administrator says about a partner's client. A client with keys is confidential."""

    client_id: str
    name: str
    grants: list[GrantType]
    scopes: str
    redirect_uris: list[str] = []
    jwks: str = ""


@query
async def find_client(actor: Actor, *, client_id: str) -> Client | None:
    row = await fetch_one(
        "SELECT * FROM oauth_client WHERE client_id = $1 AND disabled_at IS NULL", client_id
    )
    return None if row is None else _client_of(row)


def _client_of(row: asyncpg.Record) -> Client:
    return Client(
        id=row["id"],
        client_id=row["client_id"],
        name=row["name"],
        kind=ClientKind(row["kind"]),
        grants=frozenset(GrantType(word) for word in row["grants"].split()),
        redirect_uris=frozenset(
            issuer() + uri if uri.startswith("/") else uri for uri in row["redirect_uris"].split()
        ),
        scopes=row["scopes"],
        jwks=row["jwks"],
        auth_version=row["auth_version"],
    )


@action
async def register_client(actor: Actor, *, asked: Registration) -> None:
    """Let a partner's program in, with as little as it needs: its grants, scopes and exact addresses."""
    require_sound(asked)
    added = await fetch_value(
        "INSERT INTO oauth_client (id, client_id, name, kind, grants, redirect_uris, scopes, jwks,"
        " auth_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)"
        " ON CONFLICT (client_id) DO NOTHING RETURNING id",
        new_id(),
        asked.client_id,
        asked.name,
        str(ClientKind.CONFIDENTIAL if asked.jwks else ClientKind.PUBLIC),
        " ".join(asked.grants),
        " ".join(asked.redirect_uris),
        asked.scopes,
        asked.jwks,
    )
    if added is None:
        raise ClientExists(client_id=asked.client_id)


@action
async def disable_client(actor: Actor, *, client_id: str) -> None:
    """The partner's contract ended or its key was lost: its tokens stop within a second."""
    found = await fetch_value(
        "UPDATE oauth_client SET disabled_at = coalesce(disabled_at, now()), auth_version = auth_version + 1"
        " WHERE client_id = $1 RETURNING id",
        client_id,
    )
    if found is None:
        raise ClientNotFound(client_id=client_id)


def require_sound(asked: Registration) -> None:
    """A client of its own name, with checked keys and addresses; only who signs may come without a person."""
    codes = GrantType.AUTHORIZATION_CODE in asked.grants
    sound = (
        CLIENT_ID.fullmatch(asked.client_id)
        and 0 < len(asked.name) <= CLIENT_NAME_LENGTH_MAX
        and asked.grants
        and is_well_formed(asked.scopes)
        and codes == bool(asked.redirect_uris)
        and (codes or GrantType.REFRESH_TOKEN not in asked.grants)
        and (asked.jwks or GrantType.CLIENT_CREDENTIALS not in asked.grants)
        and len(asked.redirect_uris) <= REDIRECT_URIS_MAX
        and all(_is_sound_address(uri) for uri in asked.redirect_uris)
        and (not asked.jwks or _are_sound_keys(asked.jwks))
    )
    if not sound:
        raise ClientMalformed(client_id=asked.client_id)


def _is_sound_address(uri: str) -> bool:
    """HTTPS without a fragment; plain HTTP to the person's own machine alone (RFC 8252)."""
    if len(uri) > REDIRECT_URI_LENGTH_MAX or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return bool(safe and host) and "#" not in uri and not parts.username


def _are_sound_keys(jwks: str) -> bool:
    """Public keys of a kind and size that our algorithms accept; one without an id has RFC 7638's."""
    try:
        keys = KeySet.import_key_set(msgspec.json.decode(jwks)).keys
    except (JoseError, msgspec.DecodeError, ValueError, TypeError, KeyError):
        return False
    different = len({key.kid for key in keys}) == len(keys)
    return 0 < len(keys) <= KEYS_MAX and different and all(_is_sound_key(key) for key in keys)


def _is_sound_key(key: object) -> bool:
    if isinstance(key, ECKey):
        return not key.is_private and key.curve_name in CURVES
    if isinstance(key, RSAKey):
        return not key.is_private and key.raw_value.key_size >= RSA_BITS_MIN
    return False
