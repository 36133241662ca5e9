"""Looking until something is there: the simulators' loops look around twice a second."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from app.kernel.clock import wall

WAIT_S = 5.0
LOOK_EVERY_S = 0.05

T = TypeVar("T")


def eventually(look: Callable[[], T | None]) -> T:
    """What `look` finds, once it finds something."""
    deadline = wall() + timedelta(seconds=WAIT_S)
    while not (found := look()):
        assert wall() < deadline, "it never came"
        threading.Event().wait(LOOK_EVERY_S)
    return found
