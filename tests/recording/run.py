"""One recorder for one run: shown at its end, summed over the workers, and a leak fails the run."""

import asyncio
from typing import Any

import pytest

from tests.recording.recorder import RECORDER, Place, read_told
from tests.recording.resting import look_at_database

OUTPUT = "recording"


def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of xdist has ended: what it saw counts here."""
    if OUTPUT in getattr(node, "workeroutput", {}):
        told = read_told(node.workeroutput[OUTPUT])
        RECORDER.add(told.seen, told.leaks)


def pytest_runtest_setup(item: pytest.Item) -> None:
    RECORDER.planting = item.get_closest_marker("plants") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What a planting test leaves in its module's database is known when the module ends."""
    left_in = getattr(item, "funcargs", {}).get("database_url")
    if RECORDER.planting and left_in is not None:
        asyncio.run(look_at_database(RECORDER, left_in))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker[OUTPUT] = RECORDER.told()
    elif RECORDER.leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    seen = ", ".join(f"{RECORDER.seen[place]} {place}" for place in Place)
    terminalreporter.write_line(f"recorded: {seen}; {len(RECORDER.leaks)} identifiers leaked")
    for leak in RECORDER.leaks:
        terminalreporter.write_line(f"LEAKED {leak}", red=True)
