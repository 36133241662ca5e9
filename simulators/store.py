"""One simulator's SQLite file: everything the platform remembers survives a restart."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()


class Store:
    """A connection used by one event loop; every use is short, so nothing waits for it.

    A block of `transaction()` holds no `await`: what stands in it happens as one step.
    """

    def __init__(self, path: Path, *schemas: str) -> None:
        shape = zlib.crc32("".join(schemas).encode()) & 0x7FFF_FFFF  # user_version is a signed 32-bit number
        _set_aside_unless(path, shape)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("pragma foreign_keys = on")
        for schema in schemas:
            self._connection.executescript(schema)
        self._connection.execute(f"pragma user_version = {shape}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a block inside another joins it."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def run(self, sql: str, **values: Any) -> int:
        """Execute one statement and say how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, **values: Any) -> list[sqlite3.Row]:
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, **values: Any) -> sqlite3.Row | None:
        return self._connection.execute(sql, values).fetchone()

    def value(self, sql: str, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.row(sql, **values)
        return row[0] if row is not None else None

    def close(self) -> None:
        self._connection.close()


def stored(instant: datetime) -> str:
    """An instant as text that sorts by time."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def loaded(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _set_aside_unless(path: Path, shape: int) -> None:
    """Keep the file of another version of the tables under another name: the platform begins anew."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as connection:
        [found] = connection.execute("pragma user_version").fetchone()
        connection.execute("pragma wal_checkpoint(truncate)")
    if found == shape:
        return
    for leftover in ("-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    path.replace(path.with_name(f"{path.stem}-{found:08x}.sqlite"))
    log.warning("simulator_book_set_aside", file=path.name)
