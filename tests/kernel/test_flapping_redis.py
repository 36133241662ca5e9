"""Redis dies every few seconds for two minutes while facts and jobs flow: none lost, none done twice."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis.asyncio as redis_client

from app.kernel.hints import REDIS_AWAY, close_hints
from app.kernel.settings import settings
from app.launch.processes import stop_all
from tests.errands import TEST, ask, make_tables, run_errand, start_worker
from tests.evidence import evidence, spread
from tests.make.rows import value
from tests.own_redis import Redis

pytestmark = [pytest.mark.commits, pytest.mark.long]

CALM_SECONDS = 15.0
FLAPPING_SECONDS = 120.0
PAUSE_SECONDS = 0.08  # between one fact and one job, and the next
WORKERS = 2
DRAIN_SECONDS_MAX = 60.0
LATE_SECONDS_MAX = 10.0


@pytest.fixture(scope="module")
def tables(database_url: str) -> None:
    asyncio.run(make_tables(database_url))


@pytest.fixture
async def redis(tables: None, db: str, tmp_path: Path) -> AsyncIterator[Redis]:
    """With two workers behind it."""
    server, before = Redis(tmp_path), os.environ["REDIS_URL"]
    server.start()
    os.environ["REDIS_URL"] = server.url
    settings.cache_clear()
    workers = [start_worker(tmp_path / f"worker-{n}.log") for n in range(WORKERS)]
    yield server
    stop_all(workers, patience_seconds=5)
    server.signal(signal.SIGKILL)
    await close_hints()
    os.environ["REDIS_URL"] = before
    settings.cache_clear()


async def flap(server: Redis, dice: random.Random) -> int:
    """Kill and restart until time is up; how often."""
    deaths, end = 0, time.monotonic() + FLAPPING_SECONDS
    while time.monotonic() < end:
        await asyncio.sleep(dice.uniform(1, 4))
        server.signal(signal.SIGKILL)
        deaths += 1
        await asyncio.sleep(dice.uniform(0.2, 3))
        await asyncio.to_thread(server.start)
    return deaths


async def flow(seconds: float, first: int) -> int:
    """One fact and one job, again and again; how many of each."""
    number, end = first, time.monotonic() + seconds
    while time.monotonic() < end:
        await run_errand(TEST)
        await ask(f"{number:06d}")
        number += 1
        await asyncio.sleep(PAUSE_SECONDS)
    return number - first


async def only_in_redis(url: str, seconds: float) -> int:
    """The control: messages that live in Redis alone; how many it accepted."""
    accepted, end = 0, time.monotonic() + seconds
    client = redis_client.Redis.from_url(url, socket_timeout=1.0)
    while time.monotonic() < end:
        with contextlib.suppress(*REDIS_AWAY):
            await client.rpush("only-here", accepted)  # type: ignore[misc] - typed for both worlds
            accepted += 1
        await asyncio.sleep(0.1)
    await client.aclose()
    return accepted


async def left_in_redis(url: str) -> int:
    async with redis_client.Redis.from_url(url) as client:
        return await client.llen("only-here")  # type: ignore[misc] - the same


async def drained(facts: int, jobs: int) -> None:
    end = time.monotonic() + DRAIN_SECONDS_MAX
    while await heard() < facts or await received() < jobs:
        assert time.monotonic() < end, (await heard(), facts, await received(), jobs)
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)  # long enough for whatever would come twice


async def heard() -> int:
    return await value("SELECT count(*) FROM hearing")


async def received() -> int:
    return await value("SELECT count(*) FROM receipt")


async def latencies(begun: int, end: int) -> dict[str, Any]:
    """From the commit's transaction to the receipt, of what was asked in this order."""
    facts = await value(
        "SELECT array_agg(extract(epoch FROM h.at - e.at)::float8) FROM hearing h JOIN ("
        " SELECT aggregate_id, at, row_number() OVER (ORDER BY id) AS n FROM event WHERE kind = 'errand.run'"
        ") e ON e.aggregate_id = h.errand_id WHERE e.n > $1 AND e.n <= $2",
        begun,
        end,
    )
    jobs = await value(
        "SELECT array_agg(extract(epoch FROM r.at - j.run_at)::float8) FROM receipt r"
        " JOIN job j ON j.unique_key = r.key WHERE r.key >= $1 AND r.key < $2 AND j.attempts = 1",
        f"{begun:06d}",
        f"{end:06d}",
    )
    return {"facts_seconds": spread(facts), "jobs_seconds": spread(jobs)}


async def twice(table: str, column: str) -> list[str | UUID]:
    return await value(
        f"SELECT coalesce(array_agg(x), '{{}}') FROM"
        f" (SELECT {column} AS x FROM {table} GROUP BY 1 HAVING count(*) > 1) AS t"
    )


async def test_facts_and_jobs_flow_through_a_flapping_redis(redis: Redis) -> None:
    with evidence(
        "redis-flapping", "valkey killed and restarted for 2 minutes under facts and jobs"
    ) as numbers:
        calm = await flow(CALM_SECONDS, 0)
        flapping = asyncio.create_task(flap(redis, random.Random(7)))
        control = asyncio.create_task(only_in_redis(redis.url, FLAPPING_SECONDS))
        total = calm + await flow(FLAPPING_SECONDS, calm)
        deaths = await flapping
        await drained(total, total)
        accepted, left = await control, await left_in_redis(redis.url)
        numbers.update(
            deaths_of_redis=deaths, facts=total, jobs=total, workers=WORKERS,
            lost_facts=total - await heard(), lost_jobs=total - await received(),
            facts_twice=len(await twice("hearing", "errand_id")),
            jobs_twice=len(await twice("receipt", "key")),
            calm=await latencies(0, calm), flapping=await latencies(calm, total),
            control_only_in_redis={"accepted": accepted, "left": left},
        )  # fmt: skip
        assert [numbers[n] for n in ("lost_facts", "lost_jobs", "facts_twice", "jobs_twice")] == [0, 0, 0, 0]
        assert deaths > FLAPPING_SECONDS / 10
        assert left < accepted, "the control: what lives in Redis alone is lost"
        assert numbers["flapping"]["jobs_seconds"]["max"] < LATE_SECONDS_MAX
        assert numbers["flapping"]["facts_seconds"]["max"] < LATE_SECONDS_MAX
