"""Workers frozen or killed in the middle: an effect with a key happens once, a zombie writes nothing."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app.kernel.hints import close_hints
from app.kernel.jobs import LEASE_SECONDS
from app.kernel.settings import settings
from app.launch.processes import Child, stop_all
from tests.errands import ask, make_tables, start_worker
from tests.evidence import evidence
from tests.make.rows import value
from tests.own_redis import Redis

pytestmark = [pytest.mark.commits, pytest.mark.long]

FROZEN_SECONDS = 40.0
RECOVERY_SECONDS_MAX = LEASE_SECONDS + 15.0


class House:
    """Workers by name, and the log of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[Child] = []

    def worker(self, name: str) -> Child:
        child = start_worker(self.folder / f"{name}.log")
        self.workers.append(child)
        return child

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture(scope="module")
def tables(database_url: str) -> None:
    asyncio.run(make_tables(database_url))


@pytest.fixture
async def house(tables: None, db: str, tmp_path: Path) -> AsyncIterator[House]:
    redis, before = Redis(tmp_path), os.environ["REDIS_URL"]
    redis.start()
    os.environ["REDIS_URL"] = redis.url
    settings.cache_clear()
    house = House(tmp_path)
    yield house
    stop_all(house.workers, patience_seconds=5)
    redis.signal(signal.SIGKILL)
    await close_hints()
    os.environ["REDIS_URL"] = before
    settings.cache_clear()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> float:
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def count(table: str, key: str) -> int:
    return await value(f"SELECT count(*) FROM {table} WHERE key = $1", key)


async def done(key: str) -> bool:
    return await value("SELECT status = 'done' FROM job WHERE unique_key = $1", key)


async def test_a_killed_worker_is_followed_by_another_and_the_key_keeps_the_effect_single(
    house: House,
) -> None:
    what = "kill -9 between an effect and its receipt: with a key once, and without one (the control) twice"
    with evidence("worker-killed-once", what) as numbers:
        victim = house.worker("victim")
        await ask("killed", seconds=2)
        await ask("killed-control", seconds=2, table="effect_without_key")
        await until(lambda: _both_begun(), 20)
        victim.ask(signal.SIGKILL)
        house.worker("heir")
        numbers["recovery_seconds"] = round(await until(lambda: done("killed"), RECOVERY_SECONDS_MAX), 1)
        await until(lambda: done("killed-control"), RECOVERY_SECONDS_MAX)
        numbers["effects"] = await count("effect", "killed")
        numbers["effects_without_key"] = await count("effect_without_key", "killed-control")
        assert (numbers["effects"], await count("receipt", "killed")) == (1, 1)
        assert numbers["effects_without_key"] == 2, "the control: this is what the key prevents"


async def _both_begun() -> bool:
    return await count("effect", "killed") + await count("effect_without_key", "killed-control") == 2


async def test_a_worker_frozen_longer_than_its_lease_writes_nothing_when_it_wakes(house: House) -> None:
    what = f"SIGSTOP for {FROZEN_SECONDS:.0f} s in the middle of a job; the control writes without the fence"
    with evidence("worker-zombie", what) as numbers:
        zombie = house.worker("zombie")
        await ask("frozen", seconds=3)
        await ask("frozen-control", seconds=3, fenced=False)
        await until(lambda: _two_effects(), 20)
        zombie.ask(signal.SIGSTOP)
        heir = house.worker("heir")
        began = time.monotonic()
        numbers["taken_over_after_seconds"] = round(
            await until(lambda: done("frozen"), RECOVERY_SECONDS_MAX), 1
        )
        await asyncio.sleep(FROZEN_SECONDS - (time.monotonic() - began))
        zombie.ask(signal.SIGCONT)
        await until(lambda: _woken(house), 15)
        pids = await value("SELECT array_agg(pid) FROM receipt WHERE key = 'frozen'")
        numbers["receipts"] = len(pids)
        numbers["receipts_without_fence"] = await count("receipt", "frozen-control")
        assert pids == [heir.pid]
        assert await count("effect", "frozen") == 1
        assert await value("SELECT lease_epoch FROM job WHERE unique_key = 'frozen'") == 2
        assert numbers["receipts_without_fence"] == 2, "the control: this is what the fence prevents"


async def _two_effects() -> bool:
    return await count("effect", "frozen") + await count("effect", "frozen-control") == 2


async def _woken(house: House) -> bool:
    """Both of its jobs have learned that they are not its own any more."""
    return house.said("zombie").count("job_fenced") == 2
