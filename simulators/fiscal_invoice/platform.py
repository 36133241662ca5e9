"""The simulated fiscal platform: whose bills it makes, its stock of numbers, and what it remembers."""

import secrets
from pathlib import Path

import msgspec

from simulators import book, keys, notices
from simulators.clock import Now
from simulators.faults import Fault, FaultBoard, Part
from simulators.store import Store

SCHEMA = """
create table if not exists batch (
    code text primary key,
    name text not null,
    medium text not null check (medium in ('electronic', 'paper')),
    next_no integer not null,
    last_no integer not null
) strict;
create table if not exists noise (noise text primary key, at text not null) strict;
create table if not exists bill (
    seq integer primary key,
    code text not null,
    no text not null,
    random text not null,
    service text not null,
    bus_no text not null,
    payer text not null,
    place text not null,
    total_fen integer not null,
    asked text not null,
    business_at text not null,
    created_at text not null,
    ready_at text,
    due_at text,
    notify_url text not null,
    red_of integer unique references bill (seq),
    paper_code text,
    paper_no text,
    reimbursed_at text,
    unique (code, no)
) strict;
create unique index if not exists bill_business on bill (bus_no) where red_of is null;
create index if not exists bill_due on bill (due_at) where ready_at is null;
create table if not exists paper (
    code text not null,
    no text not null,
    bill integer references bill (seq),
    voided_at text,
    reason text not null default '',
    primary key (code, no)
) strict;
"""

FAULTS = (
    Fault("out_of_numbers", Part.COURSE, "开票时票号库存不足"),
    Fault("file_stuck", Part.COURSE, "开票成功，票据文件一直生成中"),
)
# Nothing carries a timestamp, there is one key for all, and one notification of a bill.
SENSELESS = ("stale", "early", "unknown_key", "reorder")

OUTPATIENT, INPATIENT, PAPER = "33060126", "33060226", "33010126"
BATCHES = (
    (OUTPATIENT, "医疗门诊收费票据（电子）", "electronic"),
    (INPATIENT, "医疗住院收费票据（电子）", "electronic"),
    (PAPER, "医疗收费票据（纸质）", "paper"),
)
STOCK = 1_000_000  # numbers of each batch at the first start
PLACES = {"001": "门诊收费处", "002": "住院收费处", "003": "自助与移动端"}


class Identity(msgspec.Struct, frozen=True):
    """The one hospital and its application."""

    appid: str
    app_key: str
    agency_code: str


class FiscalInvoice:
    name = "fiscal_invoice"
    courier: notices.Courier  # hired when the platform opens: it needs to know how to speak
    base_url = ""  # known once the port is: pictures of bills have their address there

    def __init__(self, folder: Path, now: Now) -> None:
        self.now = now
        self.identity = keys.remembered(folder / "keys" / "fiscal_invoice_identity.json", _new_identity())
        self.store = Store(folder / "fiscal_invoice.sqlite", book.SCHEMA, notices.SCHEMA, SCHEMA)
        self.faults = FaultBoard(*FAULTS, without=SENSELESS)
        for code, name, medium in BATCHES:
            self.store.run(
                "insert or ignore into batch values (:code, :name, :medium, 1, :last)",
                code=code,
                name=name,
                medium=medium,
                last=STOCK,
            )

    def card(self, base_url: str) -> dict[str, str]:
        """What an outside client is configured with."""
        return {
            "api_url": f"{base_url}/medical-web/api/medical",
            "appid": self.identity.appid,
            "app_key": self.identity.app_key,
            "version": "1.0",
            "agency_code": self.identity.agency_code,
            "place_codes": ",".join(PLACES),
            "paper_batch_code": PAPER,
        }

    @property
    def billed(self) -> str:
        """The account of what the hospital has billed, red bills taken off."""
        return f"billed:{self.identity.agency_code}"


def _new_identity() -> Identity:
    return Identity(
        appid=f"SIM{secrets.randbelow(10**10):010d}",
        app_key=secrets.token_hex(13),
        agency_code=f"33{secrets.randbelow(10**7):07d}",
    )
