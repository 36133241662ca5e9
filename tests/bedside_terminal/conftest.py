"""The hospital that can be paid, for top-ups at the bed."""

from tests.billing.conftest import hospital, platforms

__all__ = ["hospital", "platforms"]
