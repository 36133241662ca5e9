"""What is looked at while the suite runs, and what was found in it that nobody may read."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec

from app.patients.masking import mask_text
from tests.recording.identifiers import numbers_in

LEAKS_MAX = 200  # a broken mask leaks everywhere: the first ones say it all
SAVE_EVERY = 25


class Place(StrEnum):
    """Where something can leak to."""

    RESPONSES = "responses"
    FRAMES = "frames"
    LOGS = "log lines"
    EVENTS = "rows"  # events, jobs, deliveries and what else is told
    REDIS = "redis commands and keys"


class Leak(msgspec.Struct, frozen=True):
    """`where` is the route and role, stream, table or logger; `hit` is masked: this is printed."""

    place: Place
    where: str
    hit: str
    test: str

    def __str__(self) -> str:
        return f"{self.place}: {self.where}: {self.hit} (in {self.test or 'the end of the run'})"


class Recorder:
    """Counts what it was shown and keeps what leaked; a child's also writes both down for its parent."""

    def __init__(self, file: Path | None = None) -> None:
        self.seen: Counter[str] = Counter()
        self.leaks: list[Leak] = []
        self.names: set[str] = set()  # of patients
        self.logs: set[Path] = set()  # files of child processes, to be read when all is over
        self.file = file
        self.planting = False  # this test shows that a leak is found
        self.planted: set[int] = set()  # what such tests have left behind

    def look(self, place: Place, where: str, raw: bytes, *, names: bool = False, count: int = 1) -> None:
        """At bytes that somebody without the right could read; where `names`, full names leak, too."""
        self.seen[place] += count
        hits = numbers_in(raw)
        if names and self.names:
            hits += self._names_in(raw)
        if hits and self.planting:
            self.planted.add(hash(raw))
        elif hits and hash(raw) not in self.planted:
            for hit in hits:
                self._keep(place, where, hit)
        if self.file is not None and (hits or sum(self.seen.values()) % SAVE_EVERY == 1):
            self.save()

    def learn(self, name: str) -> None:
        """A patient's name; one character is also a word."""
        if len(name) > 1:
            self.names.add(name)

    def _names_in(self, raw: bytes) -> list[str]:
        text = raw.decode(errors="replace")
        if "\\u" in text:
            text = json.dumps(json.loads(text), ensure_ascii=False)
        return [name for name in self.names if name in text]

    def _keep(self, place: Place, where: str, hit: str) -> None:
        shown = mask_text(hit)
        leak = Leak(place, where, shown if shown != hit else f"{hit[:1]}…{hit[-1:]}", _current_test())
        if leak not in self.leaks and len(self.leaks) < LEAKS_MAX:
            self.leaks.append(leak)

    def add(self, seen: dict[str, int], leaks: Iterable[Leak]) -> None:
        """What another process has seen."""
        self.seen.update(seen)
        self.leaks += [leak for leak in leaks if leak not in self.leaks]

    def told(self) -> bytes:
        return msgspec.json.encode(Told(dict(self.seen), self.leaks))

    def save(self) -> None:
        assert self.file is not None
        part = self.file.with_suffix(".part")
        part.write_bytes(self.told())
        part.replace(self.file)


class Told(msgspec.Struct, frozen=True):
    seen: dict[str, int]
    leaks: list[Leak]


def read_told(raw: bytes) -> Told:
    return msgspec.json.decode(raw, type=Told)


def _current_test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "").removesuffix(" (call)")


RECORDER = Recorder()
