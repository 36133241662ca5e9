"""Money is integer fen. Unit prices are integer millionths of a yuan, quantities have four decimals."""

from decimal import ROUND_HALF_UP, Decimal

MICRO_YUAN_PER_FEN = 10_000


def line_amount_fen(*, unit_price_micro_yuan: int, quantity: Decimal) -> int:
    """The amount of one line in fen: rounded once, half up (away from zero for returns)."""
    exact = Decimal(unit_price_micro_yuan) * quantity / MICRO_YUAN_PER_FEN
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def yuan(amount_fen: int) -> str:
    """Fen as a yuan string with two decimals: 12850 -> "128.50". What Alipay and receipts speak."""
    sign = "-" if amount_fen < 0 else ""
    whole, cents = divmod(abs(amount_fen), 100)
    return f"{sign}{whole}.{cents:02d}"


def fen(amount_yuan: str) -> int:
    """A yuan string as fen, exact: more than two decimals is a ValueError, never a rounding."""
    exact = Decimal(amount_yuan) * 100
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"not an amount in whole fen: {amount_yuan!r}")
    return int(exact)
