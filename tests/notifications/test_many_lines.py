"""Two hundred screens on lines that break at any moment: each gets every event once and in order."""

import asyncio
import contextlib
import random
import time
from uuid import UUID

import httpx
import msgspec
import pytest
import websockets

from app.kernel.database import PoolBusy
from notifications.streams import account_inbox
from tests.evidence import evidence
from tests.make import identity
from tests.notifications.client import Client
from tests.notifications.conftest import Hospital, tell

pytestmark = [pytest.mark.commits, pytest.mark.long]

ACCOUNTS = 20
CLIENTS_EACH = 10
EVENTS = 100
CONTROL_CLIENTS = 10
CATCH_UP_SECONDS_MAX = 60.0
# How a house that has too much to do answers: 503 instead of a ticket, or nothing.
BUSY = (AssertionError, OSError, TimeoutError, httpx.TransportError, websockets.InvalidMessage)


class Family(msgspec.Struct):
    """The screens of one account, and its stream."""

    token: str
    stream: str
    clients: list[Client]


async def family(hospital: Hospital, number: int, dice: random.Random) -> Family:
    account_id: UUID = await identity.account()
    made = Family(await identity.account_token(account_id), account_inbox(account_id), [])
    for n in range(CLIENTS_EACH):
        window = dice.choice([1, 4, 32])
        made.clients.append(hospital.client(made.stream, client_id=f"a{number}c{n}", window=window))
        await connect(hospital, made.clients[-1], made.token)
    return made


async def connect(hospital: Hospital, client: Client, token: str) -> None:
    """As a screen does it: again after a moment, when the house is busy."""
    end = time.monotonic() + CATCH_UP_SECONDS_MAX
    while True:
        with contextlib.suppress(*BUSY):
            await client.connect(await hospital.ticket(token))
            return
        assert time.monotonic() < end, "the house did not answer"
        await asyncio.sleep(0.2)


async def break_often(hospital: Hospital, client: Client, token: str, dice: random.Random) -> None:
    while True:
        await asyncio.sleep(dice.uniform(1, 8))
        await client.cut()
        await connect(hospital, client, token)


async def tell_all(families: list[Family], dice: random.Random) -> None:
    for n in range(1, EVENTS + 1):
        for one in families:
            await tell_in_the_end(one.stream, n)
        await asyncio.sleep(dice.uniform(0, 0.3))


async def tell_in_the_end(stream: str, n: int) -> None:
    while True:
        with contextlib.suppress(PoolBusy):  # nothing was done then
            return await tell(stream, first=n)


def wrong_with(client: Client) -> list[str]:
    """The check: every event once, in order, no hole, no repeat, nothing skipped."""
    faults = {
        "numbers": client.numbers() != list(range(1, EVENTS + 1)),
        "contents": [event["d"]["n"] for event in client.events] != client.numbers(),
        "holes": client.holes > 0,
        "repeats": client.repeats > 0,
        "gaps": bool(client.of("gap")),
    }
    return [name for name, is_wrong in faults.items() if is_wrong]


async def test_every_screen_gets_every_event_once(hospital: Hospital) -> None:
    what = "200 screens on breaking lines, 100 events each: gap-free; the control does not resume"
    with evidence("realtime-many-lines", what) as numbers:
        dice = random.Random(5)
        families = [await family(hospital, n, dice) for n in range(ACCOUNTS)]
        forgetful = await control_clients(hospital, families[0])
        screens = [(one, client) for one in families for client in one.clients]
        for _, client in screens:
            await client.has("snap", seconds=30)
        screens += [(families[0], client) for client in forgetful]
        breaking = [asyncio.create_task(break_often(hospital, c, one.token, dice)) for one, c in screens]
        began = time.monotonic()
        await tell_all(families, dice)
        told = time.monotonic()
        for task in breaking:
            task.cancel()
        await asyncio.gather(*breaking, return_exceptions=True)
        for one, client in screens:
            await client.cut()
            await connect(hospital, client, one.token)
        sound = [client for one in families for client in one.clients]
        for client in sound:
            await client.until(lambda c=client: c.last.get(c.streams[0]) == EVENTS, CATCH_UP_SECONDS_MAX)
        wrong = [client.client_id for client in sound if wrong_with(client)]
        resumed = [s["mode"] for c in sound for w in c.of("welcome") for s in w["streams"]].count("resume")
        numbers.update(
            clients=len(sound), streams=ACCOUNTS, events_each=EVENTS, events_received=len(sound) * EVENTS,
            lines_broken=sum(len(c.of("welcome")) - 1 for c in sound), resumed=resumed,
            wrong_clients=len(wrong),
            telling_seconds=round(told - began, 1), caught_up_seconds=round(time.monotonic() - told, 1),
            control_not_resuming_wrong=sum(bool(wrong_with(client)) for client in forgetful),
            control_not_resuming=len(forgetful),
        )  # fmt: skip
        assert wrong == []
        assert resumed > len(sound), "the lines did break"
        assert numbers["control_not_resuming_wrong"] > 0, (
            "the control: without its place a screen misses some"
        )


async def control_clients(hospital: Hospital, one: Family) -> list[Client]:
    made = [
        hospital.client(one.stream, client_id=f"forgetful{n}", resumes=False) for n in range(CONTROL_CLIENTS)
    ]
    for client in made:
        await connect(hospital, client, one.token)
        await client.has("snap")
    return made
