"""The worker: jobs and facts go on while Redis dies and returns, and nothing is lost or done twice."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app import worker
from app.kernel.actor import Actor, system
from app.kernel.database import fetch_value, query
from app.kernel.jobs import JobRun, enqueue
from app.kernel.settings import settings
from tests.own_redis import Redis

pytestmark = pytest.mark.commits
TEST = system("test")


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    monkeypatch.setenv("REDIS_URL", server.url)
    settings.cache_clear()
    yield server
    server.signal(signal.SIGCONT)
    server.signal(signal.SIGKILL)
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
async def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the effect did; it stands in for a call to the outside."""
    effects: list[str] = []

    async def effect(run: JobRun) -> None:
        effects.append(run.arguments["name"])

    monkeypatch.setitem(worker.JOB_HANDLERS, "tests.effect", effect)
    return effects


@pytest.fixture
async def work(db: str, redis: Redis) -> AsyncIterator[worker.Work]:
    running = worker.Work()
    await running.start(pool=False)
    yield running
    await running.stop(pool=False)


async def ask(name: str) -> UUID | None:
    return await enqueue(TEST, kind="tests.effect", arguments={"name": name})


@query
async def open_jobs(actor: Actor) -> int:
    return await fetch_value("SELECT count(*) FROM job WHERE kind = 'tests.effect' AND status <> 'done'")


async def until(condition: Any, seconds: float) -> float:
    """Wait for an async condition; the seconds it took, or a failure."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def all_done() -> bool:
    return await open_jobs(TEST) == 0


async def test_a_job_goes_through_arq_while_redis_lives(work: worker.Work, done: list[str]) -> None:
    await until(lambda: _is(work.arq is not None), 20)
    await ask("a")
    await until(all_done, 20)
    assert done == ["a"]


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSTOP], ids=["redis killed", "redis hangs"])
async def test_jobs_go_on_without_redis_and_through_it_again(
    work: worker.Work, redis: Redis, done: list[str], death: signal.Signals
) -> None:
    await until(lambda: _is(work.arq is not None), 20)
    redis.signal(death)
    for name in "bcd":
        await ask(name)
    await until(all_done, 40)
    assert sorted(done) == ["b", "c", "d"]

    if death == signal.SIGKILL:
        redis.start()
    else:
        redis.signal(signal.SIGCONT)
    await until(lambda: _is(work.arq is not None), 15)
    await ask("e")
    await until(all_done, 20)
    assert sorted(done) == ["b", "c", "d", "e"]


async def test_redis_is_wiped_with_jobs_in_it_and_none_is_lost(
    work: worker.Work, redis: Redis, done: list[str]
) -> None:
    await until(lambda: _is(work.arq is not None), 20)
    names = [str(n) for n in range(30)]
    for name in names[:15]:
        await ask(name)
    redis.signal(signal.SIGKILL)  # without persistence: everything in it is gone
    for name in names[15:]:
        await ask(name)
    redis.start()
    await until(all_done, 30)
    assert sorted(done) == sorted(names)


async def _is(condition: bool) -> bool:
    return condition
