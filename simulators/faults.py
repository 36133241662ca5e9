"""What can go wrong between a platform and its client, by name: armed by the control API."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec
from litestar import Request, Response

from simulators.serving import hang_up


class Part(StrEnum):
    REPLY = "reply"  # the answer to a client's call
    OUTBOX = "outbox"  # a notification before its first delivery
    NOTICE = "notice"  # one delivery of a notification
    COURSE = "course"  # what becomes of an accepted refund
    LOGIN = "login"  # whether somebody may enter the mini-program
    CHARGING = "charging"  # a payment code being charged
    CLOSING = "closing"  # an unpaid order being closed
    SETTLING = "settling"  # insurance and cash paid with one password
    CANCELLING = "cancelling"  # an order being cancelled or reversed
    BILL = "bill"  # what a day's bill says
    BILL_LINK = "bill_link"  # the answer to asking for a bill
    BILL_FILE = "bill_file"  # one download of a bill


class Moment(StrEnum):
    BEFORE = "before"  # nothing has happened yet
    AFTER = "after"  # the call has taken effect


class Act(StrEnum):
    HANG_UP = "hang_up"  # the connection ends without a reply
    WAIT = "wait"
    ERROR = "error"  # the platform's own "system error, outcome unknown"
    BUSY = "busy"  # the platform's own "too many requests"
    UNAVAILABLE = "unavailable"  # a proxy's page instead of the platform's answer
    MANGLE = "mangle"  # the message itself is wrong; the fault's name says how


class Fault(msgspec.Struct, frozen=True):
    name: str
    part: Part
    help: str
    act: Act = Act.MANGLE
    moment: Moment = Moment.AFTER


class Armed(msgspec.Struct, kw_only=True):
    id: int
    name: str
    endpoint: str = ""  # empty: any
    reference: str = ""  # text that must occur in the call or notification; empty: any
    times: int = 1
    seconds: float = 12.0  # longer than the 10 s a client waits


COMMON = (
    Fault("lose_request", Part.REPLY, "连接断开，请求未执行", Act.HANG_UP, Moment.BEFORE),
    Fault("lose_reply", Part.REPLY, "请求已执行，应答丢失", Act.HANG_UP),
    Fault("error_before", Part.REPLY, "未执行，应答系统错误", Act.ERROR, Moment.BEFORE),
    Fault("error_after", Part.REPLY, "已执行，应答系统错误", Act.ERROR),
    Fault("unavailable_before", Part.REPLY, "未执行，应答 502", Act.UNAVAILABLE, Moment.BEFORE),
    Fault("unavailable_after", Part.REPLY, "已执行，应答 502", Act.UNAVAILABLE),
    Fault("busy", Part.REPLY, "未执行，应答频率限制", Act.BUSY, Moment.BEFORE),
    Fault("delay_before", Part.REPLY, "等待若干秒后才执行", Act.WAIT, Moment.BEFORE),
    Fault("delay_after", Part.REPLY, "已执行，若干秒后才应答", Act.WAIT),
    Fault("forged_reply", Part.REPLY, "应答由陌生密钥签名"),
    Fault("unsigned_reply", Part.REPLY, "应答没有签名"),
    Fault("tampered_reply", Part.REPLY, "应答签名后被改动"),
    Fault("withhold", Part.OUTBOX, "通知扣留，直到放行"),
    Fault("delay", Part.OUTBOX, "通知推迟若干秒（业务时间）才首次投递"),
    Fault("reorder", Part.OUTBOX, "同一订单的下一条通知送出后，才轮到这一条"),
    Fault("lose", Part.NOTICE, "本次投递丢失，按重试计划再投"),
    Fault("duplicate", Part.NOTICE, "本次投递连发两份"),
    Fault("tamper", Part.NOTICE, "通知签名后被改动"),
    Fault("forge", Part.NOTICE, "通知由陌生密钥签名"),
    Fault("stale", Part.NOTICE, "通知的时间戳早了 301 秒（签名正确）"),
    Fault("early", Part.NOTICE, "通知的时间戳快了 302 秒（签名正确）"),
    Fault("unknown_key", Part.NOTICE, "通知声称由客户端不认识的密钥签名"),
    Fault("ignore_ack", Part.NOTICE, "不认可对方的确认，按重试计划再投"),
)

# What only a platform that takes payments knows.
PAYING = (
    Fault("codepay_userpaying", Part.CHARGING, "付款码支付一律要求付款人确认（USERPAYING、10003）"),
    Fault("paid_during_close", Part.CLOSING, "关单途中付款人恰好付款，应答订单已支付"),
    Fault("cancel_retry", Part.CANCELLING, "撤销未执行，要求重试（USERPAYING、retry_flag=Y）"),
)

# How far a notification's clock is off: just more than the five minutes a client may allow, whole
# seconds being cut off and the way taking some.
NOTICE_SKEW = {"stale": timedelta(seconds=-301), "early": timedelta(seconds=302)}


# What a platform that tells nobody anything can do without.
OF_NOTICES = tuple(fault.name for fault in COMMON if fault.part in (Part.OUTBOX, Part.NOTICE))


class FaultBoard:
    """The faults one platform knows, and those armed now; a restart disarms all."""

    def __init__(self, *more: Fault, without: Sequence[str] = ()) -> None:
        """`without`: the common ones that make no sense where nothing is signed."""
        self.known = {fault.name: fault for fault in (*COMMON, *more) if fault.name not in without}
        self.armed: list[Armed] = []
        self._ids = itertools.count(1)

    def arm(self, name: str, *, endpoint: str, reference: str, times: int, seconds: float) -> Armed:
        assert name in self.known, f"no fault is called {name}"
        armed = Armed(
            id=next(self._ids),
            name=name,
            endpoint=endpoint,
            reference=reference,
            times=times,
            seconds=seconds,
        )
        self.armed.append(armed)
        return armed

    def disarm(self, fault_id: int | None = None) -> int:
        """Disarm one fault, or all; say how many."""
        staying = [a for a in self.armed if fault_id is not None and a.id != fault_id]
        gone = len(self.armed) - len(staying)
        self.armed = staying
        return gone

    def take(self, part: Part, *, endpoint: str, text: str, name: str = "") -> tuple[Fault, Armed] | None:
        """Use up one turn of the first armed fault that fits, of this name if one is given."""
        for armed in self.armed:
            fault = self.known[armed.name]
            fits = fault.part == part and name in ("", fault.name) and armed.endpoint in ("", endpoint)
            if fits and armed.reference in text:
                armed.times -= 1
                if armed.times <= 0:
                    self.armed.remove(armed)
                return fault, armed
        return None


class Struck(Exception):
    """The fault has the last word: the platform's answer does not come through."""


async def strike(
    taken: tuple[Fault, Armed] | None, moment: Moment, request: Request[Any, Any, Any]
) -> Fault | None:
    """Do what the fault does at this moment; return it when it only changes the answer."""
    if taken is None or taken[0].moment != moment:
        return None
    fault, armed = taken
    if fault.act == Act.WAIT:
        await asyncio.sleep(armed.seconds)
        return None
    if fault.act == Act.HANG_UP:
        hang_up(request.scope)
        await asyncio.sleep(0.05)  # lets the server notice, so that it sends nothing more
    if fault.act in (Act.HANG_UP, Act.UNAVAILABLE):
        raise Struck(fault.name)
    return fault


def bad_gateway(_request: Request[Any, Any, Any], _struck: Exception) -> Response[bytes]:
    """What a proxy shows instead of the platform; after hanging up, nobody reads it."""
    page = b"<html><body>502 Bad Gateway</body></html>"
    return Response(page, status_code=502, media_type="text/html")
