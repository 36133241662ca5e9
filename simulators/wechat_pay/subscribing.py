"""Subscription messages: one consent, one message, and only what its template may hold."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from simulators.people import find_payer
from simulators.store import stored
from simulators.wechat_pay.mini_program import MiniCall, MiniProgramRefusal, check_token, parse
from simulators.wechat_pay.platform import WechatPay

# Dates and times as the platform's page on subscription messages writes them, alone or from ~ to.
DAY = (
    r"(?:[0-9]{4}年[0-9]{1,2}月(?:[0-9]{1,2}日)?|[0-9]{1,2}月[0-9]{1,2}日"
    r"|[0-9]{4}[-/.][0-9]{1,2}(?:[-/.][0-9]{1,2})?|[0-9]{1,2}[-/.][0-9]{1,2})"
)
CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
TIME, DATE = rf"(?:{DAY} ?)?{CLOCK}", rf"{DAY}(?: ?{CLOCK})?"

# What each kind of template field may hold; the name before the digits is the kind. (enum fields are not
# played: their values belong to the template library.)
FIELD_RULES: dict[str, re.Pattern[str]] = {
    "thing": re.compile(r"[^\x00-\x1f\x7f]{1,20}\Z"),
    "number": re.compile(r"(?=.{1,32}\Z)[0-9]+(?:\.[0-9]+)?\Z"),
    "letter": re.compile(r"[A-Za-z]{1,32}\Z"),
    "symbol": re.compile(r"[^\w\s\x00-\x1f\x7f]{1,5}\Z"),
    "character_string": re.compile(r"[\x21-\x7e]{1,32}\Z"),
    "time": re.compile(rf"{TIME}(?:~{TIME})?\Z"),
    "date": re.compile(rf"{DATE}(?:~{DATE})?\Z"),
    "amount": re.compile(r"[^\w\s]?[0-9]{1,10}(?:\.[0-9]{1,2})?元?\Z"),
    "phone_number": re.compile(r"[0-9+()\- ]{1,17}\Z"),
    "car_number": re.compile(r"(?=.{1,8}\Z)[\u4e00-\u9fffA-Za-z0-9][A-Za-z0-9]*[\u4e00-\u9fffA-Za-z0-9]?\Z"),
    "name": re.compile(r"(?:[\u4e00-\u9fffA-Za-z·]{1,10}|[A-Za-z .'·-]{1,20})\Z"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}\Z"),
}
FIELD_NAME = re.compile(r"([a-z_]+?)\d+\Z")
PAGE = re.compile(r"[A-Za-z0-9_\-]+(?:/[A-Za-z0-9_\-]+)*(?:\?[^\s#]*)?\Z")


class Word(msgspec.Struct, frozen=True):
    """What stands in one field; a number is as good as its digits."""

    value: str | int | float

    @property
    def text(self) -> str:
        return str(self.value)


class MessageRequest(msgspec.Struct, frozen=True):
    data: dict[str, Word]
    touser: str = ""
    template_id: str = ""
    page: str = ""
    miniprogram_state: str = "formal"
    lang: str = "zh_CN"


def send_message(platform: WechatPay, call: MiniCall) -> dict[str, Any]:
    check_token(platform, call)
    asked: MessageRequest = parse(call.body, MessageRequest)
    if find_payer(platform.store, asked.touser) is None:
        raise MiniProgramRefusal(40003, "invalid openid")
    _check_words(asked.data, _fields_of(platform, asked.template_id))
    _check_page(platform, asked.page)
    with platform.store.transaction():
        used = platform.store.run(
            """update subscription set remaining = remaining - 1
               where openid = :openid and template_id = :template and remaining > 0""",
            openid=asked.touser,
            template=asked.template_id,
        )
        if used == 0:
            raise MiniProgramRefusal(43101, "user refuse to accept the msg")
        platform.store.run(
            """insert into message (openid, template_id, page, data, sent_at)
               values (:openid, :template, :page, :data, :now)""",
            openid=asked.touser,
            template=asked.template_id,
            page=asked.page,
            data=msgspec.json.encode({k: w.text for k, w in asked.data.items()}).decode(),
            now=stored(call.now),
        )
    return {"errcode": 0, "errmsg": "ok", "msgid": secrets.randbelow(10**15)}


def consent(platform: WechatPay, *, openid: str, template_id: str, count: int) -> int:
    """The payer taps "allow": this many more messages; returns how many may be sent now."""
    return platform.store.value(
        """insert into subscription (openid, template_id, remaining)
           values (:openid, :template, :count)
           on conflict (openid, template_id) do update set remaining = remaining + :count
           returning remaining""",
        openid=openid,
        template=template_id,
        count=count,
    )


def is_field(name: str) -> bool:
    kind = FIELD_NAME.match(name)
    return kind is not None and kind[1] in FIELD_RULES


def _fields_of(platform: WechatPay, template_id: str) -> Sequence[str]:
    """What the template must be given; until the first template is registered, any passes without fields."""
    fields = platform.store.value("select fields from template where template_id = :id", id=template_id)
    if not template_id or (fields is None and platform.store.value("select count(*) from template")):
        raise MiniProgramRefusal(40037, "invalid template_id")
    return msgspec.json.decode(fields, type=list[str]) if fields is not None else ()


def _check_words(data: Mapping[str, Word], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in data or not data[name].text:
            raise MiniProgramRefusal(47003, f"argument invalid! data.{name}.value is empty")
    for name, word in data.items():
        if not is_field(name) or not _rule(name).match(word.text):
            raise MiniProgramRefusal(47003, f"argument invalid! data.{name}.value invalid")


def _rule(name: str) -> re.Pattern[str]:
    kind = FIELD_NAME.match(name)
    assert kind is not None
    return FIELD_RULES[kind[1]]


def _check_page(platform: WechatPay, page: str) -> None:
    """A page of this mini-program, with or without parameters; once pages are registered, one of them."""
    if not page:
        return
    path = page.partition("?")[0]
    registered = platform.store.value("select count(*) from page")
    is_known = platform.store.value("select path from page where path = :path", path=path)
    if not PAGE.match(page) or (registered and not is_known):
        raise MiniProgramRefusal(41030, "invalid page")
