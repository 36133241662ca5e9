"""The simulated short message service: its account, signatures, templates, numbers, and what it remembers."""

import secrets
from pathlib import Path

import msgspec

from simulators import book, keys, notices
from simulators.clock import Now
from simulators.faults import Fault, FaultBoard, Part
from simulators.store import Store

SCHEMA = """
create table if not exists nonce (nonce text primary key, at text not null) strict;
create table if not exists sign_name (name text primary key, approved integer not null) strict;
create table if not exists template (
    code text primary key,
    content text not null,
    kind text not null check (kind in ('code', 'notice')),
    status text not null check (status in ('approved', 'reviewing', 'rejected'))
) strict;
create table if not exists phone (number text primary key, state text not null) strict;
create table if not exists message (
    seq integer primary key,
    biz_id text not null,
    number text not null,
    sign_name text not null,
    template_code text not null,
    kind text not null,
    content text not null,
    parts integer not null,
    out_id text not null,
    sent_at text not null,
    due_at text not null,
    course text not null,
    report_at text,
    delivered integer not null default 0,
    err_code text,
    received_at text
) strict;
create index if not exists message_due on message (due_at) where err_code is null;
create index if not exists message_number on message (number, sent_at);
create table if not exists setting (name text primary key, value text not null) strict;
"""

FAULTS = (
    Fault("operator_rejects", Part.COURSE, "运营商拒绝：短信不到达，回执报失败"),
    Fault("report_lost", Part.COURSE, "短信到达，但状态报告永远不来"),
    Fault("report_late", Part.COURSE, "短信到达，状态报告晚若干秒"),
    Fault("no_credit", Part.COURSE, "账户余额不足"),
)
# Neither the answers nor the reports of this service are signed.
SENSELESS = (
    *("forged_reply", "unsigned_reply", "tampered_reply"),
    *("tamper", "forge", "stale", "early", "unknown_key"),
    "reorder",  # a message has one report
)

SIGN_NAME = "就医演示医院"
TEMPLATES = (
    ("SMS_100000001", "您的验证码是${code}，5分钟内有效。请勿告诉他人。", "code"),
    ("SMS_100000002", "${name}您好，${item}${time}。详情请打开小程序查看。", "notice"),
)
OPENING_FEN = 1_000_000
PART_FEN = 5  # what one part of a message costs


class Identity(msgspec.Struct, frozen=True):
    access_key_id: str
    access_key_secret: str


class Sms:
    name = "sms"
    courier: notices.Courier  # hired when the platform opens: it needs to know how to speak

    def __init__(self, folder: Path, now: Now) -> None:
        self.now = now
        self.identity = keys.remembered(folder / "keys" / "sms_identity.json", _new_identity())
        self.store = Store(folder / "sms.sqlite", book.SCHEMA, notices.SCHEMA, SCHEMA)
        self.faults = FaultBoard(*FAULTS, without=SENSELESS)
        self.store.run("insert or ignore into sign_name values (:name, 1)", name=SIGN_NAME)
        for code, content, kind in TEMPLATES:
            self.store.run(
                "insert or ignore into template values (:code, :content, :kind, 'approved')",
                code=code,
                content=content,
                kind=kind,
            )

    def card(self, base_url: str) -> dict[str, str]:
        """What an outside client is configured with."""
        return {
            "endpoint": base_url.removeprefix("http://"),
            "access_key_id": self.identity.access_key_id,
            "access_key_secret": self.identity.access_key_secret,
            "sign_name": SIGN_NAME,
            "template_code_verification": TEMPLATES[0][0],
            "template_code_notice": TEMPLATES[1][0],
        }

    @property
    def credit(self) -> str:
        """The account of what the hospital has paid in advance."""
        return f"credit:{self.identity.access_key_id}"

    @property
    def report_url(self) -> str:
        """Where delivery reports go; empty for nowhere."""
        return self.store.value("select value from setting where name = 'report_url'") or ""


def _new_identity() -> Identity:
    return Identity(
        access_key_id=f"LTAI5t{secrets.token_hex(9)}",
        access_key_secret=secrets.token_hex(15),
    )
