"""The worker's own watch over the last hours: whatever is planted there is found in its next round."""

from collections.abc import AsyncIterator
from random import Random

import asyncpg
import pytest
from structlog.testing import capture_logs

from app.kernel.actor import system
from app.traces import watching
from app.traces.chain import Seal
from app.traces.watching import watch_next, watch_traces
from tests.traces.sealed_house import forger, our_keys, our_private_key, seal_again, sealed_history, seals_of
from tests.traces.tampering import edit_entry

pytestmark = pytest.mark.commits


TABLES = ("seal", "seal_leaf", "record_version", "access_log")


@pytest.fixture
async def house(db: str) -> AsyncIterator[asyncpg.Connection]:
    """A sealed history, as it was again after the test."""
    connection = await forger(db)
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM seal)"):
        await sealed_history(db, rounds=4)
    await connection.execute("SET session_replication_role = 'replica'")
    for table in TABLES:
        await connection.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
    yield connection
    for table in TABLES:
        await connection.execute(f"DELETE FROM {table}; INSERT INTO {table} TABLE kept_{table}")
    await connection.execute("DELETE FROM trace_watch")
    await connection.close()


async def watched(house: asyncpg.Connection) -> asyncpg.Record:
    [row] = await house.fetch("SELECT * FROM trace_watch")
    return row


async def aged(house: asyncpg.Connection, *, up_to: int) -> None:
    """These seals, and those before, were made three hours ago."""
    await house.execute("UPDATE seal SET at = at - interval '3 hours' WHERE no <= $1", up_to)
    await seal_again(house, first=1, key=our_private_key())


async def test_a_whole_house_has_no_problem(house: asyncpg.Connection) -> None:
    seals = await seals_of(house)
    assert await watch_traces() == len(seals)
    state = await watched(house)
    assert (state["seal_no"], state["at_work"], state["problems"]) == (seals[-1].no, False, 0)
    assert state["whole_at"] is not None


@pytest.mark.parametrize("seed", range(3))
async def test_a_planted_edit_is_found_in_the_next_round(house: asyncpg.Connection, seed: int) -> None:
    await watch_traces()
    async with house.transaction():
        planted = await edit_entry(house, Random(seed))
    with capture_logs() as lines:
        await watch_traces()
    assert (await watched(house))["problems"] >= 1
    assert planted.entry in {line.get("entry") for line in lines if line["event"] == "trace_broken"}


async def test_a_planted_entry_is_found(house: asyncpg.Connection) -> None:
    """It claims to have been written by a transaction that was sealed long ago."""
    await house.execute(
        "INSERT INTO access_log (xid, actor_kind, role, channel, request_id, address, permission,"
        " status, reason) SELECT xid, 'staff', '', '', '', '', '', 200, '' FROM access_log"
        " ORDER BY entry DESC LIMIT 1"
    )
    await watch_traces()
    assert (await watched(house))["problems"] == 1


async def test_control_a_blind_watch_finds_nothing(
    house: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await edit_entry(house, Random(0))
    monkeypatch.setattr(watching, "check_leaves", lambda *_: None)
    await watch_traces()
    assert (await watched(house))["problems"] == 0


async def test_only_the_last_hours_are_watched(house: asyncpg.Connection) -> None:
    seals = await seals_of(house)
    await aged(house, up_to=seals[-3].no)
    assert await watch_traces() == 2


async def test_a_round_that_takes_longer_goes_on_in_the_next_turn(
    house: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seals: list[Seal] = await seals_of(house)
    monkeypatch.setattr(watching, "STEP_SEALS", 1)
    monkeypatch.setattr(watching, "TURN_SECONDS_MAX", 0.0)
    assert await watch_traces() == 0, "no time, no step"
    for seal in seals:
        report = await watch_next(system("watch"), keys=our_keys())
        assert report is not None
        state = await watched(house)
        assert (state["seal_no"], state["at_work"], state["whole_at"]) == (seal.no, True, None)
    assert await watch_next(system("watch"), keys=our_keys()) is None
    assert not (await watched(house))["at_work"]


async def test_the_worker_may_read_no_trace_through_it(house: asyncpg.Connection) -> None:
    await house.execute("SET ROLE jiuyi_app")
    for call in ("jiuyi.leaves_between(1, 2)", "jiuyi.entries_without_leaf(1, 2, 3)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.execute(f"SELECT * FROM {call}")
    await house.execute("SET ROLE jiuyi_worker")
    [told] = await house.fetch("SELECT * FROM jiuyi.leaves_between(1, 1) LIMIT 1")
    assert set(told.keys()) == {"seal_no", "place", "source", "entry", "at", "digest", "xid", "now"}
    await house.execute("RESET ROLE")
