"""The interleaving rule with the worked numbers of docs/algorithms/queue.md, and its properties."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.queueing import rules
from app.queueing.rules import Cursor, Waiting, call_order, list_of, next_list, order_key, wait_range
from app.queueing.tables import PriorityClass, TicketList

N, R, M, P, L = (TicketList(letter) for letter in "NRMPL")
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


def test_two_normals_then_one_return() -> None:
    waiting = {N: ["14", "15", "16", "17", "18", "19"], R: ["r1", "r2", "r3"]}
    order = call_order(waiting, Cursor(), "NNR")
    assert order == ["14", "15", "r1", "16", "17", "r2", "18", "19", "r3"]


def test_returns_alone_never_starve() -> None:
    assert call_order({N: [], R: ["r1", "r2", "r3"]}, Cursor(), "NNRM") == ["r1", "r2", "r3"]


def test_late_ones_follow_every_two_normals() -> None:
    waiting = {N: ["a", "b", "c", "d"], M: ["x", "y"]}
    assert call_order(waiting, Cursor(), "NNM") == ["a", "b", "x", "c", "d", "y"]
    assert call_order(waiting, Cursor(), "NNRM") == ["a", "b", "x", "c", "d", "y"]


def test_twice_missed_come_after_everybody() -> None:
    waiting = {L: ["z"], N: ["a"], R: ["r"], M: ["x"], P: ["p"]}
    assert call_order(waiting, Cursor(), "NNRM") == ["p", "a", "r", "x", "z"]


def test_more_returns_than_normals_switch_to_one_to_one() -> None:
    waiting = {N: ["a", "b"], R: ["r1", "r2", "r3"], M: ["x"]}
    assert call_order(waiting, Cursor(), "NNRM") == ["a", "r1", "x", "b", "r2", "r3"]


def test_the_swift_pattern_starts_at_n_and_the_base_cursor_is_resumed() -> None:
    letter, cursor = next_list({N: 5, R: 5}, Cursor(base=1), "NNRM")
    assert (letter, cursor) == (N, Cursor(base=2, swift=-1))
    letter, cursor = next_list({N: 4, R: 5}, cursor, "NNRM")
    assert (letter, cursor) == (N, Cursor(base=2, swift=1))
    letter, cursor = next_list({N: 5, R: 5}, cursor, "NNRM")  # a normal has joined: the base holds again
    assert (letter, cursor) == (R, Cursor(base=3, swift=-1))


def test_absolute_priority_moves_no_cursor() -> None:
    assert next_list({P: 1, N: 3}, Cursor(base=2), "NNRM") == (P, Cursor(base=2))


def test_interleaved_priority_waits_for_its_letter() -> None:
    waiting = {P: ["p"], N: ["a", "b", "c"], R: ["r"]}
    assert call_order(waiting, Cursor(), "NNPRM") == ["a", "b", "p", "r", "c"]


def test_last_moves_no_cursor() -> None:
    assert next_list({L: 2}, Cursor(base=2), "NNRM") == (L, Cursor(base=2))


LISTS = st.fixed_dictionaries({letter: st.integers(0, 12) for letter in (N, R, M)}).map(
    lambda sizes: {letter: [(letter, i) for i in range(size)] for letter, size in sizes.items()}
)
PATTERNS = st.sampled_from(["NNRM", "NNRNNM", "NRM", "NNNRRM"])


@given(LISTS, PATTERNS, st.integers(0, 2))
def test_nobody_overtakes_inside_a_list_and_everybody_is_called(
    waiting: dict[TicketList, list[tuple[TicketList, int]]], pattern: str, start: int
) -> None:
    order = call_order(waiting, Cursor(base=start), pattern)
    assert sorted(order) == sorted(ticket for tickets in waiting.values() for ticket in tickets)
    for letter, tickets in waiting.items():
        assert [ticket for ticket in order if ticket[0] is letter] == tickets


@given(LISTS, PATTERNS, st.integers(0, 2))
def test_the_wait_is_bounded_by_the_place_in_the_list(
    waiting: dict[TicketList, list[tuple[TicketList, int]]], pattern: str, start: int
) -> None:
    """Pattern length times place, and one more pattern where the swift one begins meanwhile."""
    order = call_order(waiting, Cursor(base=start), pattern)
    for calls, (_, place) in enumerate(order, start=1):
        assert calls <= len(pattern) * (place + 1) + len(pattern)


@given(LISTS, st.integers(0, 30))
def test_nobody_moves_back_when_somebody_ahead_leaves(
    waiting: dict[TicketList, list[tuple[TicketList, int]]], leaver: int
) -> None:
    """Without a switch of patterns: normals stay in the majority."""
    waiting = {**waiting, N: [(N, i) for i in range(30)]}
    before = call_order(waiting, Cursor(), "NNRM")
    gone = before[leaver % len(before)]
    fewer = {letter: [t for t in tickets if t != gone] for letter, tickets in waiting.items()}
    after = call_order(fewer, Cursor(), "NNRM")
    me = before[-1]
    if gone != me:
        assert after.index(me) <= before.index(me)


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("NNRM", True), ("NRMP", True), ("NNR", False), ("NNRMX", False), ("", False)],
    ids=["default", "with priority", "no place for the missed", "unknown letter", "empty"],
)
def test_a_pattern_names_every_list(pattern: str, fits: bool) -> None:
    assert rules.pattern_fits(pattern) is fits


@pytest.mark.parametrize(
    ("asked", "letter"),
    [
        ({}, N),
        ({"late": True}, M),
        ({"back": True}, R),
        ({"misses": 1}, M),
        ({"misses": 2}, L),
        ({"misses": 3}, L),
        ({"priority": PriorityClass.ELDER_80}, P),
        ({"priority": PriorityClass.ELDER_80, "late": True}, P),
        ({"priority": PriorityClass.ELDER_80, "misses": 1}, M),
        ({"priority": PriorityClass.EMERGENCY, "misses": 1}, P),
    ],
    ids=[
        "first visit",
        "late",
        "back with results",
        "missed once",
        "missed twice",
        "readmitted by the desk",
        "eighty",
        "eighty and late stays first",
        "eighty after a miss",
        "emergency after a miss",
    ],
)
def test_where_a_ticket_stands(asked: dict[str, object], letter: TicketList) -> None:
    values: dict[str, object] = {"priority": None, **asked}
    assert list_of(**values) is letter  # type: ignore[arg-type] - the cases name its parameters


def test_normals_are_ordered_by_window_then_number_others_by_entry() -> None:
    early, late = NOON, NOON + timedelta(minutes=30)
    first = order_key(N, entered_at=late, planned_at=early, seq_no=1)
    second = order_key(N, entered_at=early, planned_at=early, seq_no=2)
    third = order_key(N, entered_at=early, planned_at=late, seq_no=3)
    assert first < second < third
    assert order_key(M, entered_at=early, planned_at=late) < order_key(M, entered_at=late, planned_at=early)


def test_priority_is_ordered_by_level_then_entry() -> None:
    elder = order_key(P, entered_at=NOON, priority=PriorityClass.ELDER_80)
    soldier = order_key(P, entered_at=NOON + timedelta(minutes=1), priority=PriorityClass.MILITARY)
    emergency = order_key(P, entered_at=NOON + timedelta(hours=5), priority=PriorityClass.EMERGENCY)
    assert emergency < elder < soldier


def test_age_gives_priority_from_eighty() -> None:
    assert rules.priority_by_age(79) is None
    assert rules.priority_by_age(80) is PriorityClass.ELDER_80


def test_numbers_and_prefixes_read_well() -> None:
    assert rules.ticket_number("A", 12) == "A012"
    assert [rules.prefix_of(i) for i in (0, 8, 23, 24, 25, 48)] == ["A", "J", "Z", "AA", "AB", "BA"]


def test_the_pace_follows_slowly_and_ignores_forgotten_clicks() -> None:
    assert rules.pace(0, 300) == 300
    assert rules.pace(600, 300) == 540
    assert rules.pace(600, 1) == 486
    assert rules.pace(600, 99_999) == 1200


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ahead": 0, "service_s": 600, "desks": 1, "busy": 0}, Waiting(0, 0)),
        ({"ahead": 0, "service_s": 600, "desks": 1, "busy": 1}, Waiting(5, 8)),
        ({"ahead": 4, "service_s": 600, "desks": 1, "busy": 1}, Waiting(45, 54)),
        ({"ahead": 4, "service_s": 600, "desks": 2, "busy": 2}, Waiting(25, 30)),
        ({"ahead": 4, "service_s": 600, "desks": 0, "busy": 0}, Waiting(40, 49)),
    ],
    ids=["nobody before me", "one inside", "four before me", "two desks", "no desk yet counts as one"],
)
def test_the_wait_is_a_range(asked: dict[str, int], expected: Waiting) -> None:
    assert wait_range(**asked) == expected


@given(st.integers(0, 100), st.integers(60, 1800), st.integers(1, 5), st.integers(0, 5))
def test_the_wait_never_rises_when_somebody_ahead_leaves(ahead: int, s: int, desks: int, busy: int) -> None:
    more = wait_range(ahead=ahead + 1, service_s=s, desks=desks, busy=busy)
    less = wait_range(ahead=ahead, service_s=s, desks=desks, busy=busy)
    assert less.low <= more.low
    assert less.high <= more.high
