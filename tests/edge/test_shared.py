"""Counting together over Redis, and alone without it: never open, never an error, never late."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from app.edge.buckets import Demand, Rate
from app.edge.counting import TooManyRequests, take_everywhere, take_here
from app.edge.limits import Group
from app.edge.shared import SharedBuckets
from app.kernel.ids import new_id
from app.kernel.settings import settings

LATE_SECONDS = 0.1  # fifty milliseconds, and a busy machine
RATE = Rate(per_minute=60, burst=5)


@pytest.fixture
def redis_at(servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def demand() -> list[Demand]:
    return [Demand(str(new_id()), RATE)]


async def test_two_processes_count_as_one(servers: tuple[str, str]) -> None:
    one, other = SharedBuckets(), SharedBuckets()
    wanted = demand()
    waits = [await each.take(wanted) for _ in range(10) for each in (one, other)]
    assert sum(wait == 0 for wait in waits) == RATE.burst
    assert 0 < max(waits) <= RATE.interval_s
    await asyncio.sleep(RATE.interval_s)
    assert [await one.take(wanted) == 0, await other.take(wanted) == 0] == [True, False]
    await one.close()
    await other.close()


async def test_all_of_a_requests_buckets_give_or_none(servers: tuple[str, str]) -> None:
    shared = SharedBuckets()
    empty, full = demand(), demand()
    while await shared.take(empty) == 0:
        pass
    for _ in range(10):
        assert await shared.take([*full, *empty]) > 0
    assert sum([await shared.take(full) == 0 for _ in range(10)]) == RATE.burst
    await shared.close()


async def test_many_at_once_are_one_after_another(servers: tuple[str, str]) -> None:
    shared = SharedBuckets()
    wanted = demand()
    await shared.take(wanted)
    waits = await asyncio.gather(*(shared.take(wanted) for _ in range(12)))
    assert sum(wait == 0 for wait in waits) == RATE.burst - 1
    await shared.close()


async def test_a_redis_that_does_not_answer_costs_fifty_milliseconds_once(
    redis_at: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis_at.setenv("REDIS_URL", f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        settings.cache_clear()
        shared = SharedBuckets()
        began = time.monotonic()
        assert await shared.take(demand()) == 0
        assert time.monotonic() - began < LATE_SECONDS
        began = time.monotonic()
        for _ in range(100):
            assert await shared.take(demand()) == 0
        assert time.monotonic() - began < LATE_SECONDS
        await shared.close()


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:1/0", "rediss://nowhere.invalid:6379/0"])
async def test_without_redis_each_process_counts_alone(url: str, redis_at: pytest.MonkeyPatch) -> None:
    redis_at.setenv("REDIS_URL", url)
    settings.cache_clear()
    wanted = demand()

    async def passes() -> bool:
        try:
            take_here(Group.HOLD, wanted)
            await take_everywhere(Group.HOLD, wanted)
        except TooManyRequests:
            return False
        return True

    assert sum([await passes() for _ in range(50)]) == RATE.burst


async def test_it_is_asked_again_when_it_is_back(
    servers: tuple[str, str], redis_at: pytest.MonkeyPatch
) -> None:
    redis_at.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    shared = SharedBuckets()
    wanted = demand()
    assert [await shared.take(wanted) for _ in range(9)] == [0] * 9
    redis_at.setenv("REDIS_URL", servers[1])
    settings.cache_clear()
    await shared.close()  # ends the pause, too
    assert sum([await shared.take(wanted) == 0 for _ in range(9)]) == RATE.burst
    await shared.close()
