"""A session goes on sale: several processes sell 300 numbers to 450 people, some of whom tap twice."""

import asyncio
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.kernel.actor import system
from app.kernel.database import PoolBusy, close_pool, open_pool
from app.kernel.errors import DomainError
from app.kernel.hints import close_hints
from app.kernel.idempotency import command, once
from app.kernel.ids import new_id
from app.outpatient.booking import hold_appointment
from tests.evidence import evidence
from tests.make import patients, visit

pytestmark = [pytest.mark.commits, pytest.mark.long]

PROCESSES = 3
ROUNDS = 20
PERSONS = 450
TAPS = 500  # every tenth of them a second tap of somebody
WINDOWS = 6
CAPACITY = 50
TURNED_AWAY_MAX = 200  # a busy pool says: come again
CLEAR = {"window_full", "already_booked"}

Tap = tuple[str, list[str], str, str]  # key, windows in the order of this person's taste, session, person
Reply = tuple[str, str]  # person, and the appointment's id or the refusal's code

WITHOUT_LOCK = """
CREATE OR REPLACE FUNCTION jiuyi.claim_number(wanted uuid, OUT id uuid, OUT seq_no smallint)
RETURNS SETOF record LANGUAGE sql AS $$
    UPDATE public.number taken SET status = 'held'
    WHERE taken.id = (
        SELECT n.id FROM public.number n
        WHERE n.window_id = wanted AND n.status IN ('unreleased', 'free', 'recycling')
        ORDER BY n.seq_no LIMIT 1)
    RETURNING taken.id, taken.seq_no
$$"""
WITHOUT_INDEX = "DROP INDEX appointment_live_number"


def sell(dsn: str, taps: list[Tap]) -> list[Reply]:
    """One process's part of the rush, with a pool of its own."""
    return asyncio.run(_sell(dsn, taps))


async def _sell(dsn: str, taps: list[Tap]) -> list[Reply]:
    await open_pool(dsn=dsn)
    try:
        return await asyncio.gather(*(_one(tap) for tap in taps))
    finally:
        await close_pool()
        await close_hints()


async def _one(tap: Tap) -> Reply:
    """As an app does it: the next window when one is full, again after a moment when it is too busy."""
    key, windows, session_id, person_id = tap
    code = ""
    for window_id in windows:
        try:
            booked = await _hold(f"{key}-{window_id[-8:]}", session_id, window_id, person_id)
        except DomainError as refusal:
            code = refusal.code
        except asyncpg.PostgresError as error:
            return person_id, f"bug: {type(error).__name__}"
        else:
            return person_id, booked
        if code != "window_full":
            break
    return person_id, code


async def _hold(key: str, session_id: str, window_id: str, person_id: str) -> str:
    asked = command(key=key, route="POST /appointments", body=window_id.encode())
    for _ in range(TURNED_AWAY_MAX):
        try:
            held = await once(
                asked, hold_appointment, system("test"),
                session_id=UUID(session_id), window_id=UUID(window_id), person_id=UUID(person_id),
            )  # fmt: skip
        except PoolBusy:
            await asyncio.sleep(random.uniform(0, 0.1))
        else:
            return str(held)
    raise AssertionError("turned away for ever")


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


async def rush(db: str, processes: ProcessPoolExecutor, persons: list[UUID], day: int) -> list[str]:
    """One session on its own day, sold out. What was wrong about it, in words."""
    place = await visit.clinic()
    held_on = await visit.today() + timedelta(days=3 + day)
    made = await visit.session(place, windows=WINDOWS, capacity=CAPACITY, held_on=held_on)
    taps = taps_on(made, persons, random.Random(day))
    parts = [taps[n::PROCESSES] for n in range(PROCESSES)]
    loop = asyncio.get_running_loop()
    replies = await asyncio.gather(*(loop.run_in_executor(processes, sell, db, part) for part in parts))
    return await wrong(db, made, [reply for part in replies for reply in part])


def taps_on(made: visit.Session, persons: list[UUID], dice: random.Random) -> list[Tap]:
    """Of the second taps one half repeats the first, as on a bad line; the other half is a new wish."""
    windows = [str(window) for window in made.windows]
    first = [(new_id().hex, dice.sample(windows, WINDOWS), str(made.id), str(person)) for person in persons]
    twice = dice.sample(first, TAPS - PERSONS)
    again = [(key if n % 2 else new_id().hex, *rest) for n, (key, *rest) in enumerate(twice)]
    taps: list[Any] = [*first, *again]
    dice.shuffle(taps)
    return taps


async def wrong(db: str, made: visit.Session, replies: list[Reply]) -> list[str]:
    """The check: exactly all numbers, no number and no person twice, and every answer true and clear."""
    # The owner stands behind the walls, too, where he is no superuser.
    connection = await asyncpg.connect(db, server_settings={"app.actor_kind": "system"})
    try:
        rows = await connection.fetch(
            "SELECT id::text, person_id::text, number_id FROM appointment WHERE session_id = $1", made.id
        )
        taken = await connection.fetchval(
            "SELECT count(*) FROM number WHERE session_id = $1 AND status = 'held'", made.id
        )
    finally:
        await connection.close()
    booked = {row["id"]: row["person_id"] for row in rows}
    told = {answer: person for person, answer in replies if answer in booked}
    odd = Counter(answer for _, answer in replies if answer not in booked and answer not in CLEAR)
    faults = {
        "appointments": len(rows) != WINDOWS * CAPACITY,
        "numbers taken": taken != WINDOWS * CAPACITY,
        "a number twice": len({row["number_id"] for row in rows}) != len(rows),
        "a person twice": len(set(booked.values())) != len(rows),
        "replies": len(replies) != TAPS,
        "told otherwise than stored": told != booked,
        f"unclear {dict(odd)}": bool(odd),
    }
    return [name for name, is_wrong in faults.items() if is_wrong]


async def crowd() -> list[UUID]:
    born = date(1960, 1, 1)
    return [await patients.person(born_on=born + timedelta(days=n)) for n in range(PERSONS)]


async def test_a_session_is_sold_exactly_again_and_again(db: str, processes: ProcessPoolExecutor) -> None:
    with evidence(
        "booking-race", "500 holds on 300 numbers, a tenth of them second taps, from 3 processes"
    ) as n:
        persons = await crowd()
        rounds = [await rush(db, processes, persons, day) for day in range(ROUNDS)]
        assert rounds == [[]] * ROUNDS
        n.update(rounds=ROUNDS, taps_each=TAPS, persons=PERSONS, numbers_each=WINDOWS * CAPACITY,
                 processes=PROCESSES, wrong_rounds=0, **await controls(db, processes, persons))  # fmt: skip


async def controls(db: str, processes: ProcessPoolExecutor, persons: list[UUID]) -> dict[str, Any]:
    """The same check on a house without its walls: this database is the module's own, and last used here."""
    connection = await asyncpg.connect(db)
    try:
        await connection.execute(WITHOUT_LOCK)
        without_lock = await rush(db, processes, persons, ROUNDS)
        await connection.execute(WITHOUT_INDEX)
        without_both = await rush(db, processes, persons, ROUNDS + 1)
    finally:
        await connection.close()
    assert any("UniqueViolation" in fault for fault in without_lock), "the index is the last wall"
    assert "a number twice" not in without_lock
    assert "a number twice" in without_both
    return {"control_without_lock": without_lock, "control_without_lock_and_index": without_both}
