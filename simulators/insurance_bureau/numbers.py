"""Amounts, prices and quantities as the platform writes them: decimal yuan, never binary fractions."""

import re
from collections.abc import Mapping
from decimal import Decimal

from app.kernel.money import fen
from simulators.insurance_bureau.refusals import ill_formed

PLAIN = re.compile(r"-?\d{1,12}(\.\d{1,12})?\Z", re.ASCII)  # no exponents: "1E9" is a client's mistake


def amount_fen(values: Mapping[str, str], name: str) -> int:
    """A field of type (16,2) in fen; absent is 0."""
    try:
        return exact_fen(values[name] or "0")
    except ValueError as error:
        raise ill_formed(name, "须为金额，最多两位小数") from error


def exact_fen(text: str) -> int:
    """Plain decimal yuan in fen; anything else is a ValueError."""
    if not PLAIN.match(text):
        raise ValueError("not a plain decimal number")
    return fen(text)


def decimal(values: Mapping[str, str], name: str, *, places: int) -> Decimal:
    """A number with at most so many decimals, such as cnt (16,4) or pric (16,6)."""
    if not PLAIN.match(values[name]):
        raise ill_formed(name, "须为数值")
    found = Decimal(values[name])
    if found != round(found, places):
        raise ill_formed(name, f"最多 {places} 位小数")
    return found
