"""Fifteen working days; fifteen and thirty years; what has not begun to count; 29 February."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rights.rules import (
    FLOORS,
    TOPICS_OF,
    Kept,
    Last,
    Record,
    due_on,
    keep,
    outcome,
    still_kept,
    why_kept,
)
from app.rights.tables import RequestKind, RequestStatus, StepKind, Topic

DAYS = st.dates(date(1950, 1, 1), date(2150, 12, 31))
RECORDS = st.sampled_from(list(Record))
MONDAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("asked_on", "last_day"),
    [
        (MONDAY, date(2026, 3, 23)),
        (date(2026, 3, 6), date(2026, 3, 27)),  # a Friday
        (date(2026, 3, 7), date(2026, 3, 27)),  # a Saturday: counted from Monday
        (date(2026, 3, 8), date(2026, 3, 27)),
    ],
)
def test_an_answer_is_due_after_fifteen_working_days(asked_on: date, last_day: date) -> None:
    assert due_on(asked_on) == last_day


@given(DAYS)
def test_the_last_day_is_a_working_day_three_weeks_on(asked_on: date) -> None:
    last = due_on(asked_on)
    assert last.weekday() < 5
    working = [asked_on + timedelta(days=n) for n in range(1, (last - asked_on).days + 1)]
    assert sum(day.weekday() < 5 for day in working) == 15


@pytest.mark.parametrize(
    ("record", "last", "until"),
    [
        (Record.OUTPATIENT, MONDAY, date(2041, 3, 2)),
        (Record.INPATIENT, MONDAY, date(2056, 3, 2)),
        (Record.OUTPATIENT, date(2024, 2, 29), date(2039, 3, 1)),  # a leap day that 2039 lacks
        (Record.INPATIENT, date(2024, 2, 29), date(2054, 3, 1)),
        (Record.PRESCRIPTION, date(2024, 2, 29), date(2025, 3, 1)),
        (Record.PRESCRIPTION_2, MONDAY, date(2028, 3, 2)),
        (Record.PRESCRIPTION_3, MONDAY, date(2029, 3, 2)),
        (Record.MONEY, MONDAY, date(2057, 1, 1)),  # thirty years from 1 January 2027
    ],
)
def test_worked_examples(record: Record, last: date, until: date) -> None:
    assert keep(record, Last(last)) == Kept(record=record, until=until)


@given(RECORDS, DAYS)
def test_never_less_than_the_years_of_the_law(record: Record, last: date) -> None:
    kept = keep(record, Last(last))
    assert kept is not None
    assert kept.until is not None
    years = FLOORS[record].years
    assert (kept.until.year - last.year, (kept.until.month, kept.until.day) >= (last.month, last.day)) >= (
        years,
        True,
    )
    assert kept.until - last >= timedelta(days=years * 365 + years // 4 - 1)
    assert kept.until <= last + timedelta(days=(years + 1) * 366 + 1)


@given(RECORDS, DAYS, DAYS)
def test_a_later_visit_never_shortens_the_time(record: Record, one: date, other: date) -> None:
    early, late = keep(record, Last(min(one, other))), keep(record, Last(max(one, other)))
    assert early is not None
    assert late is not None
    assert early.until is not None
    assert late.until is not None
    assert early.until <= late.until


@given(RECORDS, st.none() | DAYS, DAYS)
def test_who_is_still_in_hospital_or_whose_discharge_is_unknown_may_lose_nothing(
    record: Record, last: date | None, today: date
) -> None:
    kept = keep(record, Last(last, running=True))
    assert kept is not None
    assert kept.until is None
    assert still_kept([kept], today) == [kept]
    assert "尚未开始计算" in why_kept(kept)


def test_a_newborns_first_day_counts_like_any_other() -> None:
    """A birth is the child's own stay; its record outlives the child's majority."""
    born = date(2024, 2, 29)
    kept = keep(Record.INPATIENT, Last(born))
    assert kept is not None
    assert kept.until == date(2054, 3, 1)


def test_what_never_was_is_not_kept() -> None:
    assert keep(Record.INPATIENT, Last()) is None


@given(DAYS)
def test_on_the_last_day_it_stays_and_on_the_next_it_may_go(last: date) -> None:
    kept = keep(Record.OUTPATIENT, Last(last))
    assert kept is not None
    assert kept.until is not None
    assert still_kept([kept], kept.until) == [kept]
    assert still_kept([kept], kept.until + timedelta(days=1)) == []


def test_an_acceptance_that_the_law_stops_is_called_what_it_is() -> None:
    assert outcome([StepKind.REMOVED, StepKind.CORRECTED]) is RequestStatus.ACCEPTED
    assert outcome([StepKind.FORWARDED]) is RequestStatus.ACCEPTED
    assert outcome([StepKind.REMOVED, StepKind.KEPT]) is RequestStatus.PARTLY
    assert outcome([StepKind.KEPT, StepKind.KEPT]) is RequestStatus.REFUSED


def test_every_topic_can_be_asked_about_and_the_record_is_never_corrected_away() -> None:
    assert set().union(*TOPICS_OF.values()) == set(Topic)
    assert Topic.CLINICAL not in TOPICS_OF[RequestKind.DELETION]
    assert Topic.RECORDS not in TOPICS_OF[RequestKind.CORRECTION]
