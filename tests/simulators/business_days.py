"""Moving the simulators' business clock by days, for tests of what platforms do once a day."""

from datetime import date, datetime, time, timedelta
from typing import Any

from app.kernel.clock import LOCAL, local_day, wall
from tests.simulators.conftest import Simulators


def today(simulators: Simulators) -> date:
    return local_day(wall() + simulators.clock.offset)


def move_to(simulators: Simulators, day: date, hour: int = 0, minute: int = 0) -> None:
    """Business time becomes this moment of this Beijing day."""
    wanted = datetime.combine(day, time(hour, minute), tzinfo=LOCAL)
    by = wanted - (wall() + simulators.clock.offset)
    assert by > timedelta(0), "the clock goes forward"
    simulators.clock.offset += by


def a_new_day(simulators: Simulators, hour: int = 10) -> date:
    """A day on which nothing has happened yet."""
    day = today(simulators) + timedelta(days=1)
    move_to(simulators, day, hour)
    return day


def totals(simulators: Simulators, name: str, day: date) -> dict[str, Any]:
    return simulators.control(name, "GET", f"/days/{day}")


def close(simulators: Simulators, name: str, day: date) -> dict[str, Any]:
    return simulators.control(name, "POST", f"/days/{day}/close")


def fen(yuan: str) -> int:
    """Yuan as text, to fen; refuses what is no whole fen."""
    whole, _, cents = yuan.lstrip("-").partition(".")
    assert not cents[2:].strip("0"), f"{yuan} is no whole fen"
    amount = int(whole) * 100 + int(cents[:2].ljust(2, "0"))
    return -amount if yuan.startswith("-") else amount
