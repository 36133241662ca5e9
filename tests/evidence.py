"""What a long test found, as one dated file: docs/evidence/YYYY-MM-DD-name.json."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.kernel import clock

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "evidence"


@contextmanager
def evidence(name: str, what: str) -> Iterator[dict[str, Any]]:
    """Yields the numbers to fill. The file is written when the block passes; a later run of the day wins."""
    numbers: dict[str, Any] = {}
    began, at = time.monotonic(), clock.wall()
    yield numbers
    told = {
        "name": name,
        "what": what,
        "at": at.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 1),
        "numbers": numbers,
        "machine": {"cores": os.cpu_count(), "load_1m": round(os.getloadavg()[0], 1)},
        "commit": commit(),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (FOLDER / f"{at:%Y-%m-%d}-{name}.json").write_text(text, encoding="utf-8")


def commit() -> str | None:
    """The checked-out commit, with a plus where files have changed since; None outside a checkout."""
    words = ["git", "describe", "--always", "--exclude=*", "--dirty=+"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or None


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """How long it took: the usual case, the bad cases and the worst, in seconds."""
    ordered = sorted(seconds)
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    last = len(ordered) - 1
    return {name: round(ordered[round(place * last)], 3) for name, place in places.items()}
