"""The rows of one encrypted column under their keys: counted, and rewritten batch by batch."""

from collections import Counter
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.crypto import KeyRing, Undecipherable, blind_index, decrypt, encrypt
from app.kernel.database import action, fetch, fetch_value, query
from app.keys.sealed import Passing, Sealed

ROWS_RESEALED_MAX = 500  # of one transaction: its locks are held for some tens of milliseconds
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)  # around all ids
ROWS_COUNTED_MAX = 20_000  # of one statement: far below its time limit


class Batch(msgspec.Struct, frozen=True):
    """`upto` is where the next one begins. `unreadable` are rows that no key opens: they stay as they are."""

    upto: UUID
    resealed: int
    unreadable: list[UUID]


@action
async def reseal_window(actor: Actor, column: Sealed, ring: KeyRing, *, after: UUID) -> Batch:
    """The next rows of the column, in the order of their ids. Who holds a row keeps it for the next pass."""
    upto = await _end_of_window(column, after, ROWS_RESEALED_MAX)
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
    changed: list[tuple[UUID, str, str]] = []
    unreadable: list[UUID] = []
    for row in rows:
        try:
            changed.append(_resealed(column, row))
        except Undecipherable:
            unreadable.append(row[row_id])
    if changed:
        values = f"{column.column} = fresh.sealed" + (f", {index} = fresh.found_by" if index else "")
        await fetch(
            f"UPDATE {column.table} SET {values}"  # noqa: S608 - the registry's own names
            " FROM unnest($1::uuid[], $2::text[], $3::text[]) AS fresh (row_id, sealed, found_by)"
            f" WHERE {row_id} = fresh.row_id",
            *map(list, zip(*changed, strict=True)),
        )
    return Batch(upto, len(changed), unreadable)


async def _end_of_window(column: Sealed, after: UUID, rows: int) -> UUID:
    end = await fetch_value(
        f"SELECT {column.id_column} FROM {column.table} WHERE {column.id_column} > $1"  # noqa: S608 - the registry's own names
        f" ORDER BY {column.id_column} OFFSET $2 LIMIT 1",
        after,
        rows - 1,
    )
    return end or LAST


def _resealed(column: Sealed, row: asyncpg.Record) -> tuple[UUID, str, str]:
    """The row's id, the value under the current key, and its index where it has one."""
    row_id = row[column.id_column]
    context = f"{column.place}.{row_id}"
    plain = decrypt(row[column.column], context=context)
    indexed = column.index_column and blind_index(column.indexed(plain, dict(row)), column=column.place)
    return row_id, encrypt(plain, context=context), indexed or ""


class Uses(msgspec.Struct, frozen=True):
    """How many values of one column stand under each key: of the fields, and of the indexes."""

    fields: Counter[str]
    indexes: Counter[str]


async def uses_of(actor: Actor, column: Sealed) -> Uses:
    uses, after = Uses(Counter(), Counter()), FIRST
    while after != LAST:
        after = await _count_window(actor, column, uses, after=after)
    return uses


@query
async def _count_window(actor: Actor, column: Sealed, uses: Uses, *, after: UUID) -> UUID:
    upto = await _end_of_window(column, after, ROWS_COUNTED_MAX)
    uses.fields.update(await _count(column, column.column, after, upto))
    if column.index_column is not None:
        uses.indexes.update(await _count(column, column.index_column, after, upto))
    return upto


async def _count(column: Sealed, counted: str, after: UUID, upto: UUID) -> dict[str, int]:
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
