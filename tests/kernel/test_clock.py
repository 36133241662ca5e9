"""Business time moves forward in demo hospitals only; days are Shanghai's."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.clock import ClockGoesForward, ClockIsReal
from app.kernel.database import query
from app.kernel.settings import settings

TEST = system("test")


@query
async def business_now(actor: Actor) -> datetime:
    first = await clock.now()
    assert await clock.now() is first
    return first


@query
async def business_day(actor: Actor) -> date:
    return await clock.today()


async def test_business_time_is_database_time_plus_the_offset(db: str) -> None:
    before = await business_now(TEST)
    assert abs(before - clock.wall()) < timedelta(seconds=60)
    await clock.move_clock(TEST, to=before + timedelta(days=3))
    assert await business_now(TEST) - before >= timedelta(days=3)
    assert await business_day(TEST) == clock.local_day(before + timedelta(days=3))


async def test_it_never_goes_back(db: str) -> None:
    await clock.move_clock(TEST, to=await business_now(TEST) + timedelta(hours=1))
    with pytest.raises(ClockGoesForward):
        await clock.move_clock(TEST, to=await business_now(TEST) - timedelta(minutes=1))


async def test_a_real_hospital_has_a_real_clock(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIUYI_DEMO", "0")
    settings.cache_clear()
    with pytest.raises(ClockIsReal):
        await clock.move_clock(TEST, to=datetime(2099, 1, 1, tzinfo=UTC))
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 11, 23, 15, 59, 59, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), date(2026, 11, 24)),
    ],
)
def test_a_day_ends_at_midnight_in_shanghai(instant: datetime, day: date) -> None:
    assert clock.local_day(instant) == day
