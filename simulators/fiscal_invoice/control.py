"""The fiscal platform's part of the control API: bills, what is reimbursed, the stock of numbers."""

from typing import Annotated, Any

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from simulators import book, control
from simulators.control import PAGE_MAX
from simulators.fiscal_invoice import bills
from simulators.fiscal_invoice.bills import Bill
from simulators.fiscal_invoice.calls import described, picture_url
from simulators.fiscal_invoice.platform import STOCK, FiscalInvoice
from simulators.fiscal_invoice.refusals import Refusal
from simulators.people import PhoneRefusal
from simulators.store import stored


class Stock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    left: Annotated[int, Meta(ge=0, le=STOCK)]


class Reimbursement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reimbursed: bool


def app(platform: FiscalInvoice) -> Litestar:
    return control.app_without_wallets(
        platform, list_bills, show_bill, reimburse, stock, set_stock, show_book
    )


@get("/bills")
async def list_bills(
    state: State, after: FromQuery[int] = 0, limit: FromQuery[int] = PAGE_MAX
) -> dict[str, Any]:
    platform: FiscalInvoice = state.platform
    size = min(limit, PAGE_MAX)
    rows = platform.store.rows(
        "select * from bill where seq > :after order by seq limit :limit", after=after, limit=size
    )
    return {
        "items": [_bill(platform, Bill(**dict(row))) for row in rows],
        "next": rows[-1]["seq"] if len(rows) == size else None,
    }


@get("/bills/{code:str}/{no:str}")
async def show_bill(state: State, code: FromPath[str], no: FromPath[str]) -> dict[str, Any]:
    return _bill(state.platform, _found(state.platform, code, no))


@post("/bills/{code:str}/{no:str}/reimbursement", status_code=200)
async def reimburse(
    state: State, code: FromPath[str], no: FromPath[str], data: JSONBody[Reimbursement]
) -> dict[str, Any]:
    """The patient's employer or insurer booked the bill, or gave it back."""
    platform: FiscalInvoice = state.platform
    bill = _found(platform, code, no)
    if bill.red_of is not None or bills.red_of(platform, bill) is not None:
        raise PhoneRefusal(409, "BILL_RED", "红字票据和已冲红的票据不能报销")
    platform.store.run(
        "update bill set reimbursed_at = :at where seq = :seq",
        at=stored(await platform.now()) if data.reimbursed else None,
        seq=bill.seq,
    )
    return _bill(platform, _found(platform, code, no))


@get("/stock")
async def stock(state: State) -> dict[str, Any]:
    rows = state.platform.store.rows("select *, last_no - next_no + 1 as left from batch order by code")
    names = ("code", "name", "medium", "left")
    return {"items": [{name: row[name] for name in names} for row in rows]}


@post("/stock", status_code=200)
async def set_stock(state: State, data: JSONBody[Stock]) -> dict[str, Any]:
    """So many numbers are left of a batch from now on."""
    known = state.platform.store.run(
        "update batch set last_no = next_no - 1 + :left where code = :code", code=data.code, left=data.left
    )
    if known == 0:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这个票据代码")
    return {"code": data.code, "left": data.left}


@get("/book")
async def show_book(state: State) -> dict[str, Any]:
    """What was billed, red bills taken off; balanced when it is what the bills add up to."""
    platform: FiscalInvoice = state.platform
    billed_fen = book.balance_fen(platform.store, platform.billed)
    total_fen = platform.store.value("select coalesce(sum(total_fen), 0) from bill")
    return {
        "balanced": book.is_balanced(platform.store) and billed_fen == total_fen,
        "accounts": book.balances(platform.store),
        "billed_fen": billed_fen,
    }


def _found(platform: FiscalInvoice, code: str, no: str) -> Bill:
    try:
        return bills.by_number(platform, code, no)
    except Refusal as error:
        raise PhoneRefusal(404, "NOT_FOUND", "没有这张票据") from error


def _bill(platform: FiscalInvoice, bill: Bill) -> dict[str, Any]:
    about = {
        "busNo": bill.bus_no,
        "payer": bill.payer,
        "service": bill.service,
        "total_fen": bill.total_fen,
        "created_at": bill.created_at,
        "picture_url": picture_url(platform, bill),
        "is_red": bill.red_of is not None,
    }
    return about | described(platform, bill)
