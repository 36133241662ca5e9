"""Paper for an electronic bill: one sheet at a time, returned and voided before anything else."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from simulators.fiscal_invoice import bills, stock
from simulators.fiscal_invoice.bills import Bill, Code, Stamp, Word, check_place, check_time
from simulators.fiscal_invoice.envelope import parse
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.refusals import (
    already_red,
    is_red,
    no_bill,
    not_on_paper,
    on_paper,
    paper_unusable,
)
from simulators.store import stored

DONE = "成功"
SHEETS_AT_ONCE = 1000

SheetNumber = Annotated[str, Meta(pattern=r"^[0-9]{10}\Z")]


class Place(msgspec.Struct, frozen=True, rename="camel"):
    place_code: Code


class PaperBatch(msgspec.Struct, frozen=True, rename="camel"):
    place_code: Code
    p_bill_batch_code: Code


class Turn(msgspec.Struct, frozen=True, rename="camel"):
    bill_batch_code: Code
    bill_no: Code
    p_bill_batch_code: Code
    p_bill_no: Code
    bus_date_time: Stamp
    place_code: Code
    operator: Word


class Void(msgspec.Struct, frozen=True, rename="camel"):
    p_bill_batch_code: Code
    p_bill_no: Code
    place_code: Code
    author: Word
    reason: Word
    bus_date_time: Stamp


class VoidBlank(msgspec.Struct, frozen=True, rename="camel"):
    p_bill_batch_code: Code
    p_bill_no_start: SheetNumber
    p_bill_no_end: SheetNumber
    place_code: Code
    author: Word
    reason: Word
    bus_date_time: Stamp


def batches(platform: FiscalInvoice, data: bytes, _now: datetime) -> list[dict[str, str]]:
    check_place(parse(data, Place).place_code)
    rows = platform.store.rows("select code, name from batch where medium = 'paper' and next_no <= last_no")
    return [{"pBillBatchCode": row["code"], "pBillName": row["name"]} for row in rows]


def next_number(platform: FiscalInvoice, data: bytes, _now: datetime) -> dict[str, str]:
    asked = parse(data, PaperBatch)
    check_place(asked.place_code)
    return {
        "pBillBatchCode": asked.p_bill_batch_code,
        "pBillNo": stock.following(platform, asked.p_bill_batch_code),
    }


def turn(platform: FiscalInvoice, data: bytes, now: datetime) -> str:
    """A sheet for a bill that has none."""
    asked, bill = _turnable(platform, data, now)
    if bill.paper_no is not None:
        raise on_paper()
    _put_on_paper(platform, bill, asked)
    return DONE


def turn_again(platform: FiscalInvoice, data: bytes, now: datetime) -> str:
    """Another sheet for a spoilt one, which is void from now on."""
    asked, bill = _turnable(platform, data, now)
    if bill.paper_no is None:
        raise not_on_paper()
    _void(platform, bill.paper_code or "", bill.paper_no, "重新换开", now)
    _put_on_paper(platform, bill, asked)
    return DONE


def void(platform: FiscalInvoice, data: bytes, now: datetime) -> str:
    """The sheet came back: the electronic bill stands alone again and may be taken back."""
    asked = parse(data, Void)
    check_place(asked.place_code)
    check_time(asked.bus_date_time, now)
    _void(platform, asked.p_bill_batch_code, asked.p_bill_no, asked.reason, now)
    return DONE


def void_blank(platform: FiscalInvoice, data: bytes, now: datetime) -> str:
    """Sheets that were spoilt in the printer: the next numbers, in order."""
    asked = parse(data, VoidBlank)
    check_place(asked.place_code)
    check_time(asked.bus_date_time, now)
    if (
        asked.p_bill_no_start != stock.following(platform, asked.p_bill_batch_code)
        or not asked.p_bill_no_end.isdigit()
    ):
        raise paper_unusable()
    count = int(asked.p_bill_no_end) - int(asked.p_bill_no_start) + 1
    if not 1 <= count <= SHEETS_AT_ONCE:
        raise paper_unusable()
    for _ in range(count):
        platform.store.run(
            "insert into paper (code, no, voided_at, reason) values (:code, :no, :now, :reason)",
            code=asked.p_bill_batch_code,
            no=stock.take(platform, asked.p_bill_batch_code),
            now=stored(now),
            reason=asked.reason,
        )
    return DONE


def _turnable(platform: FiscalInvoice, data: bytes, now: datetime) -> tuple[Turn, Bill]:
    asked = parse(data, Turn)
    check_place(asked.place_code)
    check_time(asked.bus_date_time, now)
    bill = bills.by_number(platform, asked.bill_batch_code, asked.bill_no)
    if bill.red_of is not None:
        raise is_red()
    if bills.red_of(platform, bill) is not None:
        raise already_red()
    if asked.p_bill_no != stock.following(platform, asked.p_bill_batch_code):
        raise paper_unusable()
    return asked, bill


def _put_on_paper(platform: FiscalInvoice, bill: Bill, asked: Turn) -> None:
    no = stock.take(platform, asked.p_bill_batch_code)
    platform.store.run(
        "insert into paper (code, no, bill) values (:code, :no, :bill)",
        code=asked.p_bill_batch_code,
        no=no,
        bill=bill.seq,
    )
    platform.store.run(
        "update bill set paper_code = :code, paper_no = :no where seq = :seq",
        code=asked.p_bill_batch_code,
        no=no,
        seq=bill.seq,
    )


def _void(platform: FiscalInvoice, code: str, no: str, reason: str, now: datetime) -> None:
    voided = platform.store.run(
        """update paper set voided_at = :now, reason = :reason
           where code = :code and no = :no and voided_at is null and bill is not null""",
        code=code,
        no=no,
        now=stored(now),
        reason=reason,
    )
    if voided == 0:
        raise no_bill()
    platform.store.run(
        "update bill set paper_code = null, paper_no = null where paper_code = :code and paper_no = :no",
        code=code,
        no=no,
    )
