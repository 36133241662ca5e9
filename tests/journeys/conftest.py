"""Stories from outside; after each one the hospital's book and those of both channels tell the same."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.demo.arriving import open_day
from app.demo.callers import SECONDS_MAX
from app.demo.day import Day
from app.demo.treating import book_differences
from tests.hospital import RunningHospital
from tests.visitors import day_at

BOOKS_SECONDS_MAX = 20.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last: the hospital of these stories works beside every test that comes after them."""
    here = Path(__file__).parent
    items.sort(key=lambda item: here in item.path.parents)


@pytest.fixture
async def day(running_hospital: RunningHospital) -> AsyncIterator[Day]:
    """Day in the hospital; nobody of the story is known yet."""
    async with httpx.AsyncClient(base_url=running_hospital.url, timeout=SECONDS_MAX) as http:
        day = day_at(running_hospital, http)
        await open_day(day)
        yield day
        for line in day.lines:
            await line.close()
        await set_right(day)
        assert await last_differences(day) == []


async def set_right(day: Day) -> None:
    """Whatever a story did to a payment platform ends with it."""
    for gateway in (day.wechat, day.alipay):
        await day.http.delete(gateway.card["control_url"] + "/faults")
        await gateway.post("/notices/release")


async def last_differences(day: Day) -> list[str]:
    """What the books still tell differently when everything under way has had its time."""
    cashier = await day.staff("cashier")
    deadline = asyncio.get_running_loop().time() + BOOKS_SECONDS_MAX
    while found := await book_differences(day, cashier):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.2)
    return found
