"""Token buckets in this process: one number per key, bounded, and all of a request's buckets or none."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import msgspec

KEYS_MAX = 50_000  # some 10 MB; the longest unused is forgotten first


class Rate(msgspec.Struct, frozen=True):
    """So many in a minute in the long run, and so many at once."""

    per_minute: float
    burst: int

    @property
    def interval_s(self) -> float:
        """Seconds until one more may pass."""
        return 60.0 / self.per_minute

    @property
    def tolerance_s(self) -> float:
        """How far ahead of its time a key may run."""
        return self.interval_s * (self.burst - 1)

    def times(self, factor: float) -> "Rate":
        if factor == 1:
            return self
        return Rate(self.per_minute * factor, max(1, round(self.burst * factor)))


class Demand(msgspec.Struct, frozen=True):
    """One bucket that a request wants a token of."""

    key: Hashable
    rate: Rate


class Buckets:
    """The generic cell rate algorithm: a key's only figure is when its bucket will be full again."""

    def __init__(self, keys_max: int = KEYS_MAX, now: Callable[[], float] = time.monotonic) -> None:
        self.full_at: OrderedDict[Hashable, float] = OrderedDict()
        self.keys_max = keys_max
        self.now = now

    def take(self, demands: Sequence[Demand]) -> float:
        """0.0 when every bucket gave its token; else nothing was taken, and the seconds to wait."""
        now = self.now()
        wait = 0.0
        for demand in demands:
            ahead = self.full_at.get(demand.key, now) - now
            wait = max(wait, ahead - demand.rate.tolerance_s)
        if wait > 0:
            return wait
        for demand in demands:
            self.full_at[demand.key] = max(self.full_at.get(demand.key, now), now) + demand.rate.interval_s
            self.full_at.move_to_end(demand.key)
        while len(self.full_at) > self.keys_max:
            self.full_at.popitem(last=False)
        return 0.0

    def forget(self) -> None:
        self.full_at.clear()
