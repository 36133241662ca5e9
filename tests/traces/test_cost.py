"""What keeping versions costs a booking and a plain write, in alternating rounds of one run."""

import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import quantiles
from uuid import UUID

import asyncpg
import pytest

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.outpatient.booking import hold_appointment
from tests.evidence import evidence
from tests.make import identity, organization, patients, visit
from tests.traces.sealed_house import forger

pytestmark = [pytest.mark.commits, pytest.mark.long]
ROUNDS, IN_A_ROUND = 10, 20
RATIO_MAX = {"booking": 1.5, "update of one row": 2.5}  # the second does nothing but its one statement
KEPT = (
    "SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
    " WHERE p.proname = 'keep_version'"
)


async def switch(connection: asyncpg.Connection, word: str) -> None:
    for table in await connection.fetch(KEPT):
        for change in ("insert", "update", "delete"):
            await connection.execute(f"ALTER TABLE {table['name']} {word} TRIGGER kept_{change}")


async def versions(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM record_version") or 0)


def undisturbed(seconds: list[float]) -> float:
    """The lower quartile: what it takes where the machine does nothing else meanwhile."""
    return quantiles(seconds, n=4)[0]


async def timed(work: Sequence[Callable[[], Awaitable[object]]]) -> list[float]:
    seconds = []
    for step in work:
        began = time.perf_counter()
        await step()
        seconds.append(time.perf_counter() - began)
    return seconds


@action
async def rename(actor: Actor, *, campus_id: UUID) -> None:
    await fetch("UPDATE campus SET name = left(md5(name), 20) WHERE id = $1", campus_id)


async def bookings() -> Sequence[Callable[[], Awaitable[object]]]:
    made = await visit.session(await visit.clinic(fee_fen=2500), capacity=IN_A_ROUND)
    work: list[Callable[[], Awaitable[object]]] = []
    for _ in range(IN_A_ROUND):
        actor = await identity.account_actor()
        person_id = await patients.bound_person(actor)

        async def book(actor: Actor = actor, person_id: UUID = person_id) -> object:
            return await hold_appointment(
                actor, session_id=made.id, window_id=made.windows[0], person_id=person_id
            )

        work.append(book)
    return work


async def writes() -> Sequence[Callable[[], Awaitable[object]]]:
    campus_id = await organization.campus()
    return [lambda: rename(system("test"), campus_id=campus_id)] * IN_A_ROUND * 3


async def test_what_keeping_versions_costs(db: str) -> None:
    connection = await forger(db)
    with evidence("versions-cost", "the same work with and without version triggers, in turns") as numbers:
        for name, prepare in (("booking", bookings), ("update of one row", writes)):
            seconds: dict[str, list[float]] = {"ENABLE": [], "DISABLE": []}
            kept_rows = 0.0
            for number in range(ROUNDS + 1):
                for word in ("ENABLE", "DISABLE") if number % 2 else ("DISABLE", "ENABLE"):
                    await switch(connection, "ENABLE")
                    work = await prepare()
                    await switch(connection, word)
                    before = await versions(connection)
                    took = await timed(work)
                    kept_rows = max(kept_rows, (await versions(connection) - before) / len(work))
                    seconds[word] += took if number else []  # the first round warms up
            kept, bare = undisturbed(seconds["ENABLE"]), undisturbed(seconds["DISABLE"])
            numbers[name] = {
                "with_ms": round(kept * 1000, 2),
                "without_ms": round(bare * 1000, 2),
                "ratio": round(kept / bare, 2),
                "versions_each": kept_rows,
            }
            assert kept / bare <= RATIO_MAX[name], numbers
    await connection.close()
