"""A pooled connection never carries the last actor, however its transaction ended."""

import asyncio
from uuid import UUID

import pytest

from app.kernel import database
from app.kernel.actor import Actor
from app.kernel.database import DB, action, fetch, fetch_value, query
from tests.make import identity, patients

pytestmark = pytest.mark.commits
ACTORS = 200
POOL = 4
UNSET = (
    "SELECT current_user::text AS role, coalesce(current_setting('app.reach', true), '') AS reach,"
    " coalesce(current_setting('app.actor_id', true), '') AS actor"
)


class Stop(Exception):
    """Ends an action from within."""


@pytest.fixture
async def narrow(db: str) -> None:
    """A pool of four."""
    await database.close_pool()
    await database.open_pool(dsn=db, size=POOL)


@action
async def hang(actor: Actor, *, begun: asyncio.Event) -> None:
    await fetch("SELECT * FROM person")
    begun.set()
    await asyncio.sleep(60)


@action
async def fail(actor: Actor) -> None:
    await fetch("SELECT * FROM person")
    raise Stop


@query
async def shown(actor: Actor) -> set[UUID]:
    rows = await fetch("SELECT id FROM person")
    await asyncio.sleep(0.001)
    assert await fetch_value("SELECT current_setting('app.actor_id')") == str(actor.id)
    return {row["id"] for row in rows}


async def left_behind() -> set[tuple[str, str, str]]:
    """What each connection of the pool says of its role and actor, outside the gate."""
    assert DB.pool is not None
    held = [await DB.pool.acquire() for _ in range(POOL)]
    found = {tuple(await connection.fetchrow(UNSET)) for connection in held}
    for connection in held:
        await DB.pool.release(connection)
    return found


async def test_cancelled_and_failed_transactions_leave_no_actor(narrow: None) -> None:
    actor = await identity.account_actor()
    clean = await left_behind()
    assert {(reach, who) for _, reach, who in clean} == {("", "")}
    for _ in range(POOL * 2):
        begun = asyncio.Event()
        task = asyncio.create_task(hang(actor, begun=begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(Stop):
            await fail(actor)
    assert await left_behind() == clean


async def test_two_hundred_at_once_each_see_their_own(narrow: None) -> None:
    people: dict[UUID, Actor] = {}
    for _ in range(ACTORS):
        actor = await identity.account_actor()
        people[await patients.bound_person(actor)] = actor
    gate = asyncio.Semaphore(POOL * 2)  # who waits longer than a second for a connection is refused

    async def look(person_id: UUID, actor: Actor) -> bool:
        async with gate:
            return await shown(actor) == {person_id}

    twice = list(people.items()) * 2
    assert all(await asyncio.gather(*(look(*pair) for pair in twice)))
    assert {(reach, who) for _, reach, who in await left_behind()} == {("", "")}
