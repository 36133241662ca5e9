"""How Alipay writes things: yuan, local time, sign content, JSON."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.kernel.clock import LOCAL
from simulators.alipay.refusals import bad_parameter
from simulators.wording import STAMP

YUAN = re.compile(r"\d{1,9}(\.\d{1,2})?\Z")
SPAN = re.compile(r"([1-9]\d{0,5})([mhd])\Z")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def sign_content(params: Mapping[str, str], *, without: tuple[str, ...]) -> str:
    """Non-empty parameters sorted by name, values as they are, joined like a query."""
    return "&".join(f"{k}={v}" for k, v in sorted(params.items()) if v and k not in without)


def rendered(content: Mapping[str, Any]) -> str:
    """JSON as the gateway writes it: Chinese as it is, slashes escaped."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/")


def fen(amount: Any, name: str) -> int:
    """Yuan as text (or a JSON number, which the gateway also takes), never a fraction of a fen."""
    text = str(amount)
    if isinstance(amount, bool) or not YUAN.match(text):
        raise bad_parameter(f"{name} 须为两位小数以内的元")
    whole, _, cents = text.partition(".")
    amount_fen = int(whole) * 100 + int(cents.ljust(2, "0"))
    if amount_fen == 0:
        raise bad_parameter(f"{name} 须大于零")
    return amount_fen


def from_local(text: str) -> datetime:
    """A time of the gateway's, which is always Beijing time."""
    return datetime.strptime(text, STAMP).replace(tzinfo=LOCAL)


def span(text: str, name: str) -> timedelta:
    found = SPAN.match(text)
    if found is None:
        raise bad_parameter(f"{name} 须形如 90m、2h、1d")
    return int(found[1]) * UNITS[found[2]]
