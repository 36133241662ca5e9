"""What became of a message: by the operator, by report to the hospital, and when the hospital asks."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.kernel.clock import LOCAL
from simulators.faults import Fault
from simulators.notices import Courier, Envelope, Manners, Notice
from simulators.sms.platform import Sms
from simulators.sms.refusals import bad_parameter, missing
from simulators.sms.sending import bare
from simulators.store import loaded, stored

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RETRY_AFTER = (1 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 1 * HOUR, 2 * HOUR, 6 * HOUR)
DELIVERED = "DELIVERED"
# What the operator reports of a number that is not simply on.
NUMBER_STATES = {
    "on": (DELIVERED, "用户接收成功"),
    "off": ("MOBILE_NOT_ON_SERVICE", "停机、空号、暂停服务、关机或不在服务区"),
    "vacant": ("MOBILE_NOT_ON_SERVICE", "停机、空号、暂停服务、关机或不在服务区"),
    "blocked": ("MOBILE_IN_BLACK", "手机号在黑名单"),
}
REJECTED = ("SP_NOT_BY_SMS", "运营商拒绝发送")
DAY = re.compile(r"\d{8}\Z")
PAGE_MAX = 50
SMS_REPORT = "SmsReport"


class Ack(msgspec.Struct, frozen=True):
    code: int


class Message(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    biz_id: str
    number: str
    sign_name: str
    template_code: str
    kind: str
    content: str
    parts: int
    out_id: str
    sent_at: str
    due_at: str
    course: str
    report_at: str | None
    delivered: int
    err_code: str | None
    received_at: str | None


def hire_courier(platform: Sms) -> Courier:
    """The courier that delivers this platform's reports."""
    manners = Manners(compose=compose, accepts=_accepts, retry_after=RETRY_AFTER)
    return Courier(platform.store, platform.now, platform.faults, manners)


def compose(notice: Notice, _fault: Fault | None, _now: datetime) -> Envelope:
    """A report is a list of one; nothing is signed."""
    return Envelope(f"[{notice.content}]".encode(), {"Content-Type": "application/json;charset=utf-8"})


def deliver_due(platform: Sms, now: datetime) -> None:
    """The operator's part: messages reach their phone, or not, and the report follows."""
    with platform.store.transaction():
        rows = platform.store.rows(
            "select * from message where received_at is null and due_at <= :now", now=stored(now)
        )
        for row in rows:
            _arrive(platform, Message(**dict(row)), now)
        late = platform.store.rows(
            """select * from message where received_at is not null and err_code is null
                   and course = 'report_late' and report_at <= :now""",
            now=stored(now),
        )
        for row in late:
            _report(platform, Message(**dict(row)), now)


def details(platform: Sms, given: Mapping[str, str], _now: datetime) -> dict[str, Any]:
    """One number's messages of one day, newest first; waiting until the report is there."""
    for name in ("PhoneNumber", "SendDate", "PageSize", "CurrentPage"):
        if not given.get(name):
            raise missing(name)
    begin, size = _page(given["CurrentPage"], given["PageSize"])
    first = _day(given["SendDate"])
    rows = platform.store.rows(
        """select * from message where number = :number and sent_at >= :first and sent_at < :next
               and :biz_id in ('', biz_id) order by seq desc""",
        number=bare(given["PhoneNumber"]),
        first=stored(first),
        next=stored(first + timedelta(days=1)),
        biz_id=given.get("BizId", ""),
    )
    shown = [_detail(Message(**dict(row))) for row in rows[begin : begin + size]]
    return {"TotalCount": str(len(rows)), "SmsSendDetailDTOs": {"SmsSendDetailDTO": shown}}


def local(instant: str) -> str:
    return f"{loaded(instant).astimezone(LOCAL):%Y-%m-%d %H:%M:%S}"


def _arrive(platform: Sms, message: Message, now: datetime) -> None:
    state = platform.store.value("select state from phone where number = :number", number=message.number)
    reached = message.course != "operator_rejects" and (state or "on") == "on"
    platform.store.run(
        "update message set received_at = :now, delivered = :reached where seq = :seq",
        now=stored(now),
        reached=int(reached),
        seq=message.seq,
    )
    if message.course not in ("report_lost", "report_late"):
        _report(platform, message, now)


def _report(platform: Sms, message: Message, now: datetime) -> None:
    state = platform.store.value("select state from phone where number = :number", number=message.number)
    code, words = REJECTED if message.course == "operator_rejects" else NUMBER_STATES[state or "on"]
    platform.store.run("update message set err_code = :code where seq = :seq", code=code, seq=message.seq)
    if not platform.report_url:
        return
    platform.courier.post(
        notice_id=secrets.token_hex(16),
        kind=SMS_REPORT,
        reference=message.biz_id,
        url=platform.report_url,
        signer="",
        content=msgspec.json.encode(
            {
                "phone_number": message.number,
                "send_time": local(message.sent_at),
                "report_time": local(stored(now)),
                "success": code == DELIVERED,
                "err_code": code,
                "err_msg": words,
                "sms_size": str(message.parts),
                "biz_id": message.biz_id,
                "out_id": message.out_id,
            }
        ),
        at=now,
    )


def _detail(message: Message) -> dict[str, Any]:
    # 1: waiting for the report, 2: failed, 3: delivered.
    status = 1 if message.err_code is None else 3 if message.err_code == DELIVERED else 2
    told: dict[str, Any] = {
        "PhoneNum": message.number,
        "SendStatus": status,
        "ErrCode": message.err_code or "",
        "TemplateCode": message.template_code,
        "Content": message.content,
        "SendDate": local(message.sent_at),
        "OutId": message.out_id,
    }
    if message.err_code is not None and message.received_at is not None:
        told["ReceiveDate"] = local(message.received_at)
    return told


def _page(current: str, size: str) -> tuple[int, int]:
    if not current.isdecimal() or int(current) < 1:
        raise bad_parameter("CurrentPage")
    if not size.isdecimal() or not 1 <= int(size) <= PAGE_MAX:
        raise bad_parameter("PageSize")
    return (int(current) - 1) * int(size), int(size)


def _day(text: str) -> datetime:
    try:
        if not DAY.match(text):
            raise bad_parameter("SendDate")
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=LOCAL)
    except ValueError as error:
        raise bad_parameter("SendDate") from error


def _accepts(status: int, reply: bytes) -> bool:
    try:
        return status == 200 and msgspec.json.decode(reply, type=Ack).code == 0
    except msgspec.DecodeError:
        return False
