"""The time of login tests goes on as ever, but begins with a step, so that none crosses into the next."""

from datetime import timedelta

import pytest

from app.identity.totp import STEP_SECONDS
from app.kernel import clock


@pytest.fixture(autouse=True)
def _early_in_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    real = clock.wall
    ahead = timedelta(seconds=STEP_SECONDS - real().timestamp() % STEP_SECONDS)
    monkeypatch.setattr(clock, "wall", lambda: real() + ahead)
