"""Amounts, prices and quantities as the platform writes them: decimal yuan, never binary fractions."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from app.kernel.money import fen
from simulators.insurance_bureau.refusals import ill_formed

DIGITS_MAX = 12  # before the point, of numbers of type (16,4): more is a client's mistake


def amount_fen(values: Mapping[str, str], name: str) -> int:
    """A field of type (16,2) in fen; absent is 0."""
    try:
        found = fen(values[name] or "0")
    except (ValueError, InvalidOperation) as error:
        raise ill_formed(name, "须为金额，最多两位小数") from error
    if abs(found) >= 10 ** (DIGITS_MAX + 2):
        raise ill_formed(name, "金额超出范围")
    return found


def decimal(values: Mapping[str, str], name: str, *, places: int) -> Decimal:
    """A number with at most so many decimals, such as cnt (16,4) or pric (16,6)."""
    try:
        found = Decimal(values[name])
    except InvalidOperation as error:
        raise ill_formed(name, "须为数值") from error
    if not found.is_finite() or found != round(found, places) or abs(found) >= 10**DIGITS_MAX:
        raise ill_formed(name, f"须为数值，最多 {places} 位小数")
    return found
