"""The forms of fields: how long, whether needed, what kind; every refusal names the field.

Lengths count characters and follow the national interface specification as public clients transcribe it.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from app.kernel.clock import LOCAL
from simulators.insurance_bureau.refusals import ill_formed
from simulators.store import loaded

SECOND = "%Y-%m-%d %H:%M:%S"
DAY = "%Y-%m-%d"
ROWS_MAX = 200


class Kind(Enum):
    TEXT = "字符型"
    DIGITS = "数字"
    SECOND = "日期时间型 yyyy-MM-dd HH:mm:ss"
    DAY = "日期型 yyyy-MM-dd"
    COUNT = "数值型"


class Field(NamedTuple):
    name: str
    label: str
    longest: int
    needed: bool = True
    kind: Kind = Kind.TEXT
    allowed: tuple[str, ...] = ()


def checked(values: Mapping[str, Any], fields: Sequence[Field]) -> dict[str, str]:
    """The fields as texts, absent ones empty; unknown fields pass unread."""
    return {field.name: _checked(values.get(field.name), field) for field in fields}


def node(message: Mapping[str, Any], name: str, fields: Sequence[Field]) -> dict[str, str]:
    """A node of the input with one row."""
    found = message.get(name)
    if not isinstance(found, dict):
        raise ill_formed(name, "输入节点缺失或不是对象")
    return checked(found, fields)


def rows(message: Mapping[str, Any], name: str, fields: Sequence[Field]) -> list[dict[str, str]]:
    """A node of the input with one or many rows; a single object stands for one row."""
    found = message.get(name)
    listed = [found] if isinstance(found, dict) else found
    if not isinstance(listed, list) or not listed:
        raise ill_formed(name, "输入节点缺失或为空")
    if len(listed) > ROWS_MAX:
        raise ill_formed(name, f"一次最多 {ROWS_MAX} 行")
    if not all(isinstance(row, dict) for row in listed):
        raise ill_formed(name, "每一行须是对象")
    return [checked(row, fields) for row in listed]


def second(text: str) -> datetime:
    """A checked time of the platform, which is always Beijing time."""
    return datetime.strptime(text, SECOND).replace(tzinfo=LOCAL)


def written(instant: datetime | str) -> str:
    """An instant as the platform writes it: Beijing time, to the second."""
    at = loaded(instant) if isinstance(instant, str) else instant
    return at.astimezone(LOCAL).strftime(SECOND)


def yuan(amount_fen: int) -> Decimal:
    """An amount as the platform writes it: a number with two decimals."""
    return Decimal(amount_fen).scaleb(-2)


def _checked(value: Any, field: Field) -> str:
    text = _text(value, field)
    if not text:
        if field.needed:
            raise ill_formed(field.name, f"{field.label}不能为空")
        return ""
    if len(text) > field.longest:
        raise ill_formed(field.name, f"{field.label}长度不能超过 {field.longest}")
    if not _fits(text, field.kind):
        raise ill_formed(field.name, f"{field.label}格式不正确，须为{field.kind.value}")
    if field.allowed and text not in field.allowed:
        raise ill_formed(field.name, f"{field.label}须为 {'、'.join(field.allowed)} 之一")
    return text


def _text(value: Any, field: Field) -> str:
    """JSON numbers are as good as texts; anything else is neither."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ill_formed(field.name, f"{field.label}须为{field.kind.value}")
    return str(value)


def _fits(text: str, kind: Kind) -> bool:
    if kind in (Kind.DIGITS, Kind.COUNT):
        return text.isascii() and text.isdigit()
    try:
        match kind:
            case Kind.SECOND:
                return written(second(text)) == text
            case Kind.DAY:
                return date.fromisoformat(text).isoformat() == text
            case _:
                return True
    except ValueError:
        return False
