"""The bill as its patient sees it, at the address that the QR code holds."""

from html import escape
from pathlib import Path
from string import Template
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from app.kernel.clock import LOCAL
from app.kernel.money import yuan
from simulators.fiscal_invoice import bills
from simulators.fiscal_invoice.bills import Bill, Charge, IssueRequest
from simulators.fiscal_invoice.calls import described
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.refusals import Refusal, no_bill
from simulators.store import loaded

FOLDER = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PARTS = {
    "account_pay": "个人账户支付",
    "fund_pay": "医保统筹基金支付",
    "otherfund_pay": "其他医保支付",
    "self_cash_pay": "个人现金支付",
}


@get("/medical-web/bill", status_code=200)
async def show(request: Request[Any, Any, State]) -> Response[str]:
    """Whoever knows the check code may look; a wrong one finds nothing."""
    platform: FiscalInvoice = request.app.state.platform
    asked = request.query_params
    try:
        bill = bills.by_number(platform, asked.get("billBatchCode", ""), asked.get("billNo", ""))
        if bill.random != asked.get("random"):
            raise no_bill()
    except Refusal:
        return _page("notice.html", 404, title="没有找到这张票据", text="请核对票据代码、票据号码和校验码。")
    if bill.ready_at is None:
        return _page("notice.html", 200, title="票据生成中", text="请稍候再打开这个页面。")
    return _page("bill.html", 200, **_shown(platform, bill))


@get("/medical-web/bill.css")
async def style() -> Response[bytes]:
    return Response((FOLDER / "bill.css").read_bytes(), headers=HEADERS, media_type="text/css; charset=utf-8")


HANDLERS: tuple[HTTPRouteHandler, ...] = (show, style)


def _page(name: str, status: int, **words: str) -> Response[str]:
    text = Template((FOLDER / name).read_text()).substitute(words)
    return Response(text, status_code=status, headers=HEADERS, media_type="text/html; charset=utf-8")


def _shown(platform: FiscalInvoice, bill: Bill) -> dict[str, str]:
    asked = msgspec.json.decode(bill.asked, type=IssueRequest)
    told = described(platform, bill)
    sign = -1 if bill.total_fen < 0 else 1
    words = {
        "title": told["billName"],
        "code": bill.code,
        "no": bill.no,
        "random": bill.random,
        "payer": bill.payer,
        "day": f"{loaded(bill.created_at).astimezone(LOCAL):%Y-%m-%d}",
        "total": f"{'-' if sign < 0 else ''}¥{yuan(abs(bill.total_fen))}",
        "payee": asked.payee,
        "author": asked.author,
        "checker": asked.checker or "—",
        "case": asked.case_number or asked.patient_no or "—",
        "business": bill.bus_no,
        "agency": platform.identity.agency_code,
        "state": _state(bill, told),
        "tone": "red" if bill.red_of is not None else "good" if told["state"] == "1" else "off",
    }
    escaped = {name: escape(word) for name, word in words.items()}
    return escaped | {"rows": _rows(asked.charge_detail, sign), "parts": _parts(asked, sign)}


def _state(bill: Bill, told: dict[str, Any]) -> str:
    if bill.red_of is not None:
        return "红字票据"
    if told["state"] == "2":
        return f"已冲红（红票 {told['scarletBillNo']}）"
    if bill.paper_no is not None:
        return f"已换开纸质票据 {bill.paper_no}"
    return "已报销入账" if bill.reimbursed_at is not None else "正常"


def _rows(charges: list[Charge], sign: int) -> str:
    return "".join(
        f"<tr><td>{escape(charge.charge_name)}</td>"
        f"<td>{charge.number.normalize():f} {escape(charge.unit)}</td>"
        f"<td>{sign * charge.amt:.2f}</td></tr>"
        for charge in charges
    )


def _parts(asked: IssueRequest, sign: int) -> str:
    amounts = {label: getattr(asked, name) for name, label in PARTS.items()}
    return "".join(
        f"<div><dt>{label}</dt><dd>{sign * amount:.2f}</dd></div>"
        for label, amount in amounts.items()
        if amount is not None
    )
