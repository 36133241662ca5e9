"""Runs the real supervisor over stand-ins: `... [FIRST] [SERVICES] [BESIDE] [EARLY]`."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from app.kernel.settings import settings
from app.launch import supervisor
from app.launch.plan import Plan, Task
from app.launch.refusals import CannotStart

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def tasks(names: str) -> tuple[Task, ...]:
    wanted = [name for name in names.split(",") if name]
    return tuple(Task(name, f"替身 {name}", (sys.executable, STAND_IN, name)) for name in wanted)


def signal_after_fork(number: int) -> None:
    """Interrupts us in the callback that Python runs after our `number`th fork."""
    forks = count(1)

    def after_fork() -> None:
        if next(forks) == number:
            signal.raise_signal(signal.SIGINT)

    os.register_at_fork(after_in_parent=after_fork)


def main() -> None:
    signal_after_fork(int(os.environ.get("SIGNAL_AFTER_FORK", "0")))
    first, services, beside, early = [*sys.argv[1:], "", "", "", ""][:4]
    plan = Plan(
        beside=tasks(beside),
        early=tasks(early),
        first=tasks(first or "done"),
        services=tasks(services or "sleeper,serve"),
    )
    try:
        supervisor.run(plan, settings())
    except CannotStart as refusal:
        sys.exit(f"jiuyi: {refusal}")


if __name__ == "__main__":
    main()
