"""The proof of the request at hand: read, compared with the request, and accepted once."""

import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State

from app.identity.dpop import (
    PROOF_SECONDS,
    READS,
    Proof,
    ProofInvalid,
    ProofMissing,
    read_proof,
    require_fit,
)
from app.kernel import clock
from app.kernel.actor import ANONYMOUS, Actor, system
from app.kernel.database import action, fetch, fetch_value
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id
from app.kernel.settings import settings

READS_REMEMBERED_MAX = 50_000
FORGOTTEN_AT_ONCE_MAX = 10_000

AnyConnection = ASGIConnection[Any, Any, Any, State]


class ProofReplayed(Unauthenticated):
    code = "proof_replayed"
    message = "该请求已经提交过，请以新的设备签名重试。"


async def proved_key(connection: AnyConnection, *, token: str = "") -> tuple[str, Proof]:
    """The thumbprint of the key that signed this request, with `token` if one is shown, and its proof.

    Raises ProofMissing, ProofInvalid or ProofStale. Whether it comes for the first time, `accept_once` says.
    """
    given = connection.headers.getall("DPoP", [])
    if not given:
        raise ProofMissing
    if len(given) > 1:
        raise ProofInvalid
    thumbprint, proof = read_proof(given[0], now=clock.wall().timestamp())
    method = str(connection.scope.get("method", ""))
    # A proof says nothing of the query: a write that had one could be changed on the way.
    if method not in READS and connection.scope["query_string"]:
        raise ProofInvalid
    require_fit(
        proof,
        method=method,
        origins=_origins(connection),
        path=connection.scope["raw_path"].decode("latin-1"),
        token=token,
        body=None if method in READS else await _body(connection),
    )
    return thumbprint, proof


def _origins(connection: AnyConnection) -> set[str]:
    """Where we are reached: the address that is set, and, for names inside the house, the Host header.

    That header is the caller's word. It is enough here: a page of another origin has no access to the key,
    so a proof for another name than ours does not come into being.
    """
    host = connection.headers.get("Host", "")
    ours = {settings().public_url.rstrip("/")} if settings().public_url else set()
    return {f"http://{host}", f"https://{host}", *ours}


async def _body(connection: AnyConnection) -> bytes:
    assert isinstance(connection, Request)
    return await connection.body()


async def accept_once(connection: AnyConnection, *, thumbprint: str, proof: Proof) -> None:
    """Raises ProofReplayed where the same proof came before.

    Writes are remembered by the database: neither a restart nor a second process lets one in twice. A read
    changes nothing, and only who has broken TLS could repeat it: this process's bounded memory is enough.
    """
    if connection.scope.get("method") in READS:
        fresh = _remember_read((thumbprint, proof.jti))
    else:
        fresh = await _remember_write(ANONYMOUS, thumbprint=thumbprint, proof=proof)
    if not fresh:
        raise ProofReplayed


# When (monotonic) a read's proof may be forgotten, oldest first.
_reads: OrderedDict[tuple[str, str], float] = OrderedDict()


def _remember_read(seen: tuple[str, str]) -> bool:
    if seen in _reads:
        return False
    now = time.monotonic()
    _reads[seen] = now + 2 * PROOF_SECONDS
    while len(_reads) > READS_REMEMBERED_MAX or next(iter(_reads.values())) < now:
        _reads.popitem(last=False)
    return True


@action
async def _remember_write(actor: Actor, *, thumbprint: str, proof: Proof) -> bool:
    # Until the proof is stale, and a second more for its fraction.
    until = datetime.fromtimestamp(proof.iat, UTC) + timedelta(seconds=PROOF_SECONDS + 1)
    row_id = await fetch_value(
        "INSERT INTO proof_nonce (id, key_thumbprint, jti, expires_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT ON CONSTRAINT proof_nonce_once DO NOTHING RETURNING id",
        new_id(),
        thumbprint,
        proof.jti,
        until,
    )
    return row_id is not None


@action
async def _forget(actor: Actor) -> int:
    rows = await fetch(
        "DELETE FROM proof_nonce WHERE id IN"
        " (SELECT id FROM proof_nonce WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING id",
        clock.wall(),
        FORGOTTEN_AT_ONCE_MAX,
    )
    return len(rows)


async def forget_nonces() -> int:
    """The sweep: a stale proof is refused for its age, so its nonce need not be known."""
    return await _forget(system("sweeper"))
