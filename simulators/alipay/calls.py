"""One call of the merchant's, on its way to the room that answers it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from simulators.alipay.refusals import bad_parameter

TEXT_MAX = {"out_trade_no": 64, "subject": 256, "out_request_no": 64, "passback_params": 512}


class Call(NamedTuple):
    params: Mapping[str, str]  # the common parameters
    content: Mapping[str, Any]  # biz_content
    now: datetime  # business time
    base_url: str = ""  # as the client reached us: what links begin with


def biz_content(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise bad_parameter("biz_content 不是 JSON 对象") from error


def text_of(call: Call, name: str) -> str:
    """A text of biz_content; empty when absent."""
    value = call.content.get(name, "")
    if not isinstance(value, str) or len(value) > TEXT_MAX.get(name, 512):
        raise bad_parameter(name)
    return value


def needed(call: Call, name: str) -> str:
    value = text_of(call, name)
    if not value:
        raise bad_parameter(f"{name} 不能为空")
    return value


def canonical(call: Call) -> str:
    """The same text for the same order, whatever the order of its parameters."""
    asked = {**call.content, "notify_url": call.params.get("notify_url", "")}
    return msgspec.json.encode(asked, order="sorted").decode()
