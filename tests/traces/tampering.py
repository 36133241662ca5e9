"""Six kinds of tampering, each in several ways. All are done by a superuser with the triggers off."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import asyncpg
import msgspec

from app.traces.findings import Kind
from tests.traces.sealed_house import (
    another_key,
    digest_again,
    our_private_key,
    place_again,
    seal_again,
    seals_of,
)


class Planted(msgspec.Struct, frozen=True):
    """What a check must say: one of these kinds, at this seal or this entry."""

    kinds: frozenset[Kind]
    seal: int | None = None
    entry: int | None = None


Tampering = Callable[[asyncpg.Connection, Random], Awaitable[Planted]]


async def a_leaf(
    connection: asyncpg.Connection, random: Random, *, seal: int | None = None
) -> asyncpg.Record:
    leaves = await connection.fetch(
        "SELECT l.*, s.entries FROM seal_leaf l JOIN seal s ON s.no = l.seal_no"
        " WHERE l.seal_no > 1 AND ($1::bigint IS NULL OR l.seal_no = $1) ORDER BY seal_no, place",
        seal,
    )
    return random.choice(leaves)


def planted(leaf: asyncpg.Record, *kinds: Kind) -> Planted:
    return Planted(frozenset(kinds), seal=leaf["seal_no"], entry=leaf["entry"])


async def edit_entry(connection: asyncpg.Connection, random: Random) -> Planted:
    """One column of one entry, any but its key."""
    leaf = await a_leaf(connection, random)
    changes = {
        "record_version": [
            """body = body || '{"name": "别人"}'""",
            "op = CASE op WHEN 'I' THEN 'U' ELSE 'I' END",
            "actor_id = gen_random_uuid()",
            "actor_kind = 'device'",
            "row_id = gen_random_uuid()::text",
            "table_name = 'bill'",
            "reason = reason || '。'",
            "db_user = 'postgres1'",
            "xid = (xid::text::bigint + 1)::text::xid8",
            "request_id = 'x'",
            "channel = 'x'",
        ],
        "access_log": [
            "person_id = gen_random_uuid()",
            "person_id = NULL",
            "actor_id = gen_random_uuid()",
            "session_id = gen_random_uuid()",
            "status = 404",
            "address = '10.0.0.1'",
            "role = 'nurse'",
            "permission = 'report.list'",
            "reason = ''",
        ],
    }
    change = random.choice(changes[leaf["source"]])
    await connection.execute(f"UPDATE {leaf['source']} SET {change} WHERE entry = $1", leaf["entry"])
    return planted(leaf, Kind.EDIT)


async def edit_and_digest(connection: asyncpg.Connection, random: Random) -> Planted:
    """The entry and its leaf."""
    told = await edit_entry(connection, random)
    assert told.seal is not None
    await digest_again(connection, seal_no=told.seal)
    return Planted(frozenset({Kind.REWRITE, Kind.REORDER}), seal=told.seal)


async def edit_and_root(connection: asyncpg.Connection, random: Random) -> Planted:
    """The entry, its leaf and all roots from there, without the key."""
    told = await edit_and_digest(connection, random)
    assert told.seal is not None
    await seal_again(connection, first=told.seal, key=None)
    return Planted(frozenset({Kind.REWRITE}), seal=told.seal)


async def delete_entry(connection: asyncpg.Connection, random: Random) -> Planted:
    leaf = await a_leaf(connection, random)
    await connection.execute(f"DELETE FROM {leaf['source']} WHERE entry = $1", leaf["entry"])
    return planted(leaf, Kind.DELETE)


async def delete_with_leaf(connection: asyncpg.Connection, random: Random) -> Planted:
    leaf = await a_leaf(connection, random)
    await connection.execute(f"DELETE FROM {leaf['source']} WHERE entry = $1", leaf["entry"])
    await connection.execute("DELETE FROM seal_leaf WHERE entry = $1", leaf["entry"])
    if random.random() < 0.5:
        await place_again(connection, seal_no=leaf["seal_no"])
    return Planted(frozenset({Kind.DELETE}), seal=leaf["seal_no"])


async def delete_and_root(connection: asyncpg.Connection, random: Random) -> Planted:
    told = await delete_with_leaf(connection, random)
    assert told.seal is not None
    await place_again(connection, seal_no=told.seal)
    await seal_again(connection, first=told.seal, key=None)
    return Planted(frozenset({Kind.REWRITE}), seal=told.seal)


async def delete_a_seal(connection: asyncpg.Connection, random: Random) -> Planted:
    """A whole seal from the middle, with all it covers."""
    seals = await seals_of(connection)
    no = random.choice(seals[1:-1]).no
    for source in ("record_version", "access_log"):
        await connection.execute(
            f"DELETE FROM {source} k USING seal_leaf l WHERE l.entry = k.entry AND l.seal_no = $1", no
        )
    await connection.execute("DELETE FROM seal_leaf WHERE seal_no = $1", no)
    await connection.execute("DELETE FROM seal WHERE no = $1", no)
    return Planted(frozenset({Kind.DELETE}), seal=no + 1)


async def _copy_of(connection: asyncpg.Connection, random: Random, change: str) -> tuple[asyncpg.Record, int]:
    """A forged entry beside a true one, with a number that nobody has."""
    leaf = await a_leaf(connection, random)
    entry: Any = await connection.fetchval("SELECT nextval('trace_order')")
    await connection.execute(
        f"INSERT INTO {leaf['source']} SELECT (json_populate_record(k, ({change})::json)).* FROM"
        f" {leaf['source']} k WHERE entry = $2",
        entry,
        leaf["entry"],
    )
    return leaf, entry


async def insert_entry(connection: asyncpg.Connection, random: Random) -> Planted:
    """Back-dated to a true neighbour's moment and transaction."""
    _, entry = await _copy_of(connection, random, "json_build_object('entry', $1::bigint)")
    return Planted(frozenset({Kind.INSERT}), entry=entry)


async def insert_with_leaf(connection: asyncpg.Connection, random: Random) -> Planted:
    leaf, entry = await _copy_of(connection, random, "json_build_object('entry', $1::bigint)")
    await connection.execute(
        "INSERT INTO seal_leaf SELECT seal_no, $3, source, $2, at, digest FROM seal_leaf WHERE entry = $1",
        leaf["entry"],
        entry,
        random.choice([leaf["entries"] + 1, leaf["place"]]),
    )
    await digest_again(connection, seal_no=leaf["seal_no"])
    return Planted(frozenset({Kind.INSERT}), seal=leaf["seal_no"])


async def insert_for_another(connection: asyncpg.Connection, random: Random) -> Planted:
    """In the place of a true one: entry, leaf and roots fit, the signature does not."""
    told = await insert_with_leaf(connection, random)
    assert told.seal is not None
    await place_again(connection, seal_no=told.seal)
    await seal_again(connection, first=told.seal, key=None)
    return Planted(frozenset({Kind.REWRITE}), seal=told.seal)


async def reorder_leaves(connection: asyncpg.Connection, random: Random) -> Planted:
    first = await a_leaf(connection, random)
    second = first
    while second["entry"] == first["entry"]:
        second = await a_leaf(connection, random, seal=first["seal_no"])
    for entry, place in ((first["entry"], second["place"]), (second["entry"], first["place"])):
        await connection.execute("UPDATE seal_leaf SET place = $2 WHERE entry = $1", entry, place)
    return Planted(frozenset({Kind.REORDER}), seal=first["seal_no"])


async def reorder_entries(connection: asyncpg.Connection, random: Random) -> Planted:
    """Two entries of one table take each other's number and moment."""
    first = await a_leaf(connection, random)
    others = [
        leaf
        for leaf in await connection.fetch("SELECT * FROM seal_leaf WHERE source = $1", first["source"])
        if leaf["entry"] != first["entry"]
    ]
    second = random.choice(others)
    source = first["source"]
    moves = ((first, {"entry": -1, "at": first["at"]}), (second, first), (None, second))
    for row, end in moves:
        await connection.execute(
            f"UPDATE {source} SET entry = $2, at = $3 WHERE entry = $1",
            row["entry"] if row is not None else -1,
            end["entry"],
            end["at"],
        )
    return planted(first, Kind.EDIT)


async def reorder_seals(connection: asyncpg.Connection, random: Random) -> Planted:
    """Two seals, with their leaves, change places."""
    seals = await seals_of(connection)
    at = random.randrange(1, len(seals) - 1)
    first, second = seals[at].no, seals[at + 1].no
    for table, column in (("seal", "no"), ("seal_leaf", "seal_no")):
        for old, new in ((first, 10**6), (second, first), (10**6, second)):
            await connection.execute(f"UPDATE {table} SET {column} = $2 WHERE {column} = $1", old, new)
    return Planted(frozenset({Kind.REWRITE}), seal=first)


async def _cut(connection: asyncpg.Connection, random: Random, *, entries: bool, leaves: bool) -> Planted:
    seals = await seals_of(connection)
    first = random.choice(seals[2:]).no
    if entries:
        for source in ("record_version", "access_log"):
            await connection.execute(
                f"DELETE FROM {source} WHERE entry >= (SELECT min(entry) FROM seal_leaf WHERE seal_no >= $1)",
                first,
            )
    if leaves:
        await connection.execute("DELETE FROM seal_leaf WHERE seal_no >= $1", first)
    await connection.execute("DELETE FROM seal WHERE no >= $1", first)
    return Planted(frozenset({Kind.CUT}), seal=first)


async def cut_everything(connection: asyncpg.Connection, random: Random) -> Planted:
    """The newest seals with all they cover: what is left is a shorter, true chain."""
    return await _cut(connection, random, entries=True, leaves=True)


async def cut_seals_and_leaves(connection: asyncpg.Connection, random: Random) -> Planted:
    return await _cut(connection, random, entries=False, leaves=True)


async def cut_seals(connection: asyncpg.Connection, random: Random) -> Planted:
    return await _cut(connection, random, entries=False, leaves=False)


async def rewrite_with_another_key(connection: asyncpg.Connection, random: Random) -> Planted:
    """The entry, its leaf and every seal from there on, signed anew."""
    told = await edit_and_digest(connection, random)
    assert told.seal is not None
    await seal_again(connection, first=told.seal, key=another_key(random.randrange(10**9)))
    return Planted(frozenset({Kind.REWRITE}), seal=told.seal)


async def rewrite_with_our_key(connection: asyncpg.Connection, random: Random) -> Planted:
    """The same with the stolen key: only the anchors know better."""
    told = await edit_and_digest(connection, random)
    assert told.seal is not None
    await seal_again(connection, first=told.seal, key=our_private_key())
    return Planted(frozenset({Kind.REWRITE}), seal=told.seal)


WAYS: dict[str, list[Tampering]] = {
    "edit": [edit_entry, edit_entry, edit_and_digest, edit_and_root],
    "delete": [delete_entry, delete_with_leaf, delete_and_root, delete_a_seal],
    "insert": [insert_entry, insert_with_leaf, insert_for_another],
    "reorder": [reorder_leaves, reorder_entries, reorder_seals],
    "tail cut": [cut_everything, cut_seals_and_leaves, cut_seals],
    "full rewrite": [rewrite_with_another_key, rewrite_with_our_key],
}
