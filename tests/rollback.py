"""A pool of one connection whose transactions are savepoints, so that a test leaves nothing behind."""

import asyncio
from typing import Any

import asyncpg


class SavepointConnection:
    """Speaks the gate's BEGIN, COMMIT and ROLLBACK as savepoints of one outer transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.open = False
        self.read_only = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def is_in_transaction(self) -> bool:
        return self.open

    async def execute(self, sql: str) -> str:
        if sql.startswith("BEGIN"):
            first, rest = sql.split(";", 1)
            self.read_only = "READ ONLY" in first
            mode = "SET TRANSACTION READ ONLY;" if self.read_only else ""
            self.open = True
            return await self.connection.execute(f"SAVEPOINT gate; {mode} {rest}")
        if sql.endswith("COMMIT"):
            if self.read_only:
                return await self._undo("COMMIT")
            await self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT gate")
            self.open = False
            return "COMMIT"
        if sql == "ROLLBACK":
            return await self._undo("ROLLBACK")
        return await self.connection.execute(sql)

    async def _undo(self, answer: str) -> str:
        await self.connection.execute("ROLLBACK TO SAVEPOINT gate; RELEASE SAVEPOINT gate")
        self.open = False
        return answer


class OnePool:
    """What the gate needs of a pool, over one connection that is rolled back at the end."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.free = asyncio.Lock()

    @classmethod
    async def open(cls, dsn: str) -> "OnePool":
        connection = await asyncpg.connect(dsn)
        await connection.execute("BEGIN")
        return cls(connection)

    async def acquire(self, *, timeout: float) -> SavepointConnection:  # noqa: ASYNC109 - asyncpg's signature
        await asyncio.wait_for(self.free.acquire(), timeout + 5)
        return SavepointConnection(self.connection)

    async def release(self, connection: SavepointConnection, *, timeout: float) -> None:  # noqa: ASYNC109
        self.free.release()

    async def roll_back(self) -> None:
        await self.connection.execute("ROLLBACK")
        await self.connection.close()

    def get_size(self) -> int:
        return 1

    get_max_size = get_size

    def get_idle_size(self) -> int:
        return 0 if self.free.locked() else 1
