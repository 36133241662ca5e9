"""Who is called next, where a ticket stands, and how long it may take. Prose: docs/algorithms/queue.md."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from app.queueing.tables import PriorityClass, TicketList

T = TypeVar("T")

MISSES_MAX = 3
ELDER_YEARS = 80
PACE_WEIGHT = 0.2  # of the newest service in the moving average
PACE_SECONDS_MIN = 30
PACE_SECONDS_MAX = 3600
SERVICE_SPREAD = 0.5  # standard deviation of one service, as a part of its mean
P80_DEVIATIONS = 0.84
PREFIX_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no I and O: they read as 1 and 0
LEVEL_STEP = 10**17  # above any microsecond of a date we can meet: a level outweighs every waiting time

LEVELS = {
    PriorityClass.EMERGENCY: 0,
    PriorityClass.CRITICAL: 1,
    PriorityClass.ELDER_80: 2,
    PriorityClass.MILITARY: 2,
    PriorityClass.FIRE_RESCUE: 2,
    PriorityClass.DISABLED: 2,
    PriorityClass.PREGNANT_LATE: 3,
    PriorityClass.INFANT: 3,
}
OVERTAKES_THE_DOOR = frozenset({PriorityClass.EMERGENCY, PriorityClass.CRITICAL})


class Cursor(msgspec.Struct, frozen=True):
    """Places in the base pattern and in the swift one; swift -1 means that the base pattern holds."""

    base: int = 0
    swift: int = -1


class Waiting(msgspec.Struct, frozen=True):
    """Minutes to expect: half of the patients wait less than `low`, four of five less than `high`."""

    low: int
    high: int


def pattern_fits(pattern: str) -> bool:
    """A pattern names N, R and M at least once, P where priority is interleaved, and nothing else."""
    return set("NRM") <= set(pattern) <= set("NRMP")


def swift_pattern(pattern: str) -> str:
    """What holds while returns outnumber normals: one to one, with the pattern's other letters behind."""
    return "NR" + "".join(letter for letter in pattern if letter not in "NR")


def next_list(counts: Mapping[TicketList, int], cursor: Cursor, pattern: str) -> tuple[TicketList, Cursor]:
    """The list whose first ticket is called now, and the cursor after it. Something must be waiting."""
    assert any(counts.values())
    if "P" not in pattern and counts.get(TicketList.PRIORITY, 0):
        return TicketList.PRIORITY, cursor
    returns, normals = counts.get(TicketList.RETURN, 0), counts.get(TicketList.NORMAL, 0)
    if returns > normals:
        found = _from(swift_pattern(pattern), max(cursor.swift, 0), counts)
        moved = Cursor(cursor.base, found[1])
    else:
        found = _from(pattern, cursor.base, counts)
        moved = Cursor(found[1], -1)
    return (TicketList.LAST, cursor) if found[0] is None else (found[0], moved)


def _from(pattern: str, start: int, counts: Mapping[TicketList, int]) -> tuple[TicketList | None, int]:
    """The first place from `start` on whose list is not empty, and the place behind it."""
    for step in range(len(pattern)):
        place = (start + step) % len(pattern)
        letter = TicketList(pattern[place])
        if counts.get(letter, 0):
            return letter, (place + 1) % len(pattern)
    return None, start


def call_order(lists: Mapping[TicketList, Sequence[T]], cursor: Cursor, pattern: str) -> list[T]:
    """Everybody who waits, in the order of being called if nobody else came."""
    counts = {letter: len(tickets) for letter, tickets in lists.items()}
    order: list[T] = []
    while any(counts.values()):
        letter, cursor = next_list(counts, cursor, pattern)
        tickets = lists[letter]
        order.append(tickets[len(tickets) - counts[letter]])
        counts[letter] -= 1
    return order


def list_of(
    *, priority: PriorityClass | None, misses: int = 0, late: bool = False, back: bool = False
) -> TicketList:
    """Where a ticket that checks in now stands. `back`: with results from a test."""
    if priority is not None and (misses == 0 or priority in OVERTAKES_THE_DOOR):
        return TicketList.PRIORITY
    if misses >= MISSES_MAX - 1:
        return TicketList.LAST
    if misses or late:
        return TicketList.MISSED
    return TicketList.RETURN if back else TicketList.NORMAL


def order_key(
    letter: TicketList,
    *,
    entered_at: datetime,
    planned_at: datetime | None = None,
    seq_no: int = 0,
    priority: PriorityClass | None = None,
) -> int:
    """The place within its list: N by booked window and number, P by level, all others by entry."""
    if letter is TicketList.NORMAL and planned_at is not None:
        return _microseconds(planned_at) + seq_no
    level = LEVELS[priority] if letter is TicketList.PRIORITY and priority is not None else 0
    return level * LEVEL_STEP + _microseconds(entered_at)


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000 + instant.microsecond


def priority_by_age(age: int) -> PriorityClass | None:
    return PriorityClass.ELDER_80 if age >= ELDER_YEARS else None


def ticket_number(prefix: str, seq: int) -> str:
    return f"{prefix}{seq:03d}"


def prefix_of(rank: int) -> str:
    """The prefix of the zone's `rank`-th queue: A, B ... Z, AA, AB ..."""
    size = len(PREFIX_LETTERS)
    tail = PREFIX_LETTERS[rank % size]
    return tail if rank < size else prefix_of(rank // size - 1) + tail


def pace(known_s: int, newest_s: float) -> int:
    """The moving average of one service. Extremes (a forgotten click) count as the bound."""
    bounded = min(max(newest_s, PACE_SECONDS_MIN), PACE_SECONDS_MAX)
    return round(bounded if known_s == 0 else (1 - PACE_WEIGHT) * known_s + PACE_WEIGHT * bounded)


def wait_range(*, ahead: int, service_s: int, desks: int, busy: int) -> Waiting:
    """From the people called before me and the desks that call; a desk in use is half through.

    The spread of a sum grows with its root, so the range widens more slowly than the wait.
    """
    desks = max(desks, 1)
    middle = (ahead + min(busy, desks) / 2) * service_s / desks
    spread = SERVICE_SPREAD * service_s * math.sqrt(ahead + busy / 4) / desks
    return Waiting(math.floor(middle / 60), math.ceil((middle + P80_DEVIATIONS * spread) / 60))
