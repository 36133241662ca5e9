"""The simulators' business time: the database's while it answers, the last known offset after."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from app.kernel.clock import wall
from simulators import clock
from simulators.clock import BusinessClock

AHEAD = timedelta(days=3)
SECONDS = timedelta(seconds=2)


@pytest.fixture
async def hospital(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The hospital's own hand on its clock, three days ahead."""
    connection = await asyncpg.connect(database_url)
    await set_offset(connection, AHEAD)
    yield connection
    await connection.close()


async def set_offset(connection: asyncpg.Connection, offset: timedelta) -> None:
    await connection.execute("update clock_offset set offset_by = $1", offset)


async def test_business_time_is_the_databases(
    hospital: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "READ_EVERY_S", 0.05)
    business = BusinessClock(database_url)
    assert abs(await business.now() - wall() - AHEAD) < SECONDS
    await set_offset(hospital, AHEAD * 2)
    await asyncio.sleep(0.1)
    assert abs(await business.now() - wall() - AHEAD * 2) < SECONDS
    await business.close()


async def test_the_last_known_offset_stands_while_the_database_is_away(
    hospital: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "READ_EVERY_S", 0.0)
    business = BusinessClock(database_url)
    await business.now()
    await hospital.execute("alter table clock_offset rename to hidden")
    assert abs(await business.now() - wall() - AHEAD) < SECONDS
    await hospital.execute("alter table hidden rename to clock_offset")
    await business.close()


@pytest.mark.parametrize("address", ["", "postgresql://nobody@127.0.0.1:1/none"])
async def test_without_a_database_business_time_is_wall_time(address: str) -> None:
    business = BusinessClock(address)
    assert abs(await business.now() - wall()) < SECONDS
    await business.close()
