"""Bed days and pauses with the numbers of docs/algorithms/inpatient-fees.md."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.inpatient.rules import is_same_day, nights, pause_after

LOCAL = ZoneInfo("Asia/Shanghai")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("from_at", "until", "days"),
    [
        pytest.param(at(2, 10), at(5, 9), [2, 3, 4], id="the day in counts and the day out does not"),
        pytest.param(at(2, 10), at(2, 18), [], id="no midnight passed"),
        pytest.param(at(2, 23, 59), at(3, 0), [2], id="out at 24:00 itself was there at 24:00"),
        pytest.param(at(3, 0), at(3, 0), [], id="in at midnight belongs to the new day"),
        pytest.param(at(3, 0), at(4, 0), [3], id="a whole day from midnight to midnight"),
    ],
)
def test_a_bed_is_paid_for_the_midnights_it_was_held(
    from_at: datetime, until: datetime, days: list[int]
) -> None:
    assert nights(from_at=from_at, until=until) == [date(2026, 3, day) for day in days]


def test_a_change_of_bed_pays_every_midnight_once() -> None:
    moved = at(3, 15)
    assert nights(from_at=at(2, 10), until=moved) == [date(2026, 3, 2)]
    assert nights(from_at=moved, until=at(5, 9)) == [date(2026, 3, 3), date(2026, 3, 4)]


def test_days_are_the_hospitals_not_the_databases() -> None:
    """17:00 UTC is 1 in the morning in Shanghai."""
    assert is_same_day(admitted_at=at(2, 1), discharged_at=at(2, 23))
    assert not is_same_day(admitted_at=at(2, 23), discharged_at=at(3, 1))


@pytest.mark.parametrize(("failures", "minutes"), [(1, None), (4, None), (5, 5), (6, None), (10, 5)])
def test_every_fifth_vain_try_pauses_the_terminal(failures: int, minutes: int | None) -> None:
    pause = pause_after(failures)
    assert pause == (None if minutes is None else timedelta(minutes=minutes))
