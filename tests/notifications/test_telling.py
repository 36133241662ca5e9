"""How an event gets its number, and that a snapshot and its number are of one moment."""

import asyncio
import random
from contextvars import Context
from typing import Any

import asyncpg
import msgspec
import pytest

from app.kernel.actor import Actor
from app.kernel.database import action, fetch_value
from app.kernel.events import Event, Lane, Subscription, emit, fact
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from notifications.history import Head, Stored, picture_of
from notifications.hub import Feed
from notifications.push import push, push_state
from notifications.streams import zone_queue
from tests.make import identity, organization
from tests.make.rows import value
from tests.notifications.conftest import TEST, Hospital, tell

pytestmark = pytest.mark.commits


@fact(kind="test.pushed", aggregate="test_push", key="push_id")
class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    push_id: Any
    stream: str
    fails: bool = False


failing = True


async def push_then_fail(actor: Actor, told: Pushed, event: Event) -> None:
    await push(actor, stream=told.stream, type="test.told", data={"event": event.id})
    if told.fails and failing:
        raise RuntimeError("after the push")


@action
async def say(actor: Actor, stream: str, *, fails: bool = False) -> None:
    await emit(actor, Pushed(push_id=new_id(), stream=stream, fails=fails))


async def test_a_failing_delivery_leaves_no_gap(db: str) -> None:
    relay, stream = Relay([Subscription("test.push", Pushed, push_then_fail)]), f"test:{new_id()}"
    for fails in (False, True, False):
        await say(TEST, stream, fails=fails)
        while await relay.turn(Lane.LIVE):
            pass
    assert await value("SELECT array_agg(seq ORDER BY seq) FROM rt_event WHERE stream = $1", stream) == [1, 2]
    global failing
    failing = False
    await value("UPDATE delivery SET retry_at = now() WHERE status = 'due'")
    await relay.turn(Lane.LIVE)
    assert await value("SELECT array_agg(seq ORDER BY seq) FROM rt_event WHERE stream = $1", stream) == [
        1,
        2,
        3,
    ]
    failing = True


@action
async def push_what_cannot_be(actor: Actor, stream: str) -> None:
    """Fails as late as can be: behind the push, when the transaction commits."""
    await push(actor, stream=stream, type="test.told", data={})
    await push(actor, stream="x" * 500, type="test.told", data={})


async def test_a_transaction_that_fails_at_its_end_takes_no_number(db: str) -> None:
    stream = f"test:{new_id()}"
    await tell(stream)
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await push_what_cannot_be(TEST, stream)
    await tell(stream)
    assert await value("SELECT seq FROM rt_stream WHERE stream = $1", stream) == 2
    assert await value("SELECT count(*) FROM rt_event WHERE stream = $1", stream) == 2


async def test_many_writers_of_one_stream_leave_no_gap_and_no_repeat(db: str) -> None:
    stream = f"test:{new_id()}"
    await asyncio.gather(*(tell(stream, 10, first=10 * n) for n in range(4)))
    rows = await value("SELECT array_agg(seq ORDER BY seq) FROM rt_event WHERE stream = $1", stream)
    assert rows == list(range(1, 41))
    # Each writer's own events are in its own order.
    for n in range(4):
        told = await value(
            "SELECT array_agg((d->>'n')::int ORDER BY seq) FROM rt_event WHERE stream = $1"
            " AND (d->>'n')::int / 10 = $2",
            stream,
            n,
        )
        assert told == sorted(told)


@action
async def count_up(
    actor: Actor, stream: str, key: str, pause: float, *, behind_the_lock: bool = True
) -> None:
    """A writer that changes the world, dawdles, and tells the whole state."""
    await fetch_value(
        "INSERT INTO rt_cursor (id, client_id, stream, acked_seq) VALUES ($1, $2, $3, 1) ON CONFLICT"
        " ON CONSTRAINT rt_cursor_once DO UPDATE SET acked_seq = rt_cursor.acked_seq + 1",
        new_id(),
        key,
        stream,
    )

    async def state() -> dict[str, Any]:
        return {"sum": await total(actor, stream)}

    if behind_the_lock:
        await asyncio.sleep(pause)
        await push_state(actor, stream=stream, type="test.state", read=state)
    else:
        read = await state()
        await asyncio.sleep(pause)
        await push(actor, stream=stream, type="test.state", data=read)


async def total(actor: Actor, stream: str) -> int:
    return await fetch_value(
        "SELECT coalesce(sum(acked_seq), 0)::int FROM rt_cursor WHERE stream = $1", stream
    )


async def sums(stream: str, *, behind_the_lock: bool) -> list[int]:
    dice = random.Random(7)
    for _ in range(4):
        await asyncio.gather(
            *(
                count_up(TEST, stream, f"w{n}", dice.uniform(0, 0.05), behind_the_lock=behind_the_lock)
                for n in range(6)
            )
        )
    return await value(
        "SELECT array_agg((d->>'sum')::int ORDER BY seq) FROM rt_event WHERE stream = $1", stream
    )


async def test_a_later_number_never_carries_an_older_state(db: str) -> None:
    told = await sums(f"test:{new_id()}", behind_the_lock=True)
    assert told == sorted(told)
    assert told[-1] == 24


async def test_states_read_before_the_lock_do_go_backwards(db: str) -> None:
    """The control: what the lock is for."""
    told = await sums(f"test:{new_id()}", behind_the_lock=False)
    assert told != sorted(told) or told[-1] != 24


async def test_a_snapshot_and_its_number_are_of_one_moment(db: str) -> None:
    """A counter that the same transactions push: state and number must agree at every look."""
    stream = f"test:{new_id()}"
    await count_up(TEST, stream, "w", 0)

    async def state(actor: Actor, _owner: Any) -> dict[str, Any]:
        # The writer passes between the two reads, in a transaction of its own.
        await asyncio.create_task(count_up(TEST, stream, "w", 0), context=Context())
        return {"sum": await total(actor, stream)}

    for written in range(1, 6):
        picture = await picture_of(TEST, stream=stream, owner_id=new_id(), state=state)
        assert picture.state["sum"] == picture.head.seq == written


async def test_state_and_following_events_are_the_present_state(hospital: Hospital) -> None:
    """Boards that join in the middle of a rush end where the rush ends."""
    zone_id = await organization.zone()
    stream = zone_queue(zone_id)
    token = await identity.device_token(kind="hall_display", place_id=zone_id)

    async def rename(n: int) -> None:
        await value("UPDATE zone SET name = $2 WHERE id = $1", zone_id, f"n{n}")
        await push_zone(stream, zone_id)

    async def rush() -> None:
        for n in range(1, 41):
            await rename(n)

    rushing = asyncio.create_task(rush())
    boards = []
    for n in range(8):
        boards.append(await hospital.connected(token, stream, client_id=f"b{n}"))
        await asyncio.sleep(0.03)
    await rushing
    for board in boards:
        await board.until(lambda board=board: board.last.get(stream) == 40)
        last = board.events[-1]["d"] if board.events else board.of("snap")[-1]
        assert last["state"]["zone"]["name"] == "n40"
        assert board.numbers() == list(range(board.of("snap")[-1]["q"] + 1, 41))


async def push_zone(stream: str, zone_id: Any) -> None:
    async def state() -> dict[str, Any]:
        return {
            "state": {"zone": {"name": await fetch_value("SELECT name FROM zone WHERE id = $1", zone_id)}}
        }

    await push_state(TEST, stream=stream, type="test.state", read=state)


def test_a_feed_hands_out_only_what_has_no_hole() -> None:
    feed = Feed(Head("s", new_id(), 5))
    assert feed.after(5) == []
    assert feed.after(9) == []
    assert feed.after(4) is None
    assert not feed.take([Stored(7, "7", None)])
    assert feed.take([Stored(6, "6", None), Stored(7, "7", None)])
    assert [e.seq for e in feed.after(5) or []] == [6, 7]
    assert [e.seq for e in feed.after(6) or []] == [7]
    assert feed.after(4) is None
    feed.start_over(Head("s", new_id(), 9))
    assert feed.after(7) is None
    assert feed.after(9) == []
