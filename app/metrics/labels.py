"""How many different values a label may take: a metric is a table in the memory of two machines."""

from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

M = TypeVar("M", Counter, Gauge, Histogram)

OTHER = "other"
ROUTES_MAX = 600  # times methods: what a house of some 300 routes needs, doubled
CODES_MAX = 400  # stable codes of refusals


class Bounded(Generic[M]):
    """A metric's children by their label values. Beyond `most` the new ones are counted together."""

    def __init__(self, metric: M, *, most: int) -> None:
        self.metric = metric
        self.most = most
        self.children: dict[tuple[str, ...], M] = {}

    def of(self, *values: str) -> M:
        child = self.children.get(values)
        if child is not None:
            return child
        if len(self.children) >= self.most:
            return self.metric.labels(*(OTHER for _ in values))
        child = self.children[values] = self.metric.labels(*values)
        return child
