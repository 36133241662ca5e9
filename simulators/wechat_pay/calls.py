"""One call of the merchant's, on its way to the room that answers it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from simulators.wechat_pay.refusals import param_error

FIELD = re.compile(r"(?P<issue>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)

T = TypeVar("T")


class Call(NamedTuple):
    body: bytes
    path: Mapping[str, str]
    query: Mapping[str, str]
    signer: str  # the platform key the client wants to hear
    client: str  # its User-Agent
    now: datetime  # business time
    named_key: str = ""  # the platform key its header names, and sensitive fields are sealed under
    base_url: str = ""  # as the client reached us: what links begin with


class Reply(NamedTuple):
    status: int
    content: dict[str, Any] | None = None
    raw: bytes | None = None  # a file, which the platform does not sign


def parse(body: bytes, kind: type[T]) -> T:
    """The body as this Struct, or PARAM_ERROR with the place that is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:  # ValidationError is one of them
        found = FIELD.match(str(error))
        path = (found["path"] or "") if found else ""
        issue = found["issue"] if found else str(error)
        raise param_error("/" + path.strip(".").replace(".", "/"), issue) from error


def canonical(body: bytes, **more: str) -> str:
    """The same text for the same parameters, whatever their order: what a repeat must equal."""
    asked = {**msgspec.json.decode(body, type=dict[str, Any]), **more}
    return msgspec.json.encode(asked, order="sorted").decode()
