"""The control API's part about money: the catalogue, what was used, closing a day, orders paid by phone."""

from datetime import date
from sqlite3 import Row
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from simulators import book
from simulators.insurance_bureau import catalogue, clearing, mobile, persons
from simulators.insurance_bureau.benefits import Care, Level
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import Refusal
from simulators.insurance_bureau.standing import family, year_of
from simulators.people import PhoneRefusal

Fen = Annotated[int, Meta(ge=0)]
Share = Annotated[str, Meta(pattern=r"^(0(\.\d{1,4})?|1(\.0{1,4})?)$")]


class NewItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    med_list_codg: Annotated[str, Meta(min_length=1, max_length=50)]
    name: Annotated[str, Meta(min_length=1)]
    chrgitm_lv: Level
    selfpay_prop: Share = "0"
    pric_uplmt: Annotated[str, Meta(pattern=r"^(\d{1,8}(\.\d{1,6})?)?$")] = ""
    med_chrgitm_type: Annotated[str, Meta(pattern=r"^\d{2}$")] = catalogue.OTHER_FEES


class EarlierUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person used elsewhere in this kind of care; replaces what was said before."""

    care: Care
    year: int | None = None
    deductible_fen: Fen = 0
    in_bands_fen: Fen = 0
    pool_fen: Fen = 0
    above_cap_fen: Fen = 0
    self_paid_fen: Fen = 0


class NewHelp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who else pays for this person; `family_fen` is added to the family's shared account."""

    civil_servant_share: Share = "0"
    assistance_share: Share = "0"
    family_fen: Fen = 0


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the paying platform says; a cash part it names must be the order's."""

    platform: str = ""
    cash_fen: Fen | None = None


@get("/catalogue")
async def show_catalogue(state: State) -> dict[str, Any]:
    return {"items": catalogue.items(state.platform.store)}


@post("/catalogue")
async def put_item(state: State, data: JSONBody[NewItem]) -> dict[str, Any]:
    item = catalogue.Item(**msgspec.structs.asdict(data))
    catalogue.put(state.platform.store, item)
    return msgspec.to_builtins(item)


@post("/days/{day:date}/close", status_code=200)
async def close_day(state: State, day: FromPath[date]) -> dict[str, int]:
    return {"cleared": clearing.close_day(state.platform, day)}


@post("/persons/{psn_no:str}/uses", status_code=200)
async def set_use(state: State, psn_no: FromPath[str], data: JSONBody[EarlierUse]) -> dict[str, Any]:
    platform: Bureau = state.platform
    _known(platform, psn_no)
    told = msgspec.to_builtins(data) | {"year": data.year or year_of(await platform.now())}
    platform.store.run(
        """insert or replace into earlier_use values (:psn_no, :year, :care, :deductible_fen, :in_bands_fen,
               :pool_fen, :above_cap_fen, :self_paid_fen)""",
        psn_no=psn_no,
        **told,
    )
    return told


@post("/persons/{psn_no:str}/help", status_code=200)
async def set_help(state: State, psn_no: FromPath[str], data: JSONBody[NewHelp]) -> dict[str, Any]:
    platform: Bureau = state.platform
    _known(platform, psn_no)
    now = await platform.now()
    with platform.store.transaction():
        platform.store.run(
            "insert or replace into help values (:psn_no, :civil, :assistance)",
            psn_no=psn_no,
            civil=data.civil_servant_share,
            assistance=data.assistance_share,
        )
        if data.family_fen:
            book.move(
                platform.store,
                kind="family",
                reference=platform.number("G", now),
                at=now,
                source=book.BANK,
                target=family(psn_no),
                amount_fen=data.family_fen,
            )
    return msgspec.to_builtins(data) | {"balance_fen": book.balance_fen(platform.store, family(psn_no))}


@get("/mobile-orders/{pay_order_id:str}")
async def show_mobile_order(state: State, pay_order_id: FromPath[str]) -> dict[str, Any]:
    order = mobile.find(state.platform, pay_order_id)
    if order is None:
        raise PhoneRefusal(404, "NO_SUCH_ORDER", "没有这笔医保移动支付订单")
    return _shown(order)


@post("/mobile-orders/{pay_order_id:str}/payments", status_code=200)
async def pay_mobile_order(
    state: State, pay_order_id: FromPath[str], data: JSONBody[Confirmation | None] = None
) -> dict[str, Any]:
    """The payer typed the password in WeChat or Alipay, which says so here. Said twice, it is one payment."""
    platform: Bureau = state.platform
    now = await platform.now()
    try:
        with platform.store.transaction():
            order = mobile.confirm(platform, pay_order_id, data.cash_fen if data else None, now)
    except Refusal as refusal:
        raise PhoneRefusal(409, "INSURANCE_REFUSED", refusal.err_msg) from refusal
    return _shown(order)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    show_catalogue,
    put_item,
    close_day,
    set_use,
    set_help,
    show_mobile_order,
    pay_mobile_order,
)


def _known(platform: Bureau, psn_no: str) -> None:
    if persons.find(platform, psn_no) is None:
        raise PhoneRefusal(404, "NO_SUCH_PERSON", "没有这位参保人，请先 POST /persons")


def _shown(order: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "pay_order_id": order["pay_ord_id"],
        "state": order["state"],
        "mdtrt_id": order["mdtrt_id"],
        "setl_id": order["setl_id"],
    }
    if order["benefit"] is None:
        return told
    benefit = mobile.benefit_of(order)
    return told | {
        "pay_auth_no": order["pay_auth_no"],
        "total_fen": benefit.medfee_sumamt,
        "fund_fen": benefit.fund_pay_sumamt,
        "account_fen": benefit.acct_pay + benefit.acct_mulaid_pay,
        "cash_fen": benefit.psn_cash_pay,
    }
