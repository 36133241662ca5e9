"""How Chinese platforms write money and time in files and messages."""

from datetime import datetime

from app.kernel.clock import LOCAL
from simulators.store import loaded

STAMP = "%Y-%m-%d %H:%M:%S"


def yuan(amount_fen: int) -> str:
    """Yuan with two decimals: -5 fen is -0.05."""
    sign, fen = ("-" if amount_fen < 0 else ""), abs(amount_fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def local(instant: datetime | str) -> str:
    """An instant, or a stored one, in Beijing time."""
    at = loaded(instant) if isinstance(instant, str) else instant
    return at.astimezone(LOCAL).strftime(STAMP)
