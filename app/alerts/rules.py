"""The ladder: who is told next, and until when they have time. docs/algorithms/alerts.md."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec


class Rung(msgspec.Struct, frozen=True):
    rung: int
    target: str
    wait_seconds: int
    outside: bool = False


class Climb(msgspec.Struct, frozen=True):
    """Where an alert stands after one escalation."""

    rung: Rung
    ack_deadline: datetime


def first_rung(ladder: Sequence[Rung], *, assigned: bool) -> Rung:
    """The lowest rung; without an assigned person there is nobody on the first, so it starts above."""
    above = [rung for rung in ladder if assigned or rung.target != "assigned"]
    return above[0]


def climb(ladder: Sequence[Rung], *, current: int, missed_at: datetime, now: datetime) -> Climb:
    """One rung up; on the last one it stays and repeats.

    Climbing keeps the schedule (`missed_at` plus the wait), so that an escalator that was away catches
    up rung by rung, and everybody who should know by now is told. A repeat starts afresh from `now`:
    those missed while nobody escalated are not made up for.
    """
    higher = [rung for rung in ladder if rung.rung > current]
    if higher:
        rung, start = higher[0], missed_at
    else:
        rung, start = ladder[-1], now
    return Climb(rung, start + timedelta(seconds=rung.wait_seconds))
