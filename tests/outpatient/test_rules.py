"""Instants of booking, both sides of every border. The numbers stand in docs/algorithms/booking.md."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from app.outpatient import rules
from app.outpatient.rules import POLICY, Arrival, Sale, arrival, at, cancel_until, sale
from app.outpatient.tables import HalfDay, VisitType

VISIT_DAY = date(2026, 3, 12)
TINY = timedelta(microseconds=1)
WINDOW = at(VISIT_DAY, time(9))
OPENS = rules.opens_at(POLICY, VISIT_DAY)


def test_days_are_the_hospitals() -> None:
    assert at(VISIT_DAY, time(7)) == datetime(2026, 3, 11, 23, tzinfo=UTC)
    assert at(date(2026, 3, 5), time(7)) == OPENS


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (OPENS - TINY, Sale.NOT_RELEASED),
        (OPENS, Sale.OPEN),
        (at(date(2026, 3, 11), time(17)) - TINY, Sale.OPEN),
        (at(date(2026, 3, 11), time(17)), Sale.PAUSED),
        (at(VISIT_DAY, time.min) - TINY, Sale.PAUSED),
        (at(VISIT_DAY, time.min), Sale.OPEN),
        (WINDOW - TINY, Sale.OPEN),
        (WINDOW, Sale.PAST),
    ],
    ids=[
        "a moment before the release",
        "at the release",
        "before the evening stop",
        "at the evening stop",
        "before midnight",
        "the same day",
        "before the window",
        "the window has begun",
    ],
)
def test_when_a_number_is_sold(now: datetime, state: Sale) -> None:
    assert sale(POLICY, opens=OPENS, window_starts=WINDOW, now=now) is state


def test_experts_are_cancelled_before_the_day_others_half_an_hour_before_the_window() -> None:
    assert cancel_until(POLICY, visit_type=VisitType.EXPERT, window_starts=WINDOW) == at(VISIT_DAY, time.min)
    assert cancel_until(POLICY, visit_type=VisitType.ORDINARY, window_starts=WINDOW) == at(
        VISIT_DAY, time(8, 30)
    )


@pytest.mark.parametrize(("chance", "minutes"), [(0.0, 1), (0.5, 15.5), (1.0, 30)])
def test_a_number_rests_one_to_thirty_minutes(chance: float, minutes: float) -> None:
    assert rules.recycle_delay(POLICY, chance) == timedelta(minutes=minutes)


ENDS = at(VISIT_DAY, time(9, 30))


@pytest.mark.parametrize(
    ("now", "came"),
    [
        (at(VISIT_DAY, time.min) - TINY, Arrival.NOT_TODAY),
        (at(VISIT_DAY, time.min), Arrival.ON_TIME),
        (ENDS - TINY, Arrival.ON_TIME),
        (ENDS, Arrival.LATE),
        (at(VISIT_DAY, time(10)), Arrival.LATE),
        (at(VISIT_DAY, time(10)) + TINY, Arrival.TOO_LATE),
        (at(VISIT_DAY + timedelta(days=1), time.min), Arrival.TOO_LATE),
    ],
    ids=[
        "the evening before",
        "from midnight on",
        "within the window",
        "the window is over",
        "exactly thirty minutes late",
        "a moment more",
        "the next day",
    ],
)
def test_who_may_check_in(now: datetime, came: Arrival) -> None:
    assert arrival(POLICY, held_on=VISIT_DAY, window_ends=ENDS, now=now) is came


def test_windows_cut_the_half_day_and_leave_no_short_one() -> None:
    begins, ends = (at(VISIT_DAY, t) for t in rules.half_day_hours(POLICY, HalfDay.MORNING))
    assert len(list(rules.windows_of(begins, ends, 30))) == 8
    assert len(list(rules.windows_of(begins, ends, 50))) == 4
    assert rules.half_day_hours(POLICY, HalfDay.AFTERNOON) == (time(13, 30), time(17, 30))
