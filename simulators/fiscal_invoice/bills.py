"""Electronic bills: what is asked for, checked, numbered, found again."""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from app.kernel.clock import LOCAL
from app.kernel.money import fen
from simulators.book import BANK, move
from simulators.faults import Part
from simulators.fiscal_invoice import stock
from simulators.fiscal_invoice.platform import INPATIENT, OUTPATIENT, PLACES, FiscalInvoice
from simulators.fiscal_invoice.refusals import (
    bad_field,
    business_number_used,
    no_bill,
    out_of_numbers,
    unequal,
    unknown_place,
)
from simulators.notices import is_deliverable
from simulators.store import stored

FILE_AFTER = timedelta(seconds=1)
CLOCKS_MAY_DIFFER = timedelta(days=1)

Code = Annotated[str, Meta(min_length=1, max_length=50)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]
Stamp = Annotated[str, Meta(pattern=r"^\d{17}\Z")]
Day = Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?\Z")]


class Charge(msgspec.Struct, frozen=True, rename="camel"):
    """One kind of charge on the bill's face."""

    sort_no: int
    charge_code: Code
    charge_name: Word
    std: Decimal
    number: Decimal
    amt: Decimal
    unit: str = ""
    self_amt: Decimal = Decimal(0)


class ListedItem(msgspec.Struct, frozen=True, rename="camel"):
    """One line of the list behind the bill."""

    charge_code: Code
    charge_name: Word
    name: Word
    amt: Decimal
    code: str = ""
    unit: str = ""
    std: Decimal = Decimal(0)
    number: Decimal = Decimal(1)


class IssueRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What all kinds of bills have; optional fields that the bill does not show pass unread."""

    bus_no: Code
    bus_type: Code
    payer: Word
    bus_date_time: Stamp
    place_code: Code
    payee: Word
    author: Word
    total_amt: Decimal
    charge_detail: Annotated[list[Charge], Meta(min_length=1, max_length=200)]
    list_detail: Annotated[list[ListedItem], Meta(max_length=5000)] = []
    checker: str = ""
    patient_id: str = ""
    patient_no: str = ""
    case_number: str = ""
    patient_category: str = ""
    in_hospital_date: Day = ""
    out_hospital_date: Day = ""
    medical_care_type: str = ""
    account_pay: Decimal | None = None  # the personal account
    fund_pay: Decimal | None = None  # the pooled fund
    otherfund_pay: Decimal | None = None
    self_cash_pay: Decimal | None = None
    notify_url: str = ""
    remark: str = ""


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    code: str
    no: str
    random: str
    service: str
    bus_no: str
    payer: str
    place: str
    total_fen: int  # below zero on a red bill
    asked: str
    business_at: str
    created_at: str
    ready_at: str | None
    due_at: str | None
    notify_url: str
    red_of: int | None
    paper_code: str | None
    paper_no: str | None
    reimbursed_at: str | None


class Kind(NamedTuple):
    batch: str
    title: str
    needed: tuple[str, ...] = ()  # fields that the others may leave out


OUTPATIENT_SERVICE, INPATIENT_SERVICE = "invoiceEBillOutpatient", "invEBillHospitalized"
REGISTRATION_SERVICE = "invEBillRegistration"
OUTPATIENT_TITLE = "医疗门诊收费票据（电子）"
KINDS = {
    OUTPATIENT_SERVICE: Kind(OUTPATIENT, OUTPATIENT_TITLE),
    REGISTRATION_SERVICE: Kind(OUTPATIENT, OUTPATIENT_TITLE),
    INPATIENT_SERVICE: Kind(
        INPATIENT,
        "医疗住院收费票据（电子）",
        ("checker", "caseNumber", "inHospitalDate", "outHospitalDate"),
    ),
}


def issue(platform: FiscalInvoice, service: str, asked: IssueRequest, now: datetime) -> Bill:
    """One bill for one business number; the same content again finds the same bill."""
    total_fen = _checked(service, asked, now)
    content = msgspec.json.encode(asked, order="sorted").decode()
    known = by_business(platform, asked.bus_no)
    if known is not None:
        if (known.service, known.asked) != (service, content):
            raise business_number_used()
        return known
    bill = insert(
        platform,
        now,
        batch=KINDS[service].batch,
        service=service,
        bus_no=asked.bus_no,
        payer=asked.payer,
        place=asked.place_code,
        total_fen=total_fen,
        asked=content,
        business_at=asked.bus_date_time,
        notify_url=asked.notify_url,
    )
    reference = f"{bill.code}-{bill.no}"
    account = platform.billed
    move(
        platform.store,
        kind="bill",
        reference=reference,
        at=now,
        source=BANK,
        target=account,
        amount_fen=total_fen,
    )
    return bill


def insert(
    platform: FiscalInvoice, now: datetime, *, batch: str, red_of: int | None = None, **values: str | int
) -> Bill:
    """Number a bill; its picture is drawn a second of business time later."""
    taken = platform.faults.take(Part.COURSE, endpoint=str(values["service"]), text=str(values["asked"]))
    fault = taken[0].name if taken is not None else ""
    if fault == "out_of_numbers":
        raise out_of_numbers()
    row = platform.store.row(
        """insert into bill (code, no, random, service, bus_no, payer, place, total_fen, asked, business_at,
               created_at, due_at, notify_url, red_of)
           values (:code, :no, :random, :service, :bus_no, :payer, :place, :total_fen, :asked, :business_at,
               :now, :due_at, :notify_url, :red_of) returning *""",
        code=batch,
        no=stock.take(platform, batch),
        random=f"{secrets.randbelow(10**6):06d}",
        now=stored(now),
        due_at=stored(now + FILE_AFTER) if fault != "file_stuck" else None,
        red_of=red_of,
        **values,
    )
    assert row is not None
    return Bill(**dict(row))


def by_business(platform: FiscalInvoice, bus_no: str) -> Bill | None:
    return _one(platform, "select * from bill where bus_no = :key and red_of is null", key=bus_no)


def by_number(platform: FiscalInvoice, code: str, no: str) -> Bill:
    bill = _one(platform, "select * from bill where code = :code and no = :no", code=code, no=no)
    if bill is None:
        raise no_bill()
    return bill


def red_of(platform: FiscalInvoice, bill: Bill) -> Bill | None:
    """The red bill that took this one back."""
    return _one(platform, "select * from bill where red_of = :seq", seq=bill.seq)


def of_days(platform: FiscalInvoice, first: str, last: str) -> list[Bill]:
    """The bills whose business time lies between two stamps of 17 digits, both included."""
    rows = platform.store.rows(
        "select * from bill where business_at between :first and :last order by seq", first=first, last=last
    )
    return [Bill(**dict(row)) for row in rows]


def _one(platform: FiscalInvoice, sql: str, **key: str | int) -> Bill | None:
    row = platform.store.row(sql, **key)
    return Bill(**dict(row)) if row is not None else None


def _checked(service: str, asked: IssueRequest, now: datetime) -> int:
    """Refuse what does not add up; the total in fen."""
    given = msgspec.to_builtins(asked)
    missing = [name for name in KINDS[service].needed if not given[name]]
    if missing:
        raise bad_field(f"缺少 {'、'.join(missing)}")
    check_place(asked.place_code)
    check_time(asked.bus_date_time, now)
    if asked.notify_url and not is_deliverable(asked.notify_url):
        raise bad_field("notifyUrl 须为不带参数的公网https地址")
    total_fen = _fen(asked.total_amt, "totalAmt")
    if total_fen <= 0:
        raise bad_field("totalAmt 须大于零")
    if sum(_fen(charge.amt, "chargeDetail.amt") for charge in asked.charge_detail) != total_fen:
        raise unequal("收费项目合计与总金额不一致")
    if asked.list_detail and sum((item.amt for item in asked.list_detail), Decimal(0)) != asked.total_amt:
        raise unequal("清单明细合计与总金额不一致")
    parts = (asked.account_pay, asked.fund_pay, asked.otherfund_pay, asked.self_cash_pay)
    paid = [_fen(part, "支付金额") for part in parts if part is not None]
    if paid and sum(paid) != total_fen:
        raise unequal("个人账户、统筹基金、其他医保与个人现金支付之和与总金额不一致")
    return total_fen


def check_place(code: str) -> None:
    if code not in PLACES:
        raise unknown_place()


def check_time(stamp: str, now: datetime) -> None:
    """yyyyMMddHHmmssSSS, Beijing time, not from the future."""
    try:
        at = datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=LOCAL)
    except ValueError as error:
        raise bad_field("busDateTime 须形如 yyyyMMddHHmmssSSS") from error
    if at > now + CLOCKS_MAY_DIFFER:
        raise bad_field("busDateTime 不能晚于当前时间")


def _fen(amount: Decimal, name: str) -> int:
    try:
        return fen(str(amount))
    except (ValueError, ArithmeticError) as error:
        raise bad_field(f"{name} 须为两位小数以内的元") from error
