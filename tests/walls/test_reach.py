"""Behind the second wall nobody finds a stranger's row, whatever the code asks for."""

from typing import Any

import pytest

from app.kernel.actor import ANONYMOUS, Actor, Reach, system
from app.kernel.database import DB
from tests.make import identity, organization
from tests.walls.stories import Story, seen, story, walled_tables

# Rows of strangers that the hospital's work shows, and why. Every other table shows none.
SHOWN = {
    ("late technician", "ticket"): "a window's line is called by whoever sits there; names are masked",
    ("late pharmacist", "ticket"): "the same",
}
# What a story does not bring about.
EMPTY = {
    "pay_notice": "the payment was booked without a channel's notice",
    "refund": "nothing went back",
    "deposit_receipt": "nothing was paid into the stay",
    "controlled_registration": "no narcotic was prescribed",
}


@pytest.fixture
async def two(db: str) -> tuple[Story, Story]:
    return await story("欧阳甲一"), await story("司徒乙二")


async def leaks(asking: Story, other: Story) -> set[tuple[str, str]]:
    """(role, table) where somebody of one story is shown rows of the other.

    Payment lets every laboratory and pharmacy of that day see the patient, so that of these roles somebody
    asks who came later.
    """
    actors = {role: actor for role, actor in asking.actors.items() if role not in LATE} | await late()
    found: set[tuple[str, str]] = set()
    for role, actor in actors.items():
        for table, rows in other.rows.items():
            if await seen(actor, table, rows):
                found.add((role, table))
    return found


LATE = ("technician", "pharmacist")


async def late() -> dict[str, Actor]:
    return {
        f"late {role}": identity.staff_actor(
            await organization.staff(role=role, department_id=await organization.department())
        )
        for role in LATE
    }


async def test_nobody_is_shown_a_strangers_row(two: tuple[Story, Story]) -> None:
    one, other = two
    assert {table for table, rows in other.rows.items() if not rows} == set(EMPTY)
    assert await leaks(one, other) == set(SHOWN)
    assert await leaks(other, one) == set(SHOWN)


async def test_everybody_is_shown_what_is_theirs(two: tuple[Story, Story]) -> None:
    one, _ = two
    for table in ("person", "bill", "appointment", "report", "prescription", "encounter", "admission"):
        assert await seen(one.actors["account"], table, one.rows[table]), table
    for role, table in (
        ("doctor", "diagnosis"), ("technician", "lab_result"), ("pharmacist", "prescription_line"),
        ("nurse", "daily_charge"), ("bedside", "admission"), ("nurse_station", "alert"),
    ):  # fmt: skip
        assert await seen(one.actors[role], table, one.rows[table]), (role, table)


async def test_positive_control_without_the_wall_the_same_look_finds_every_stranger(
    two: tuple[Story, Story],
) -> None:
    one, other = two
    tables = ("report", "lab_result", "person", "message")
    for table in tables:
        await as_owner(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    roles = [role for role in one.actors if role not in LATE] + [f"late {role}" for role in LATE]
    assert await leaks(one, other) == set(SHOWN) | {(role, table) for role in roles for table in tables}


async def test_who_reaches_nobody_is_shown_nothing(two: tuple[Story, Story]) -> None:
    one, _ = two
    nobody = Actor(kind=one.actors["doctor"].kind, id=one.actors["doctor"].id, reach=Reach.NOBODY)
    for table in await walled_tables():
        assert not await seen(ANONYMOUS, table), table
        assert not await seen(nobody, table), table


async def test_who_reaches_everybody_is_shown_all(two: tuple[Story, Story]) -> None:
    one, other = two
    clerk = Actor(kind=one.actors["doctor"].kind, id=one.actors["doctor"].id, reach=Reach.EVERYBODY)
    for table, rows in other.rows.items():
        assert await seen(clerk, table, rows) == set(rows), table
        assert await seen(system("test"), table, rows) == set(rows), table


async def as_owner(statement: str) -> None:
    """In the test's own transaction, which is rolled back."""
    pool: Any = DB.pool
    await pool.connection.execute(f"RESET ROLE; {statement}")
