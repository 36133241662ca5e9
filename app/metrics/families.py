"""Figures on their way between processes, and as Prometheus reads them."""

from collections.abc import Iterable, Iterator

import msgspec
from prometheus_client import REGISTRY, Metric, generate_latest
from prometheus_client.registry import Collector

from app.metrics.pool import pool_figures

PROCESS = "process"  # the label that tells whose own figure it is, such as `serve-0`


class Sample(msgspec.Struct, frozen=True, array_like=True):
    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with its samples, as one process knows them."""

    name: str
    type: str
    about: str
    samples: list[Sample]


def own_families(process: str) -> list[Family]:
    """What this process counts itself. When a counter was born is nobody's question here."""
    return [
        Family(
            metric.name,
            metric.type,
            metric.documentation,
            [
                Sample(sample.name, {**sample.labels, PROCESS: process}, sample.value)
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ],
        )
        for metric in (*REGISTRY.collect(), pool_figures())
    ]


def rendered(families: Iterable[Family]) -> bytes:
    """The text of a scrape. Figures of the same name from several processes stand together, as they must."""
    return generate_latest(_Together(families))


class _Together(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self.families = families

    def collect(self) -> Iterator[Metric]:
        metrics: dict[str, Metric] = {}
        for family in self.families:
            metric = metrics.setdefault(family.name, Metric(family.name, family.about, family.type))
            for sample in family.samples:
                metric.add_sample(sample.name, sample.labels, sample.value)
        yield from metrics.values()
