"""The simulated Alipay: who its merchant is, its keys, and what it remembers."""

import re
import secrets
from pathlib import Path

import msgspec

from simulators import bill_lines, bills, book, fees, keys, notices, payment_codes, people
from simulators.clock import Now
from simulators.faults import PAYING, Fault, FaultBoard, Part
from simulators.store import Store

SCHEMA = """
create table if not exists trade (
    out_trade_no text primary key,
    trade_no text not null unique,
    product text not null check (product in ('JSAPI', 'QR', 'CODE')),
    buyer text not null,
    subject text not null,
    passback_params text,
    notify_url text not null,
    amount_fen integer not null check (amount_fen > 0),
    asked text not null,
    state text not null
        check (state in ('WAIT_BUYER_PAY', 'TRADE_SUCCESS', 'TRADE_FINISHED', 'TRADE_CLOSED')),
    created_at text not null,
    expires_at text not null,
    payer text,
    paid_at text,
    closed_at text
) strict;
create table if not exists qr (
    qr_code text primary key,
    out_trade_no text not null,
    subject text not null,
    passback_params text,
    notify_url text not null,
    amount_fen integer not null,
    asked text not null,
    pay_by text,
    pay_within_s integer,
    expires_at text not null
) strict;
create index if not exists qr_number on qr (out_trade_no);
create table if not exists refund (
    seq integer primary key,
    out_trade_no text not null references trade (out_trade_no),
    out_request_no text not null,
    amount_fen integer not null check (amount_fen > 0),
    at text not null,
    unique (out_trade_no, out_request_no)
) strict;
"""

FAULTS = (
    *PAYING,
    Fault("fund_change_n", Part.COURSE, "退款已执行，应答却为 fund_change=N"),
)

USER_ID = re.compile(r"2088\d{12}\Z")


class Identity(msgspec.Struct, frozen=True):
    """The one merchant and its application."""

    pid: str
    appid: str


class Alipay:
    name = "alipay"
    code_prefix = "28"  # Alipay's payment codes begin with 25 to 30
    courier: notices.Courier  # hired when the platform opens: it needs to know how to speak
    desk: bills.Desk  # opened with it: it needs to know how to write

    def __init__(self, folder: Path, now: Now) -> None:
        kept = folder / "keys"
        self.now = now
        self.identity = keys.remembered(kept / "alipay_identity.json", _new_identity())
        self.merchant_pkcs8_path = kept / "alipay_merchant_key_pkcs8.pem"
        self.merchant_pkcs1_path = kept / "alipay_merchant_key.pem"
        self.merchant_public_path = kept / "alipay_merchant_public_key.pem"
        self.public_key_path = kept / "alipay_public_key.pem"
        merchant_key = keys.private_key(self.merchant_pkcs8_path)
        keys.write_private(self.merchant_pkcs1_path, keys.private_pem(merchant_key, keys.PKCS1))
        keys.write_private(self.merchant_public_path, keys.public_pem(merchant_key))
        self.merchant_public = merchant_key.public_key()
        self.key = keys.private_key(kept / "alipay_key.pem")
        keys.write_private(self.public_key_path, keys.public_pem(self.key))
        self.store = Store(
            folder / "alipay.sqlite",
            book.SCHEMA,
            people.SCHEMA,
            notices.SCHEMA,
            payment_codes.SCHEMA,
            fees.SCHEMA,
            bills.SCHEMA,
            SCHEMA,
        )
        self.faults = FaultBoard(*FAULTS, *bill_lines.FAULTS)

    def payer_ids(self, wanted: str | None) -> tuple[str, str]:
        """user_id and open_id of a new payer."""
        if wanted is None:
            wanted = f"2088{secrets.randbelow(10**12):012d}"
        if not USER_ID.match(wanted):
            raise people.PhoneRefusal(400, "ID_INVALID", "user_id 须为 2088 开头的 16 位数字")
        return wanted, secrets.token_urlsafe(32)

    def payer_names(self, payer: people.Payer) -> dict[str, str]:
        return {"user_id": payer.id, "open_id": payer.second_id}

    def card(self, base_url: str) -> dict[str, str]:
        """What an outside client is configured with."""
        return {
            "gateway_url": f"{base_url}/gateway.do",
            "pid": self.identity.pid,
            "appid": self.identity.appid,
            "merchant_private_key_path": str(self.merchant_pkcs1_path),
            "merchant_private_key_pkcs8_path": str(self.merchant_pkcs8_path),
            "merchant_public_key_path": str(self.merchant_public_path),
            "platform_public_key_path": str(self.public_key_path),
        }

    @property
    def merchant_id(self) -> str:
        return self.identity.pid

    @property
    def clearing(self) -> str:
        return book.merchant(self.identity.pid)

    @property
    def in_transit(self) -> str:
        return book.transit(self.identity.pid)


def _new_identity() -> Identity:
    return Identity(
        pid=f"2088{secrets.randbelow(10**12):012d}",
        appid=f"2021{secrets.randbelow(10**12):012d}",
    )
