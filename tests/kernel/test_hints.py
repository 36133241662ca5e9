"""Hints wake who waits, and nothing else stays of them."""

import asyncio

import pytest

from app.kernel import hints
from app.kernel.hints import Wakeups
from app.kernel.tasks import Watched


async def test_a_hint_wakes_its_topic_and_its_kind_and_leaves_no_other_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def heard():
        yield "rt:account:1:inbox"
        yield "lane:live"
        await asyncio.sleep(10)

    monkeypatch.setattr(hints, "heard", heard)
    wakeups, watched = Wakeups(), Watched()
    waiting = [asyncio.create_task(wakeups.wait(topic, poll_s=5)) for topic in ("rt:*", "lane:live")]
    other = asyncio.create_task(wakeups.wait("lane:bulk", poll_s=5))
    await asyncio.sleep(0)
    watched.start("hints", wakeups.listen)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert not other.done()
    assert set(wakeups.events) == {"rt:*", "lane:live", "lane:bulk"}
    other.cancel()
    await watched.stop()


async def test_a_cancelled_task_is_started_again_until_it_is_stopped() -> None:
    watched, started = Watched(), 0

    async def forever() -> None:
        nonlocal started
        started += 1
        await asyncio.sleep(10)

    watched.start("task", forever)
    for _ in range(3):
        await asyncio.sleep(0)
        watched.tasks[0].cancel()
        await asyncio.sleep(0.01)
    assert (started, watched.restarts["task"], len(watched.tasks)) == (4, 3, 1)
    await watched.stop()
    await asyncio.sleep(0.01)
    assert (started, watched.tasks) == (4, [])
