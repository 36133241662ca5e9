"""Accepting a message: numbers, signature, template, words, and how often one phone may be written to."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from simulators.book import BANK, balance_fen, move
from simulators.faults import Part
from simulators.sms.platform import OPENING_FEN, PART_FEN, Sms
from simulators.sms.refusals import (
    bad_json,
    bad_number,
    bad_sign,
    bad_template,
    missing,
    missing_words,
    no_credit,
    no_links,
    over_limit,
    too_long,
    too_many_numbers,
)
from simulators.store import stored

NUMBER = re.compile(r"(?:\+?86)?(1[3-9]\d{9})\Z")
WORD = re.compile(r"\$\{(\w+)\}")
LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
NUMBERS_MAX = 1000
WORD_MAX = 35
FIRST_PART, NEXT_PARTS = 70, 67  # characters of a message that fits in one part, and of each when it does not
ARRIVES_AFTER = timedelta(seconds=1)


class Limit(NamedTuple):
    which: str
    within: timedelta
    permits: int


# Per phone and signature, as the service's console has them unless they are changed there.
LIMITS = {
    "code": (
        Limit("分钟", timedelta(minutes=1), 1),
        Limit("小时", timedelta(hours=1), 5),
        Limit("天", timedelta(days=1), 10),
    ),
    "notice": (Limit("天", timedelta(days=1), 50),),
}


class Template(msgspec.Struct, frozen=True):
    code: str
    content: str
    kind: str
    status: str


def send(platform: Sms, given: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """All numbers are written to, or none: one refusal refuses the call."""
    for name in ("PhoneNumbers", "SignName", "TemplateCode"):
        if not given.get(name):
            raise missing(name)
    numbers = _numbers(given["PhoneNumbers"])
    template = _template(platform, given["SignName"], given["TemplateCode"])
    words = _words(template, given.get("TemplateParam", ""))
    content = f"【{given['SignName']}】" + WORD.sub(lambda found: words[found[1]], template.content)
    for number in numbers:
        _check_limits(platform, template.kind, number, given["SignName"], now)
    taken = platform.faults.take(Part.COURSE, endpoint="SendSms", text=f"{given['PhoneNumbers']} {content}")
    course, seconds = (taken[0].name, taken[1].seconds) if taken is not None else ("", 0.0)
    biz_id = f"{secrets.randbelow(9 * 10**17) + 10**17}^0"
    _charge(platform, biz_id, len(numbers) * parts_of(content), now, broke=course == "no_credit")
    for number in numbers:
        platform.store.run(
            """insert into message (biz_id, number, sign_name, template_code, kind, content, parts, out_id,
                   sent_at, due_at, course, report_at)
               values (:biz_id, :number, :sign, :template, :kind, :content, :parts, :out_id,
                   :now, :due_at, :course, :report_at)""",
            biz_id=biz_id,
            number=number,
            sign=given["SignName"],
            template=template.code,
            kind=template.kind,
            content=content,
            parts=parts_of(content),
            out_id=given.get("OutId", ""),
            now=stored(now),
            due_at=stored(now + ARRIVES_AFTER),
            course=course,
            report_at=stored(now + ARRIVES_AFTER + timedelta(seconds=seconds))
            if course == "report_late"
            else None,
        )
    return {"BizId": biz_id}


def parts_of(content: str) -> int:
    """How many messages the operator counts, signature included."""
    return 1 if len(content) <= FIRST_PART else -(-len(content) // NEXT_PARTS)


def bare(number: str) -> str:
    """A mainland mobile number without its country code."""
    found = NUMBER.match(number)
    if found is None:
        raise bad_number()
    return found[1]


def credit_fen(platform: Sms) -> int:
    return balance_fen(platform.store, platform.credit)


def open_account(platform: Sms, now: datetime) -> None:
    """The first payment in advance; nothing happens when the account is open."""
    known = platform.store.value("select 1 from journal where kind = 'opening'")
    if known is None:
        move(
            platform.store,
            kind="opening",
            reference=platform.credit,
            at=now,
            source=BANK,
            target=platform.credit,
            amount_fen=OPENING_FEN,
        )


def _numbers(text: str) -> list[str]:
    given = text.split(",")
    if len(given) > NUMBERS_MAX:
        raise too_many_numbers()
    return list(dict.fromkeys(bare(number) for number in given))


def _template(platform: Sms, sign_name: str, code: str) -> Template:
    if platform.store.value("select approved from sign_name where name = :name", name=sign_name) != 1:
        raise bad_sign()
    row = platform.store.row("select * from template where code = :code", code=code)
    if row is None or row["status"] != "approved":
        raise bad_template()
    return Template(**dict(row))


def _words(template: Template, text: str) -> dict[str, str]:
    try:
        words = msgspec.json.decode(text or "{}", type=dict[str, str | int])
    except msgspec.DecodeError as error:
        raise bad_json() from error
    told = {name: str(word) for name, word in words.items()}
    lacking = [name for name in WORD.findall(template.content) if not told.get(name)]
    if lacking:
        raise missing_words("、".join(lacking))
    for name, word in told.items():
        if len(word) > WORD_MAX:
            raise too_long(name)
        if LINK.search(word):
            raise no_links(name)
    return told


def _check_limits(platform: Sms, kind: str, number: str, sign_name: str, now: datetime) -> None:
    for limit in LIMITS[kind]:
        sent = platform.store.value(
            """select count(*) from message
               where number = :number and sign_name = :sign and kind = :kind and sent_at > :since""",
            number=number,
            sign=sign_name,
            kind=kind,
            since=stored(now - limit.within),
        )
        if sent >= limit.permits:
            raise over_limit(limit.which, limit.permits)


def _charge(platform: Sms, biz_id: str, parts: int, now: datetime, *, broke: bool) -> None:
    open_account(platform, now)
    if broke or credit_fen(platform) < parts * PART_FEN:
        raise no_credit()
    move(
        platform.store,
        kind="message",
        reference=biz_id,
        at=now,
        source=platform.credit,
        target="revenue",
        amount_fen=parts * PART_FEN,
    )
