"""Token buckets: the rate in the long run, the burst at once, and bounded memory."""

import pytest

from app.edge.buckets import Buckets, Demand, Rate

RATE = Rate(per_minute=60, burst=5)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def buckets(clock: Clock) -> Buckets:
    return Buckets(now=clock)


def passed(buckets: Buckets, times: int, key: str = "a") -> int:
    return sum(buckets.take([Demand(key, RATE)]) == 0 for _ in range(times))


def test_a_burst_passes_at_once_and_then_the_rate(buckets: Buckets, clock: Clock) -> None:
    assert passed(buckets, 20) == 5
    assert buckets.take([Demand("a", RATE)]) == pytest.approx(1.0)
    clock.seconds += 1.0
    assert passed(buckets, 20) == 1
    clock.seconds += 3600
    assert passed(buckets, 20) == 5


def test_hammering_for_an_hour_gets_the_policy_and_not_one_more(buckets: Buckets, clock: Clock) -> None:
    through = 0
    for _ in range(36_000):
        clock.seconds += 0.1
        through += passed(buckets, 1)
    assert 3600 <= through <= 3600 + RATE.burst


def test_one_key_does_not_pay_for_another(buckets: Buckets) -> None:
    assert passed(buckets, 20, "a") == 5
    assert passed(buckets, 20, "b") == 5


def test_all_of_a_requests_buckets_give_or_none(buckets: Buckets) -> None:
    assert passed(buckets, 5, "empty") == 5
    for _ in range(10):
        assert buckets.take([Demand("full", RATE), Demand("empty", RATE)]) > 0
    assert passed(buckets, 20, "full") == 5


def test_keys_are_bounded_and_the_longest_unused_goes_first(clock: Clock) -> None:
    buckets = Buckets(keys_max=100, now=clock)
    assert passed(buckets, 20, "busy") == 5
    for n in range(1000):
        clock.seconds += 1.0
        buckets.take([Demand(n, RATE)])
        assert passed(buckets, 1, "busy") == 1
    assert len(buckets.full_at) == 100
    assert "busy" in buckets.full_at


def test_a_factor_widens_both_figures() -> None:
    assert RATE.times(20) == Rate(1200, 100)
    assert RATE.times(0.01).burst == 1
