"""Alipay's bills: a method gives an address that lives thirty seconds, and a plain GET the zip."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from app.kernel.clock import local_day
from simulators.alipay import sheets
from simulators.alipay.calls import Call
from simulators.alipay.platform import Alipay
from simulators.alipay.refusals import Refusal, business
from simulators.bill_lines import Line
from simulators.bills import LINK_LIFE, Desk, NotYet, Period, midnight, read_day
from simulators.faults import Part
from simulators.store import stored

OPENS_AFTER = timedelta(hours=10)
MONTH_OPENS_AFTER = timedelta(days=2, hours=10)  # on the third of the next month
FIRST_MONTH = "2016-01"
MONTH = re.compile(r"\d{4}-\d{2}\Z")
METHOD = "alipay.data.dataservice.bill.downloadurl.query"
DOWNLOAD = "/downloadBillFile.resource"


def open_desk(platform: Alipay) -> Desk:
    return Desk(
        store=platform.store,
        faults=platform.faults,
        merchant_id=platform.merchant_id,
        opens_after=OPENS_AFTER,
        read=partial(_lines, platform),
        write=partial(_files, platform),
    )


def query_download_url(platform: Alipay, call: Call) -> dict[str, Any]:
    kind, text = call.content.get("bill_type"), call.content.get("bill_date")
    if kind not in sheets.KINDS or not isinstance(text, str):
        raise _invalid()
    period = _period(platform, text, local_day(call.now))
    taken = platform.faults.take(Part.BILL_LINK, endpoint=METHOD, text=f"{period.name} {kind}")
    fault = taken[0].name if taken is not None else ""
    try:
        content = platform.desk.file(period, kind, call.now)
    except NotYet as error:
        raise _missing() from error
    if content is None or fault == "bill_late":
        raise _missing()
    life = timedelta(0) if fault == "bill_link_expired" else LINK_LIFE
    token = platform.desk.link(period, kind, call.now + life)
    return {"bill_download_url": f"{call.base_url}{DOWNLOAD}?{_address(platform, period, kind, token)}"}


def opened(platform: Alipay, token: str, now: datetime) -> bytes | None:
    """The zip this address leads to; None when it has expired or was never given out."""
    link = platform.desk.follow(token, now)
    content = platform.desk.kept(link.period, link.kind) if link is not None else None
    if link is None or content is None:
        return None
    spoilt = platform.faults.take(Part.BILL_FILE, endpoint="bill_file", text=f"{link.period} {link.kind}")
    return content[: len(content) // 2] if spoilt is not None else content


def _address(platform: Alipay, period: Period, kind: str, token: str) -> str:
    account, days = sheets.account(platform), period.name.replace("-", "")
    return urlencode(
        {
            "bizType": kind,
            "userId": account,
            "fileType": "csv.zip",
            "bizDates": days,
            "downloadFileName": f"{account}_{days}.csv.zip",
            "fileId": f"/{kind}/{account}/{days}.csv.zip",
            "token": token,
        }
    )


def _period(platform: Alipay, text: str, today: date) -> Period:
    """A day or month that is over, since 2016; today once it was closed by hand."""
    is_month = MONTH.match(text) is not None
    try:
        first = read_day(f"{text}-01" if is_month else text)
    except ValueError as error:
        raise _invalid() from error
    period = _month(text, first) if is_month else platform.desk.day(first)
    is_over = period.end <= midnight(today) or platform.desk.made_at(period) is not None
    if text < FIRST_MONTH or not is_over:
        raise _invalid()
    return period


def _month(name: str, first: date) -> Period:
    end = midnight((first + timedelta(days=31)).replace(day=1))
    return Period(name, midnight(first), end, end + MONTH_OPENS_AFTER)


def _invalid() -> Refusal:
    return business("isv.invalid_arguments", "入参不合法")


def _missing() -> Refusal:
    """The same words whether the bill is not made yet or will never be."""
    return business("isp.bill_not_exist", "账单不存在")


def _lines(platform: Alipay, period: Period) -> list[Line]:
    """Every trade paid and every refund made within the period."""
    span = {"begin": stored(period.begin), "end": stored(period.end)}
    paid = platform.store.rows(
        """select paid_at as at, created_at, out_trade_no, trade_no, product as trade_type,
               subject as title, '' as attach, payer, trade.amount_fen,
               coalesce(fee_fen, 0) as fee_fen, coalesce(basis_points, 0) as basis_points
           from trade left join fee on fee.kind = 'payment' and fee.reference = out_trade_no
           where paid_at >= :begin and paid_at < :end""",
        **span,
    )
    begun = platform.store.rows(
        """select at, created_at, out_trade_no, trade_no, product as trade_type, subject as title,
               '' as attach, payer, refund.amount_fen, coalesce(fee_fen, 0) as fee_fen,
               coalesce(basis_points, 0) as basis_points, out_request_no as out_refund_no, at as done_at
           from refund join trade using (out_trade_no)
           left join fee on fee.kind = 'refund_accepted'
               and fee.reference = out_trade_no || '/' || out_request_no
           where at >= :begin and at < :end""",
        **span,
    )
    lines = [Line(**dict(row)) for row in paid]
    lines += [Line(**{**dict(row), "is_refund": True}) for row in begun]
    return sorted(lines, key=lambda line: line.at)


def _files(platform: Alipay, period: Period, lines: list[Line], now: datetime) -> Mapping[str, bytes]:
    packed = {
        "trade": sheets.trade_zip(platform, period, lines, now),
        "signcustomer": sheets.fund_zip(platform, period, now),
    }
    return {kind: content for kind, content in packed.items() if content is not None}
