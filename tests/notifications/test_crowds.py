"""Too many sockets, hellos or frames: who overdoes it is held back, and nobody else notices."""

import asyncio
import time
from collections.abc import Iterator

import msgspec
import pytest
import websockets

from app.edge import limits
from app.edge.buckets import Rate
from app.edge.counting import BUCKETS
from notifications.hub import HUB
from notifications.limits import LIMITS
from notifications.streams import account_inbox
from tests.make import identity
from tests.notifications.conftest import served, tell

pytestmark = pytest.mark.commits

FEW = msgspec.structs.replace(
    LIMITS, sockets_each_address_max=3, sockets_each_actor_max=2, frames=Rate(per_minute=600, burst=5)
)


@pytest.fixture(autouse=True)
def strangers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine counts like any other here."""
    known = limits._factor  # pyright: ignore[reportPrivateUsage] - what it knew of this machine
    BUCKETS.forget()
    with monkeypatch.context() as patched:
        patched.setattr(limits, "NETWORKS", ())
        known.cache_clear()
        yield
    known.cache_clear()


async def closed(socket: websockets.ClientConnection) -> int | None:
    await asyncio.wait_for(socket.wait_closed(), 3)
    return socket.close_code


async def test_an_address_holds_so_many_sockets(database_url: str) -> None:
    async with served(FEW) as hospital:
        held = [await websockets.connect(hospital.url) for _ in range(3)]
        assert await closed(await websockets.connect(hospital.url)) == 4029
        await held.pop().close()
        async with asyncio.timeout(3):
            while HUB.sockets.open.total() > 2:  # noqa: ASYNC110 - nobody is told when a socket goes
                await asyncio.sleep(0.01)
        again = await websockets.connect(hospital.url)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(again.wait_closed(), 0.2)
        for socket in [*held, again]:
            await socket.close()
    assert not HUB.sockets.open


async def test_a_login_holds_so_many_screens_and_may_renew_each(database_url: str) -> None:
    async with served(FEW) as hospital:
        client, stream, token = await hospital.phone(client_id="one")
        await hospital.connected(token, stream, client_id="two")
        third = await hospital.connected(token, stream, client_id="three")
        assert await third.closed() == 4029
        newer = await hospital.connected(token, stream, client_id="one")
        await newer.has("snap")
        assert await client.closed() == 4009
    assert not HUB.screens.open


async def test_hellos_of_one_login_run_out(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {limits.Who.ACCOUNT: Rate(1, 2)}
    monkeypatch.setattr(limits, "LIMITS", {**limits.LIMITS, limits.Group.HELLO: row})
    async with served() as hospital:
        account_id = await identity.account()
        token, stream = await identity.account_token(account_id), account_inbox(account_id)
        for _ in range(2):
            await (await hospital.connected(token, stream)).has("welcome")
        assert await (await hospital.connected(token, stream)).closed() == 4029
        _, other, _ = await hospital.phone()
        assert other != stream


async def test_connecting_again_and_again_runs_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {limits.Who.ADDRESS: Rate(1, 4)}
    monkeypatch.setattr(limits, "LIMITS", {**limits.LIMITS, limits.Group.HELLO: row})
    async with served() as hospital:
        for _ in range(4):
            await (await websockets.connect(hospital.url)).close()
        assert await closed(await websockets.connect(hospital.url)) == 4029


async def test_who_says_too_much_is_read_more_slowly(database_url: str) -> None:
    async with served(FEW) as hospital:
        client, stream, _ = await hospital.phone()
        for _ in range(10):
            await client.say({"t": "pong", "n": 1})
        began = time.monotonic()
        await client.say({"t": "resync", "s": stream, "after": 0})
        await client.say({"t": "hello"})  # malformed: the answer to it comes when it is read
        assert await client.closed() == 4400
        assert time.monotonic() - began > 0.3


async def test_a_full_resumption_is_not_slowed(database_url: str) -> None:
    async with served() as hospital:
        client, stream, _ = await hospital.phone()
        await tell(stream, 100)
        await client.until(lambda: client.numbers() == list(range(1, 101)))
        assert client.holes == 0
