"""WeChat Pay's bills: asked for by day and kind, downloaded by a link that lives thirty seconds."""

import calendar
import gzip
import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial

from app.kernel.clock import local_day
from simulators.bill_lines import Line
from simulators.bills import LINK_LIFE, Desk, NotYet, Period, read_day
from simulators.faults import Part
from simulators.store import stored
from simulators.wechat_pay import sheets
from simulators.wechat_pay.calls import Call, Reply
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import Refusal, invalid_request, param_error

OPENS_AFTER = timedelta(hours=9)
KEPT_MONTHS = 3
ACCOUNTS = ("BASIC", "OPERATION", "FEES")
DOWNLOAD = "/v3/billdownload/file"


def open_desk(platform: WechatPay) -> Desk:
    return Desk(
        store=platform.store,
        faults=platform.faults,
        merchant_id=platform.merchant_id,
        opens_after=OPENS_AFTER,
        read=partial(_lines, platform),
        write=partial(_files, platform),
    )


def trade_bill(platform: WechatPay, call: Call) -> Reply:
    return _offer(
        platform, call, "tradebill", _one_of(call, "bill_type", tuple(sheets.TRADES), default="ALL")
    )


def fund_flow_bill(platform: WechatPay, call: Call) -> Reply:
    """Money moves on the basic account only: the other two never have a bill."""
    return _offer(platform, call, "fundflowbill", _one_of(call, "account_type", ACCOUNTS, default="BASIC"))


def download(platform: WechatPay, call: Call) -> Reply:
    """The file, unsigned: who holds the token and signs as the merchant may have it."""
    link = platform.desk.follow(call.query.get("token", ""), call.now)
    content = platform.desk.kept(link.period, link.kind) if link is not None else None
    if link is None or content is None:
        raise invalid_request("下载链接不合法")
    if link.is_packed:
        content = gzip.compress(content, mtime=0)
    spoilt = platform.faults.take(Part.BILL_FILE, endpoint="billdownload", text=f"{link.period} {link.kind}")
    return Reply(200, raw=content[: len(content) // 2] if spoilt is not None else content)


def _offer(platform: WechatPay, call: Call, endpoint: str, kind: str) -> Reply:
    tar_type = call.query.get("tar_type", "")
    if tar_type not in ("", "GZIP"):
        raise param_error("tar_type", "取值须为GZIP", location="query", value=tar_type)
    period = _period(platform, call)
    taken = platform.faults.take(Part.BILL_LINK, endpoint=endpoint, text=f"{period.name} {kind}")
    fault = taken[0].name if taken is not None else ""
    try:
        content = platform.desk.file(period, kind, call.now)
    except NotYet as error:
        raise _creating() from error
    if fault == "bill_late":
        raise _creating()
    if content is None:
        raise Refusal(400, "NO_STATEMENT_EXIST", "账单文件不存在，请检查指定日期是否有交易或资金变动")
    life = timedelta(0) if fault == "bill_link_expired" else LINK_LIFE
    token = platform.desk.link(period, kind, call.now + life, is_packed=tar_type == "GZIP")
    named = b"other" if fault == "bill_bad_hash" else content
    packed = "&tartype=gzip" if tar_type else ""
    return Reply(
        200,
        {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(named, usedforsecurity=False).hexdigest(),
            "download_url": f"{call.base_url}{DOWNLOAD}?token={token}{packed}",
        },
    )


def _period(platform: WechatPay, call: Call) -> Period:
    """The day asked for: yesterday or before, within three months; today once it was closed by hand."""
    text = call.query.get("bill_date", "")
    try:
        day = read_day(text)
    except ValueError as error:
        raise param_error("bill_date", "须形如2019-06-11", location="query", value=text) from error
    today = local_day(call.now)
    period = platform.desk.day(day)
    is_over = day < today or platform.desk.made_at(period) is not None
    if not is_over:
        raise invalid_request("账单日期格式不正确")
    if day < _months_before(today, KEPT_MONTHS):
        raise invalid_request("仅支持三个月内的账单下载申请，请检查bill_date")
    return period


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _one_of(call: Call, name: str, allowed: tuple[str, ...], *, default: str) -> str:
    value = call.query.get(name, default)
    if value not in allowed:
        raise param_error(name, "取值须为" + "、".join(allowed), location="query", value=value)
    return value


def _creating() -> Refusal:
    return Refusal(400, "STATEMENT_CREATING", "账单生成中，请在次日10点后重新下载")


def _lines(platform: WechatPay, period: Period) -> list[Line]:
    """Every trade paid and every refund begun within the period, whatever became of them since."""
    span = {"begin": stored(period.begin), "end": stored(period.end)}
    paid = platform.store.rows(
        """select paid_at as at, created_at, out_trade_no, transaction_id as trade_no, trade_type,
               description as title, coalesce(attach, '') as attach, payer, trade.amount_fen,
               coalesce(fee_fen, 0) as fee_fen, coalesce(basis_points, 0) as basis_points
           from trade left join fee on fee.kind = 'payment' and fee.reference = out_trade_no
           where paid_at >= :begin and paid_at < :end""",
        **span,
    )
    begun = platform.store.rows(
        """select refund.created_at as at, trade.created_at, out_trade_no, transaction_id as trade_no,
               trade_type, description as title, coalesce(attach, '') as attach, payer,
               refund.amount_fen, coalesce(fee_fen, 0) as fee_fen,
               coalesce(basis_points, 0) as basis_points, trade.state = 'REVOKED' as is_reversal,
               out_refund_no, refund_id as refund_no, refund.state as refund_state, done_at
           from refund join trade using (out_trade_no)
           left join fee on fee.kind = 'refund_accepted' and fee.reference = out_refund_no
           where refund.created_at >= :begin and refund.created_at < :end""",
        **span,
    )
    lines = [Line(**dict(row)) for row in paid]
    lines += [Line(**{**dict(row), "is_refund": True}) for row in begun]
    return sorted(lines, key=lambda line: line.at)


def _files(platform: WechatPay, period: Period, lines: list[Line], _now: datetime) -> Mapping[str, bytes]:
    files = sheets.trade_sheets(platform, lines)
    funds = sheets.fund_sheet(platform, period)
    return files | ({"BASIC": funds} if funds is not None else {})
