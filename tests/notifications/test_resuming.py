"""Lines break at any moment: what was told arrives once, in order, without a hole."""

import asyncio
import random

import msgspec
import pytest

from notifications.hub import HUB
from notifications.limits import LIMITS
from notifications.push import push
from notifications.streams import account_inbox
from tests.make import identity
from tests.make.rows import value
from tests.notifications.client import Client
from tests.notifications.conftest import TEST, Hospital, served, tell

pytestmark = pytest.mark.commits

CLIENTS = 6
EVENTS = 80
EAGER = msgspec.structs.replace(LIMITS, picture_s=0.0)


async def tell_slowly(stream: str, count: int, dice: random.Random) -> None:
    for n in range(1, count + 1):
        await tell(stream, first=n)
        await asyncio.sleep(dice.uniform(0, 0.01))


async def break_often(hospital: Hospital, client: Client, token: str, dice: random.Random) -> None:
    while True:
        await asyncio.sleep(dice.uniform(0.02, 0.25))
        await client.cut()
        await client.connect(await hospital.ticket(token))


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_event_arrives_once_through_broken_lines(hospital: Hospital, seed: int) -> None:
    dice = random.Random(seed)
    account_id = await identity.account()
    token, stream = await identity.account_token(account_id), account_inbox(account_id)
    clients = [
        await hospital.connected(token, stream, client_id=f"c{n}", window=dice.choice([1, 4, 32]))
        for n in range(CLIENTS)
    ]
    for client in clients:
        await client.has("snap")
    breaking = [asyncio.create_task(break_often(hospital, client, token, dice)) for client in clients]
    await tell_slowly(stream, EVENTS, dice)
    for task in breaking:
        task.cancel()
    await asyncio.gather(*breaking, return_exceptions=True)
    for client in clients:
        await client.cut()
        await client.connect(await hospital.ticket(token))
        await client.until(lambda client=client: client.last.get(stream) == EVENTS)
        assert client.numbers() == list(range(1, EVENTS + 1))
        assert [e["d"]["n"] for e in client.events] == client.numbers()
        assert (client.holes, client.repeats, len(client.of("gap"))) == (0, 0, 0)
    resumed = [s["mode"] for c in clients for w in c.of("welcome") for s in w["streams"]]
    assert resumed.count("resume") > CLIENTS, "the lines did break"


async def test_a_client_that_does_not_resume_misses_what_came_meanwhile(hospital: Hospital) -> None:
    """The control: without its place in the stream a client is shown the state, and not the events."""
    client, stream, token = await hospital.phone(resumes=False)
    await tell(stream, 3)
    await client.until(lambda: client.numbers() == [1, 2, 3])
    await client.cut()
    await tell(stream, 3, first=4)
    await client.connect(await hospital.ticket(token))
    await client.has("snap", 2)
    await tell(stream, first=7)
    await client.until(lambda: client.numbers()[-1] == 7)
    assert client.numbers() == [1, 2, 3, 7]


async def test_a_lost_frame_is_seen_as_a_hole_and_healed(hospital: Hospital) -> None:
    client, stream, _ = await hospital.phone()
    client.deaf_to = {3, 9}
    await tell(stream, 12)
    await client.until(lambda: client.last[stream] == 12)
    assert client.numbers() == list(range(1, 13))
    assert client.holes >= 2


async def test_a_lost_frame_is_never_healed_where_nobody_asks(hospital: Hospital) -> None:
    """The control of the control: events do not come again by themselves."""
    client, stream, _ = await hospital.phone()
    client.deaf_to = {3, 4, 5}
    await tell(stream, 5)
    await asyncio.sleep(0.8)
    assert client.numbers() == [1, 2]


async def test_resync_from_nowhere_brings_the_state(database_url: str) -> None:
    async with served(EAGER) as hospital:
        client, stream, _ = await hospital.phone()
        await tell(stream, 2)
        await client.until(lambda: client.last[stream] == 2)
        for snaps, after in enumerate((-1, 99, 2**62), start=2):
            await client.say({"t": "resync", "s": stream, "after": after})
            assert (await client.has("snap", snaps))["q"] == 2


async def test_no_more_than_the_window_is_under_way(hospital: Hospital) -> None:
    client, stream, _ = await hospital.phone(window=5, acks=False)
    await tell(stream, 30)
    await client.until(lambda: len(client.of("ev")) == 5)
    await asyncio.sleep(0.8)
    assert client.numbers() == [1, 2, 3, 4, 5]
    await client.say({"t": "ack", "s": stream, "q": 2})
    await client.until(lambda: client.last[stream] == 7)
    await client.say({"t": "ack", "s": stream, "q": 30})  # not sent yet, so it proves nothing
    await asyncio.sleep(0.2)
    assert client.last[stream] == 7
    client.acks = True
    await client.say({"t": "ack", "s": stream, "q": 7})
    await client.until(lambda: client.last[stream] == 30)
    assert client.numbers() == list(range(1, 31))


async def test_a_client_far_behind_reads_on_from_the_ledger(hospital: Hospital) -> None:
    client, stream, token = await hospital.phone()
    await client.cut()
    await tell(stream, 300)  # more than a feed keeps at hand
    await client.connect(await hospital.ticket(token))
    await client.until(lambda: client.last[stream] == 300)
    assert client.numbers() == list(range(1, 301))
    assert client.of("welcome")[-1]["streams"][0]["mode"] == "resume"


async def test_two_streams_of_one_socket_keep_their_own_numbers(hospital: Hospital) -> None:
    account_id = await identity.account()
    own = account_inbox(account_id)
    client = await hospital.connected(await identity.account_token(account_id), own, own)
    await client.has("snap")
    await tell(own, 4)
    await client.until(lambda: client.numbers(own) == [1, 2, 3, 4])


async def test_full_windows_that_do_not_move_are_closed(database_url: str) -> None:
    async with served(msgspec.structs.replace(LIMITS, progress_s=0.5, watch_s=0.1)) as hospital:
        deaf, stream, token = await hospital.phone(window=2, acks=False)
        idle = await hospital.connected(token, stream, client_id="idle", window=2)
        await asyncio.sleep(0.7)  # a quiet time is not a stuck one
        await tell(stream, 4)
        await idle.until(lambda: idle.numbers() == [1, 2, 3, 4])
        await asyncio.sleep(0.2)
        assert (deaf.close_code, deaf.numbers()) == (None, [1, 2])
        assert await deaf.closed(2) == 4008
        assert idle.close_code is None


async def test_who_does_not_read_is_let_go_and_harms_nobody(database_url: str) -> None:
    async with served(msgspec.structs.replace(LIMITS, send_s=0.3, watch_s=0.1)) as hospital:
        client, stream, token = await hospital.phone(window=64)
        unread = await hospital.connected(token, stream, client_id="unread", window=64)
        await unread.has("snap")
        assert unread.socket is not None
        unread.socket.transport.pause_reading()
        assert len(HUB.sessions) == 2
        for _ in range(20):  # more than the buffers of both sides take, and nothing to compress
            noise = random.randbytes(300_000).hex()
            await push(TEST, stream=stream, type="test.told", data={"noise": noise})
        await client.until(lambda: client.last[stream] == 20, 10)
        async with asyncio.timeout(5):
            while len(HUB.sessions) > 1:  # noqa: ASYNC110 - the hub tells nobody that a session left
                await asyncio.sleep(0.1)
        assert client.close_code is None


async def test_a_new_epoch_is_a_gap_and_a_snapshot(hospital: Hospital) -> None:
    client, stream, token = await hospital.phone()
    await tell(stream, 3)
    await client.until(lambda: client.last[stream] == 3)
    old = client.epochs[stream]
    await value("UPDATE rt_stream SET epoch = gen_random_uuid(), seq = 1 WHERE stream = $1", stream)
    await value("DELETE FROM rt_event WHERE stream = $1 AND seq > 1", stream)
    snap = await client.has("snap", 2)
    gap = client.of("gap")[-1]
    assert (gap["from"], gap["epoch"]) == (3, snap["epoch"])
    assert snap["epoch"] != old
    assert snap["q"] == 1
    await tell(stream)
    await client.until(lambda: client.last[stream] == 2)
    away = hospital.client(stream, client_id="away")
    away.epochs, away.last = {stream: old}, {stream: 1}
    await away.connect(await hospital.ticket(token))
    assert (await away.has("welcome"))["streams"][0]["mode"] == "snapshot"
    await away.until(lambda: away.last.get(stream) == 2)


async def test_events_that_retention_took_are_a_gap_and_a_snapshot(hospital: Hospital) -> None:
    client, stream, token = await hospital.phone()
    await tell(stream, 2)
    await client.until(lambda: client.last[stream] == 2)
    await client.cut()
    await tell(stream, 5, first=3)
    await value("DELETE FROM rt_event WHERE stream = $1 AND seq < 6", stream)
    await client.connect(await hospital.ticket(token))
    snap = await client.has("snap", 2)
    gap = client.of("gap")[-1]
    assert (gap["from"], gap["to"], snap["q"]) == (2, 7, 7)
    await tell(stream)
    await client.until(lambda: client.last[stream] == 8)


async def test_a_feed_that_retention_overtook_goes_on(hospital: Hospital) -> None:
    """The hub itself was behind: standing still at the hole would be silence for ever."""
    client, stream, _ = await hospital.phone()
    await tell(stream, 2)
    await client.until(lambda: client.last[stream] == 2)
    await value("UPDATE rt_stream SET seq = 9 WHERE stream = $1", stream)
    assert (await client.has("snap", 2))["q"] == 9
    await tell(stream)
    await client.until(lambda: client.last[stream] == 10)
    assert client.numbers() == [1, 2, 10]
