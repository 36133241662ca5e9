"""The hospital's business time, as a process outside the hospital sees it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import structlog

from app.kernel.clock import wall

log = structlog.get_logger()

READ_EVERY_S = 1.0
RETRY_AFTER_S = 5.0  # a database that is away must not slow every request down
READ_TIMEOUT_S = 2.0

Now = Callable[[], Awaitable[datetime]]


class BusinessClock:
    """Business time, read from the hospital's database at most once a second.

    While the database is away the last known offset from the wall clock stands; before the first
    reading the offset is zero.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: asyncpg.Connection | None = None
        self._offset = timedelta(0)
        self._read_again_at = 0.0
        self._reading = asyncio.Lock()

    async def now(self) -> datetime:
        if self._database_url and time.monotonic() >= self._read_again_at:
            async with self._reading:
                if time.monotonic() >= self._read_again_at:
                    await self._refresh()
        return wall() + self._offset

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                business = await (await self._connected()).fetchval("select jiuyi.now()")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.info("business_time_unknown", reason=type(error).__name__)
            self._read_again_at = time.monotonic() + RETRY_AFTER_S
        else:
            assert isinstance(business, datetime), "jiuyi.now() is never null"
            self._offset = business - wall()
            self._read_again_at = time.monotonic() + READ_EVERY_S

    async def _connected(self) -> asyncpg.Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(self._database_url)
            self._connection = connection
        return connection
