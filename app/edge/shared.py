"""Buckets that all server processes share, in Redis. While it is away each process counts alone."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Sequence

import redis.asyncio as redis

from app.edge.buckets import Demand
from app.kernel.hints import REDIS_AWAY
from app.kernel.settings import settings

ASK_SECONDS_MAX = 0.05
PAUSE_AFTER_FAILURE_S = 2.0
CONNECTIONS_MAX = 16

# The same arithmetic as in buckets.py, in microseconds of Redis's own clock: all buckets or none.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full, wait = {}, 0
for i, key in ipairs(KEYS) do
  full[i] = math.max(tonumber(redis.call('GET', key) or now), now)
  wait = math.max(wait, full[i] - now - ARGV[2 * i])
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local ends = full[i] + ARGV[2 * i - 1]
  redis.call('SET', key, string.format('%.0f', ends), 'PX', math.max(1, math.ceil((ends - now) / 1000)))
end
return 0
"""


class SharedBuckets:
    """One bounded pool. Who waits too long for an answer goes on without it, and nobody asks for a while."""

    def __init__(self) -> None:
        self.client: redis.Redis | None = None
        self.paused_until = 0.0

    async def take(self, demands: Sequence[Demand]) -> float:
        """The seconds to wait; 0.0 also when Redis cannot be asked: our own count has then decided."""
        if not settings().redis_url or not demands or time.monotonic() < self.paused_until:
            return 0.0
        try:
            return await asyncio.wait_for(self._ask(demands), ASK_SECONDS_MAX)
        except REDIS_AWAY:
            self.paused_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
            return 0.0

    async def _ask(self, demands: Sequence[Demand]) -> float:
        if self.client is None:
            pool = redis.BlockingConnectionPool.from_url(
                settings().redis_url,
                max_connections=CONNECTIONS_MAX,
                timeout=ASK_SECONDS_MAX,
                socket_timeout=1.0,
                socket_connect_timeout=1.0,
            )
            self.client = redis.Redis.from_pool(pool)
        script = self.client.register_script(TAKE)
        figures = [
            round(1_000_000 * seconds)
            for demand in demands
            for seconds in (demand.rate.interval_s, demand.rate.tolerance_s)
        ]
        waited = await script(keys=[_name(demand) for demand in demands], args=figures)
        return int(waited) / 1_000_000

    async def close(self) -> None:
        """Let go; the next question connects again."""
        client, self.client, self.paused_until = self.client, None, 0.0
        if client is not None:
            with contextlib.suppress(*REDIS_AWAY):
                await client.aclose()


def _name(demand: Demand) -> str:
    """Short-lived, of this hospital's database alone, and readable by nobody: addresses are personal data."""
    known = f"{settings().database_url}\n{demand.key}"
    return "jiuyi:limit:" + hashlib.blake2s(known.encode(), digest_size=16).hexdigest()
