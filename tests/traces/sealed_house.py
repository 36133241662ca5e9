"""A small sealed history, and a forger with every right in the database to tamper with it."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.kernel.crypto import keys_folder
from app.kernel.settings import settings
from app.traces.chain import FIRST_PREVIOUS, Seal, key_id_of, root_of, seal_key, sign
from app.traces.findings import Report
from app.traces.sealing import COLUMNS, keep_sealing, seal_of
from app.traces.verifying import verify

ROUNDS = 12
PATIENCE_SECONDS = 60
UNSEALED = (
    "SELECT count(*) FROM (SELECT entry, at FROM record_version UNION ALL SELECT entry, at FROM access_log) e"
    " WHERE NOT EXISTS (SELECT FROM seal_leaf l WHERE l.entry = e.entry AND l.at = e.at)"
)
PERSON = (
    "INSERT INTO person (id, name, sex, born_on, id_kind, no_id_reason)"
    " SELECT gen_random_uuid(), '新生儿' || n, '1', '2026-01-01', '00', 'NEWBORN'"
    " FROM generate_series(1, $1) n"
)
ACCESS = (
    "INSERT INTO access_log (actor_kind, actor_id, role, channel, request_id, address, permission, status,"
    " person_id, reason) SELECT 'staff', gen_random_uuid(), 'doctor', 'staff', 'r' || n, '127.0.0.1',"
    " 'report.read', 200, gen_random_uuid(), '会诊' FROM generate_series(1, $1) n"
)


def our_keys() -> dict[str, Ed25519PublicKey]:
    key = our_private_key().public_key()
    return {key_id_of(key): key}


async def forger(dsn: str) -> asyncpg.Connection:
    """A superuser's session, past the walls."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SELECT set_config('app.actor_kind', 'system', false)")
    return connection


async def sealed_history(dsn: str, *, rounds: int = ROUNDS) -> None:
    """Persons come, change and go, and are looked at; each round has its seal."""
    connection = await forger(dsn)
    for _ in range(rounds):
        await connection.execute(PERSON.replace("$1", "4"))
        await connection.execute(
            "UPDATE person SET name = name || '宝' WHERE id = (SELECT min(id::text)::uuid FROM person)"
        )
        await connection.execute("DELETE FROM person WHERE id = (SELECT max(id::text)::uuid FROM person)")
        await connection.execute(ACCESS.replace("$1", "3"))
        await seal_everything(connection)
    await connection.close()


async def seal_everything(connection: asyncpg.Connection) -> int:
    """Seal until nothing waits: transactions of other databases on the same server delay it, too."""
    made = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(UNSEALED):
            made += await keep_sealing()
            await asyncio.sleep(0.02)
    return made


async def check(
    connection: asyncpg.Connection, *, anchors: Sequence[Path] | None = None, **options: Any
) -> Report:
    told = settings().anchors if anchors is None else anchors
    keys = options.pop("keys", None) or our_keys()
    return await verify(connection, anchors=told, keys=keys, **options)


async def seals_of(connection: asyncpg.Connection) -> list[Seal]:
    return [seal_of(row) for row in await connection.fetch(f"SELECT {COLUMNS} FROM seal ORDER BY no")]


async def digest_again(connection: asyncpg.Connection, *, seal_no: int) -> None:
    """Make the leaves fit what the entries say now."""
    await connection.execute(
        "UPDATE seal_leaf l SET digest = jiuyi.leaf_digest(v) FROM record_version v"
        " WHERE v.entry = l.entry AND v.at = l.at AND l.seal_no = $1",
        seal_no,
    )
    await connection.execute(
        "UPDATE seal_leaf l SET digest = jiuyi.leaf_digest(a) FROM access_log a"
        " WHERE a.entry = l.entry AND a.at = l.at AND l.seal_no = $1",
        seal_no,
    )


async def place_again(connection: asyncpg.Connection, *, seal_no: int) -> None:
    """Close the gap that a deleted leaf leaves."""
    await connection.execute(
        "UPDATE seal_leaf l SET place = p.place FROM"
        " (SELECT entry, row_number() OVER (ORDER BY place) AS place FROM seal_leaf WHERE seal_no = $1) p"
        " WHERE p.entry = l.entry",
        seal_no,
    )


async def seal_again(connection: asyncpg.Connection, *, first: int, key: Ed25519PrivateKey | None) -> None:
    """Compute every seal from `first` on anew; without a key the signatures stay as they were."""
    previous = FIRST_PREVIOUS
    for seal in await seals_of(connection):
        if seal.no >= first:
            leaves = await connection.fetch(
                "SELECT digest FROM seal_leaf WHERE seal_no = $1 ORDER BY place", seal.no
            )
            digests = [leaf["digest"] for leaf in leaves]
            root = root_of(previous=previous, no=seal.no, digests=digests)
            values = {"entries": len(digests), "previous": previous, "root": root}
            seal = await _signed_again(connection, seal, values, key)
        previous = seal.root


async def _signed_again(
    connection: asyncpg.Connection, seal: Seal, values: dict[str, Any], key: Ed25519PrivateKey | None
) -> Seal:
    fresh = msgspec.structs.replace(seal, **values)
    if key is not None:
        signed = sign(msgspec.structs.replace(fresh, key_id=key_id_of(key.public_key())), key)
        assert isinstance(signed, Seal)
        fresh = signed
    await connection.execute(
        "UPDATE seal SET entries = $2, previous = $3, root = $4, key_id = $5, signature = $6 WHERE no = $1",
        fresh.no,
        fresh.entries,
        bytes.fromhex(fresh.previous),
        bytes.fromhex(fresh.root),
        fresh.key_id,
        bytes.fromhex(fresh.signature),
    )
    return fresh


def our_private_key() -> Ed25519PrivateKey:
    return seal_key(keys_folder())


def another_key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(str(seed).encode()).digest())
