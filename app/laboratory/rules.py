"""Ranges, marks and barcodes: docs/algorithms/laboratory.md in code."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec

from app.kernel.clock import local_day
from app.laboratory.tables import QcState, ResultFlag

BOTH_SEXES = "0"
BARCODE_DIGITS = 11  # before the check digit
BAR_LEFT, BAR_RIGHT = Decimal("-0.5"), Decimal("1.5")
THIN_SPACE = "\u2009"
VALUE_LETTERS_MAX = 40


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a value is judged by. None: no such limit."""

    low: Decimal | None = None
    high: Decimal | None = None
    critical_low: Decimal | None = None
    critical_high: Decimal | None = None


class Reference(Protocol):
    """A range of the catalog for one sex (0: both) and ages in days, from inclusive to exclusive."""

    @property
    def sex(self) -> str: ...
    @property
    def age_days_from(self) -> int: ...
    @property
    def age_days_below(self) -> int: ...


R = TypeVar("R", bound=Reference)


class Tube(msgspec.Struct, frozen=True):
    """What decides whether two orders share a tube."""

    specimen_kind: str
    container: str


class Mark(msgspec.Struct, frozen=True):
    """A flag for a person: always a word, and an arrow beside it."""

    word: str
    arrow: str

    @property
    def text(self) -> str:
        return f"{self.word} {self.arrow}".strip()


MARKS = {
    ResultFlag.NORMAL: Mark("正常", ""),
    ResultFlag.HIGH: Mark("偏高", "↑"),
    ResultFlag.LOW: Mark("偏低", "↓"),
    ResultFlag.CRITICAL_HIGH: Mark("危急", "↑↑"),
    ResultFlag.CRITICAL_LOW: Mark("危急", "↓↓"),
}
CRITICAL = {ResultFlag.CRITICAL_HIGH, ResultFlag.CRITICAL_LOW}


def tubes(orders: Iterable[tuple[UUID, Tube]]) -> dict[Tube, list[UUID]]:
    """The orders of a visit by the tube they share, in the order in which they were written."""
    shared: dict[Tube, list[UUID]] = {}
    for order_id, tube in orders:
        shared.setdefault(tube, []).append(order_id)
    return shared


def barcode(number: int) -> str:
    """Twelve digits, the last of which a wrongly read one betrays (GS1 weights 3 and 1 from the right)."""
    digits = f"{number:0{BARCODE_DIGITS}d}"
    assert len(digits) == BARCODE_DIGITS
    total = sum(int(digit) * (3 if i % 2 == 0 else 1) for i, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def age_days(born_on: date, *, at: datetime) -> int:
    """Whole days lived on the hospital's calendar; the day of birth is day 0."""
    return max((local_day(at) - born_on).days, 0)


def reference_for(references: Sequence[R], *, sex: str, days: int) -> R | None:
    """The range of this sex and age; one for both sexes counts where the sex has none of its own."""
    fitting = [r for r in references if r.age_days_from <= days < r.age_days_below]
    own = [r for r in fitting if r.sex == sex]
    return next(iter(own or [r for r in fitting if r.sex == BOTH_SEXES]), None)


def number_in(value: str) -> Decimal | None:
    """The number in "5.60" or "<0.01"; None where the value is a word."""
    try:
        number = Decimal(value.strip().lstrip("<>≤≥").strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def flag_of(number: Decimal | None, limits: Limits) -> ResultFlag:
    """A value on a limit is inside it, for the range and for the critical limits alike."""
    if number is None:
        return ResultFlag.NORMAL
    if _below(number, limits.critical_low):
        return ResultFlag.CRITICAL_LOW
    if _above(number, limits.critical_high):
        return ResultFlag.CRITICAL_HIGH
    if _below(number, limits.low):
        return ResultFlag.LOW
    return ResultFlag.HIGH if _above(number, limits.high) else ResultFlag.NORMAL


def _below(number: Decimal, limit: Decimal | None) -> bool:
    return limit is not None and number < limit


def _above(number: Decimal, limit: Decimal | None) -> bool:
    return limit is not None and number > limit


def plain(number: Decimal) -> str:
    """A number as people write it: 9.50 as "9.50", 1E+2 as "100"."""
    return f"{number:f}"


def reference_text(limits: Limits, unit: str) -> str:
    """ "3.5–9.5 10^9/L", "≤ 5.0 mg/L", or nothing where there is no range."""
    if limits.low is not None and limits.high is not None:
        text = f"{plain(limits.low)}–{plain(limits.high)}"
    elif limits.high is not None:
        text = f"≤{THIN_SPACE}{plain(limits.high)}"
    elif limits.low is not None:
        text = f"≥{THIN_SPACE}{plain(limits.low)}"
    else:
        return ""
    return f"{text}{THIN_SPACE}{unit}" if unit else text


def bar_position(number: Decimal | None, limits: Limits) -> float | None:
    """Where the point stands on the bar: 0 at the low limit, 1 at the high one, never off the bar.

    Where only the high limit is known the bar starts at nothing; where no high limit is, there is no bar.
    """
    low = limits.low if limits.low is not None else Decimal(0)
    if number is None or limits.high is None or limits.high <= low:
        return None
    at = (number - low) / (limits.high - low)
    return round(float(min(max(at, BAR_LEFT), BAR_RIGHT)), 3)


def missing_tests(asked: Iterable[str], answered: Iterable[str]) -> set[str]:
    return set(asked) - set(answered)


def qc_allows(states: Iterable[QcState]) -> bool:
    """`none` passes: not every test is controlled every day. `out` never does."""
    return QcState.OUT not in set(states)
