"""The ladder with the numbers of docs/algorithms/alerts.md."""

from datetime import UTC, datetime, timedelta

from app.alerts.rules import Rung, climb, first_rung

LADDER = [
    Rung(0, "assigned", 60),
    Rung(1, "unit", 60),
    Rung(2, "charge_nurse", 120),
    Rung(3, "duty_doctor", 180, outside=True),
    Rung(4, "duty_doctor", 120, outside=True),
]
NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(minute: int, second: int = 0) -> datetime:
    return NINE + timedelta(minutes=minute, seconds=second)


def test_an_assigned_nurse_is_first_and_otherwise_the_whole_unit() -> None:
    assert first_rung(LADDER, assigned=True).target == "assigned"
    assert first_rung(LADDER, assigned=False).target == "unit"


def test_a_ladder_climbs_by_its_schedule_and_repeats_on_the_last_rung() -> None:
    """Raised 9:00:00; told at 9:01, 9:02, 9:04, 9:07, then every two minutes."""
    told, rung, deadline = [], 0, at(1)
    for _ in range(7):
        told.append(deadline)
        step = climb(LADDER, current=rung, missed_at=deadline, now=deadline)
        rung, deadline = step.rung.rung, step.ack_deadline
    assert told == [at(1), at(2), at(4), at(7), at(9), at(11), at(13)]
    assert rung == 4


def test_an_escalator_that_was_away_catches_up_with_the_schedule() -> None:
    step = climb(LADDER, current=0, missed_at=at(1), now=at(30))
    assert (step.rung.target, step.ack_deadline) == ("unit", at(2))


def test_missed_repetitions_are_not_made_up_for() -> None:
    step = climb(LADDER, current=4, missed_at=at(9), now=at(30))
    assert step.ack_deadline == at(32)
