"""The services of the interface: each takes a business message and says what the platform answers."""

import base64
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import qrcode
from msgspec import Meta

from app.kernel.clock import LOCAL
from app.kernel.money import yuan
from simulators.book import BANK, move
from simulators.fiscal_invoice import bills, papers
from simulators.fiscal_invoice.bills import Bill, Code, IssueRequest, Stamp, Word, check_place, check_time
from simulators.fiscal_invoice.envelope import parse
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.refusals import already_red, is_red, no_bill, on_paper, reimbursed
from simulators.store import loaded

Answer = Callable[[FiscalInvoice, bytes, datetime], Any]


class ByBusiness(msgspec.Struct, frozen=True, rename="camel"):
    bus_no: Code


class ByNumber(msgspec.Struct, frozen=True, rename="camel"):
    bill_batch_code: Code
    bill_no: Code


class WriteOff(msgspec.Struct, frozen=True, rename="camel"):
    bill_batch_code: Code
    bill_no: Code
    reason: Word
    operator: Word
    bus_date_time: Stamp
    place_code: Code


class Days(msgspec.Struct, frozen=True, rename="camel"):
    """Business times, first and last included."""

    bus_bgn_date: Stamp
    bus_end_date: Stamp
    page_no: Annotated[int, Meta(ge=1)] = 1
    page_size: Annotated[int, Meta(ge=1, le=500)] = 100


def issue(service: str, platform: FiscalInvoice, data: bytes, now: datetime) -> dict[str, Any]:
    return _numbered(platform, bills.issue(platform, service, parse(data, IssueRequest), now))


def state_by_business(platform: FiscalInvoice, data: bytes, _now: datetime) -> dict[str, Any]:
    bill = bills.by_business(platform, parse(data, ByBusiness).bus_no)
    if bill is None:
        raise no_bill()
    return _numbered(platform, bill) | described(platform, bill)


def state_by_number(platform: FiscalInvoice, data: bytes, _now: datetime) -> dict[str, Any]:
    asked = parse(data, ByNumber)
    return described(platform, bills.by_number(platform, asked.bill_batch_code, asked.bill_no))


def write_off(platform: FiscalInvoice, data: bytes, now: datetime) -> dict[str, Any]:
    """A red bill takes the whole of another back, once; what is kept needs a new bill."""
    asked = parse(data, WriteOff)
    check_place(asked.place_code)
    check_time(asked.bus_date_time, now)
    bill = bills.by_number(platform, asked.bill_batch_code, asked.bill_no)
    _check_reversible(platform, bill)
    red = bills.insert(
        platform,
        now,
        batch=bill.code,
        red_of=bill.seq,
        service=bill.service,
        bus_no=bill.bus_no,
        payer=bill.payer,
        place=asked.place_code,
        total_fen=-bill.total_fen,
        asked=bill.asked,
        business_at=asked.bus_date_time,
        notify_url=bill.notify_url,
    )
    move(
        platform.store,
        kind="red_bill",
        reference=f"{red.code}-{red.no}",
        at=now,
        source=platform.billed,
        target=BANK,
        amount_fen=bill.total_fen,
    )
    told = _numbered(platform, red)
    names = {"billBatchCode": "eScarletBillBatchCode", "billNo": "eScarletBillNo", "random": "eScarletRandom"}
    return {names.get(name, name): value for name, value in told.items()}


def of_days(platform: FiscalInvoice, data: bytes, _now: datetime) -> dict[str, Any]:
    asked = parse(data, Days)
    found = bills.of_days(platform, asked.bus_bgn_date, asked.bus_end_date)
    begin = (asked.page_no - 1) * asked.page_size
    return {
        "total": len(found),
        "pageNo": asked.page_no,
        "billList": [_listed(platform, bill) for bill in found[begin : begin + asked.page_size]],
    }


def total_of_days(platform: FiscalInvoice, data: bytes, _now: datetime) -> dict[str, Any]:
    """How many bills and how much, red ones taken off: what a hospital compares its day with."""
    asked = parse(data, Days)
    found = bills.of_days(platform, asked.bus_bgn_date, asked.bus_end_date)
    return {"copyNum": len(found), "allTotalAmt": yuan(sum(bill.total_fen for bill in found))}


def described(platform: FiscalInvoice, bill: Bill) -> dict[str, Any]:
    """A bill's state as the queries tell it: 1 is good, 2 was taken back by a red one."""
    red = bills.red_of(platform, bill)
    return {
        "billName": bills.KINDS[bill.service].title,
        "billBatchCode": bill.code,
        "billNo": bill.no,
        "random": bill.random,
        "ivcDateTime": stamp(bill.created_at),
        "totalAmt": yuan(bill.total_fen),
        "state": "1" if red is None else "2",
        "isPrtPaper": "1" if bill.paper_no else "0",
        "pBillBatchCode": bill.paper_code or "",
        "pBillNo": bill.paper_no or "",
        "isScarlet": "0" if red is None else "1",
        "scarletBillBatchCode": red.code if red else "",
        "scarletBillNo": red.no if red else "",
        "scarletRandom": red.random if red else "",
        "fileState": "1" if bill.ready_at else "0",
        "reimburseState": "1" if bill.reimbursed_at else "0",
    }


def picture_url(platform: FiscalInvoice, bill: Bill) -> str:
    """Where the patient sees the bill; the check code is what lets them."""
    query = urlencode({"billBatchCode": bill.code, "billNo": bill.no, "random": bill.random})
    return f"{platform.base_url}/medical-web/bill?{query}"


def stamp(instant: str) -> str:
    """yyyyMMddHHmmssSSS, Beijing time."""
    at = loaded(instant).astimezone(LOCAL)
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}"


def _check_reversible(platform: FiscalInvoice, bill: Bill) -> None:
    if bill.red_of is not None:
        raise is_red()
    if bills.red_of(platform, bill) is not None:
        raise already_red()
    if bill.paper_no is not None:
        raise on_paper()
    if bill.reimbursed_at is not None:
        raise reimbursed()


def _numbered(platform: FiscalInvoice, bill: Bill) -> dict[str, Any]:
    url = picture_url(platform, bill)
    return {
        "billBatchCode": bill.code,
        "billNo": bill.no,
        "random": bill.random,
        "createTime": stamp(bill.created_at),
        "billBusDate": bill.business_at,
        "billQRCode": _qr(url),
        "pictureUrl": url,
        "pictureNetUrl": url,
    }


def _listed(platform: FiscalInvoice, bill: Bill) -> dict[str, Any]:
    about = {"busNo": bill.bus_no, "busDateTime": bill.business_at, "placeCode": bill.place}
    # 1: a bill, 2: a red bill, as the list's dataType has it.
    return about | {"dataType": "1" if bill.red_of is None else "2"} | described(platform, bill)


def _qr(text: str) -> str:
    """A PNG in Base64."""
    picture = io.BytesIO()
    qrcode.make(text, box_size=4, border=2).save(picture)
    return base64.b64encode(picture.getvalue()).decode()


SERVICES: Mapping[str, Answer] = {
    **{service: partial(issue, service) for service in bills.KINDS},
    "getEBillByBusNo": state_by_business,
    "getEBillStatesByBillInfo": state_by_number,
    "writeOffEBill": write_off,
    "getBillByBusDate": of_days,
    "checkTotalData": total_of_days,
    "getValidBillBatchCode": papers.batches,
    "getPaperBillNo": papers.next_number,
    "turnPaper": papers.turn,
    "reTurnPaper": papers.turn_again,
    "invalidPaper": papers.void,
    "invalidBlankBillNo": papers.void_blank,
}
