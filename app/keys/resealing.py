"""The rows of one encrypted column under their keys: counted, and rewritten batch by batch."""

from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.crypto import KeyRing, Undecipherable, blind_index, decrypt, encrypt
from app.kernel.database import action, execute_many, fetch, fetch_value, query
from app.keys.sealed import Passing, Sealed

ROWS_RESEALED_MAX = 500  # of one transaction: its locks are held for some tens of milliseconds
LAST = UUID(int=2**128 - 1)
ROWS_COUNTED_MAX = 20_000  # of one statement: far below its time limit


class Batch(msgspec.Struct, frozen=True):
    """`unreadable` are the ids of rows that no key opens: they stay as they are."""

    resealed: int
    unreadable: list[UUID]


async def windows(actor: Actor, table: str, id_column: str, rows: int) -> AsyncIterator[tuple[UUID, UUID]]:
    """The whole table in pieces of so many rows: (after this id, up to and with this id)."""
    after = UUID(int=0)
    while True:
        upto = await _end_of_window(actor, table, id_column, after, rows)
        yield after, upto
        if upto == LAST:
            return
        after = upto


@query
async def _end_of_window(actor: Actor, table: str, id_column: str, after: UUID, rows: int) -> UUID:
    end = await fetch_value(
        f"SELECT {id_column} FROM {table} WHERE {id_column} > $1 ORDER BY {id_column} OFFSET $2 LIMIT 1",  # noqa: S608 - the registry's own names
        after,
        rows - 1,
    )
    return end or LAST


async def reseal(actor: Actor, column: Sealed, ring: KeyRing) -> AsyncIterator[Batch]:
    """One pass over the column. A row that somebody else holds is left to the next pass."""
    async for after, upto in windows(actor, column.table, column.id_column, ROWS_RESEALED_MAX):
        yield await _reseal_window(actor, column, ring, after, upto)


@action
async def _reseal_window(actor: Actor, column: Sealed, ring: KeyRing, after: UUID, upto: UUID) -> Batch:
    row_id, index = column.id_column, column.index_column
    wanted = ", ".join([row_id, column.column, *([index] if index else []), *column.beside])
    old = f"{column.column} NOT LIKE $3" + (f" OR {index} NOT LIKE $4" if index else "")
    keys = [f"{ring.field_current}:%", *([f"{ring.index_current}:%"] if index else [])]
    rows = await fetch(
        f"SELECT {wanted} FROM {column.table} WHERE {row_id} > $1 AND {row_id} <= $2 AND ({old})"  # noqa: S608 - the registry's own names
        f" ORDER BY {row_id} FOR UPDATE SKIP LOCKED",
        after,
        upto,
        *keys,
    )
    changed: list[tuple[object, ...]] = []
    unreadable: list[UUID] = []
    for row in rows:
        try:
            changed.append(_resealed(column, row))
        except Undecipherable:
            unreadable.append(row[row_id])
    values = f"{column.column} = $2" + (f", {index} = $3" if index else "")
    if changed:
        await execute_many(f"UPDATE {column.table} SET {values} WHERE {row_id} = $1", changed)  # noqa: S608
    return Batch(len(changed), unreadable)


def _resealed(column: Sealed, row: asyncpg.Record) -> tuple[object, ...]:
    row_id = row[column.id_column]
    context = f"{column.place}.{row_id}"
    plain = decrypt(row[column.column], context=context)
    sealed = encrypt(plain, context=context)
    if column.index_column is None:
        return row_id, sealed
    return row_id, sealed, blind_index(column.indexed(plain, dict(row)), column=column.place)


class Uses(msgspec.Struct, frozen=True):
    """How many values of one column stand under each key: of the fields, and of the indexes."""

    fields: Counter[str]
    indexes: Counter[str]


async def uses_of(actor: Actor, column: Sealed) -> Uses:
    uses = Uses(Counter(), Counter())
    async for after, upto in windows(actor, column.table, column.id_column, ROWS_COUNTED_MAX):
        uses.fields.update(await _count(actor, column, column.column, after, upto))
        if column.index_column is not None:
            uses.indexes.update(await _count(actor, column, column.index_column, after, upto))
    return uses


@query
async def _count(actor: Actor, column: Sealed, counted: str, after: UUID, upto: UUID) -> dict[str, int]:
    rows = await fetch(
        f"SELECT split_part({counted}, ':', 1) AS key, count(*) FROM {column.table}"  # noqa: S608 - the registry's own names
        f" WHERE {column.id_column} > $1 AND {column.id_column} <= $2 AND {counted} IS NOT NULL GROUP BY 1",
        after,
        upto,
    )
    return {row["key"]: row["count"] for row in rows}


@query
async def alive_under(actor: Actor, passing: Passing) -> dict[str, int]:
    """The same of indexes that are left to expire, as far as anybody may still search by them."""
    rows = await fetch(
        f"SELECT split_part({passing.index_column}, ':', 1) AS key, count(*) FROM {passing.table}"  # noqa: S608 - the registry's own names
        f" WHERE {passing.alive} GROUP BY 1"
    )
    return {row["key"]: row["count"] for row in rows}
