# pyright: reportPrivateUsage=false
# Piccolo tells a column's table and name only through `_meta`; this is the one room that asks.
"""A status column, its allowed moves, and the one door through which it changes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg
from piccolo.columns import Column

from app.kernel.database import fetch_one
from app.kernel.errors import WrongState

S = TypeVar("S", bound=StrEnum)


class Flow(Generic[S]):
    """The allowed moves of one status column.

    `Flow(Parcel.status, {Status.HELD: {Status.SENT, Status.EXPIRED}, ...})`; every status of
    the enum stands as a key, terminal ones with an empty set.
    """

    def __init__(self, column: Column, moves: Mapping[S, set[S]]) -> None:
        statuses = type(next(iter(moves)))
        missing = set(statuses) - set(moves)
        assert not missing, f"{column._meta.name}: no row for {missing}"
        self.column = column
        self.moves = {start: frozenset(ends) for start, ends in moves.items()}
        self.statuses: list[S] = list(statuses)
        FLOWS.append(self)

    @property
    def table(self) -> str:
        return self.column._meta.table._meta.tablename

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column._meta.db_column_name}"

    def allows(self, start: S, end: S) -> bool:
        return end in self.moves[start]

    def sources(self, end: S) -> list[S]:
        """The statuses from which `end` can be reached in one move."""
        return [start for start in self.moves if end in self.moves[start]]

    async def move(
        self, row_id: UUID, end: S, *, only_from: S | None = None, **values: Any
    ) -> asyncpg.Record:
        """Move one row to `end` and set `values`, or raise WrongState. The row's new content returns."""
        row = await self.try_move(row_id, end, only_from=only_from, **values)
        if row is None:
            raise WrongState(**{f"{self.table}_id": row_id, "wanted": end})
        return row

    async def try_move(
        self, row_id: UUID, end: S, *, only_from: S | None = None, **values: Any
    ) -> asyncpg.Record | None:
        """The same, answering None where the row is not in a status that leads to `end`."""
        starts = self.sources(end) if only_from is None else [only_from]
        assert starts, f"{self.name}: nothing leads to {end}"
        assert all(self.allows(start, end) for start in starts), f"{self.name}: {only_from} to {end}"
        assert all(name.isidentifier() for name in values)
        changes = "".join(f", {name} = ${i}" for i, name in enumerate(values, start=4))
        column = self.column._meta.db_column_name
        # Names come from our own tables and keyword arguments, never from a request.
        sql = (
            f'UPDATE "{self.table}" SET {column} = $1{changes}'  # noqa: S608 - our own names
            f" WHERE id = $2 AND {column} = ANY($3::text[]) RETURNING *"
        )
        return await fetch_one(sql, str(end), row_id, [str(s) for s in starts], *values.values())


FLOWS: list[Flow[Any]] = []
