"""What is killed under open sockets, and that none of them goes silently dead."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from app.kernel.settings import settings
from notifications.hub import HUB
from notifications.limits import LIMITS
from tests.notifications.conftest import Hospital, served, tell
from tests.notifications.proxy import Line, line_to

pytestmark = pytest.mark.commits


@pytest.mark.parametrize("name", ["hub:follow", "hub:hints", "hub:presence", "hub:watchdog"])
async def test_a_killed_task_of_the_hub_is_back_at_once(hospital: Hospital, name: str) -> None:
    client, stream, _ = await hospital.phone()
    task = next(task for task in HUB.watched.tasks if task.get_name() == name)
    restarts = HUB.watched.restarts[name]
    task.cancel()
    await asyncio.sleep(0.05)
    assert HUB.watched.restarts[name] == restarts + 1
    await tell(stream)
    await client.until(lambda: client.numbers() == [1], 2)


async def test_a_hub_that_raises_is_back_soon(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    client, stream, _ = await hospital.phone()
    sick = asyncio.Event()

    async def look() -> bool:
        if sick.is_set():
            return await type(HUB).look(HUB)
        sick.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(HUB, "look", look)
    await asyncio.wait_for(sick.wait(), 2)
    await tell(stream)
    await client.until(lambda: client.numbers() == [1], 3)


async def test_killed_database_connections_cost_no_socket_and_no_event(
    hospital: Hospital, database_url: str
) -> None:
    clients = [await hospital.phone(client_id=f"c{n}") for n in range(3)]
    killer = await asyncpg.connect(database_url)
    for round_no in range(1, 4):
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for _, stream, _ in clients:
            await told_in_the_end(stream, round_no)
        for client, _, _ in clients:
            await client.until(lambda c=client, n=round_no: c.numbers() == list(range(1, n + 1)), 5)
            assert client.close_code is None
    await killer.close()


async def told_in_the_end(stream: str, n: int) -> None:
    """A writer has the same trouble: it tries until it is done."""
    for _ in range(50):
        try:
            await tell(stream, first=n)
        except Exception:  # noqa: BLE001 - whatever a killed connection says
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("nothing can be written")


async def test_without_redis_events_arrive_within_two_seconds(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    try:
        async with served() as hospital:
            client, stream, _ = await hospital.phone()
            for n in range(1, 4):
                began = time.monotonic()
                await tell(stream, first=n)
                await client.until(lambda n=n: client.last[stream] == n, 2)
                assert time.monotonic() - began < 2
    finally:
        monkeypatch.undo()
        settings.cache_clear()


@pytest.fixture
async def line(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """The hospital's line to its database."""
    place = urlsplit(database_url)
    async with line_to(place.hostname or "", place.port or 5432) as found:
        monkeypatch.setenv("DATABASE_URL", database_url.replace(f":{place.port}/", f":{found.port}/"))
        settings.cache_clear()
        yield found
    monkeypatch.undo()
    settings.cache_clear()


async def ready(hospital: Hospital) -> bool:
    return (await hospital.http.get("/readyz")).status_code == 200


async def becomes(hospital: Hospital, expected: bool, seconds: float) -> float:
    began = time.monotonic()
    while await ready(hospital) is not expected:
        assert time.monotonic() - began < seconds, f"ready is not {expected} after {seconds} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


SHORT = msgspec.structs.replace(LIMITS, silent_s=3.0, live_s=2.0, watch_s=0.2)


@pytest.mark.parametrize("how", ["freeze", "cut"])
async def test_a_database_away_for_long_sends_everybody_away_and_comes_back(line: Line, how: str) -> None:
    async with served(SHORT) as hospital:
        client, stream, token = await hospital.phone()
        await tell(stream)
        await client.until(lambda: client.numbers() == [1])
        assert await ready(hospital)
        getattr(line, how)()
        assert await becomes(hospital, False, 5.0) < 5.0
        assert await client.closed(SHORT.silent_s + 3) == 4012
        bye = client.of("bye")[-1]
        assert 0 <= bye["retry_after_ms"] < 30_000
        line.heal()
        await becomes(hospital, True, 8.0)
        await client.connect(await hospital.ticket(token))
        await told_in_the_end(stream, 2)
        await client.until(lambda: client.numbers() == [1, 2])


async def test_a_short_cut_costs_no_socket(line: Line) -> None:
    async with served(msgspec.structs.replace(LIMITS, heartbeat_s=0.2, jitter_s=0)) as hospital:
        client, stream, _ = await hospital.phone()
        line.cut()
        await asyncio.sleep(1.5)
        line.heal()
        await told_in_the_end(stream, 1)
        await client.until(lambda: client.numbers() == [1], 6)
        assert client.close_code is None


async def test_who_greets_while_the_database_is_away_is_told_when_to_return(line: Line) -> None:
    async with served() as hospital:
        _client, stream, token = await hospital.phone()
        ticket = await hospital.ticket(token)
        line.cut()
        late = hospital.client(stream, client_id="late")
        await late.connect(ticket)
        assert await late.closed(5) == 4012
        assert late.of("bye")
        line.heal()
