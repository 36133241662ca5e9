"""Which window serves whom, and what must be confirmed before drugs leave the house."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import msgspec

from app.pharmacy.tables import Check4


class WindowLoad(msgspec.Struct, frozen=True, kw_only=True):
    """An open window, how many prescriptions wait there, and whether one is this patient's."""

    window_id: UUID
    name: str
    waiting: int
    has_patient: bool


def window_for(windows: Sequence[WindowLoad]) -> WindowLoad | None:
    """The window where the patient is waited for already, else the least loaded, by name where equal."""
    return min(windows, key=lambda w: (not w.has_patient, w.waiting, w.name), default=None)


def unchecked(checks: Iterable[Check4]) -> set[Check4]:
    return set(Check4) - set(checks)


def is_expired(expires_on: date, *, today: date) -> bool:
    """A package is good through the day it names."""
    return expires_on < today
