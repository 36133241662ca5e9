"""6203: money back for an order paid by phone: all of it, the insurance's part, or cash."""

from collections.abc import Mapping
from sqlite3 import Row

import msgspec

from simulators.insurance_bureau.benefits import Benefit, Care
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.envelope import ENCODER
from simulators.insurance_bureau.fields import Field, Kind, node, written
from simulators.insurance_bureau.mobile import (
    CASH_PART_REFUNDED,
    CASH_REFUNDED,
    INSURED_REFUNDED,
    REFUNDED,
    SETTLED,
    benefit_of,
    order_of,
)
from simulators.insurance_bureau.numbers import amount_fen
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.insurance_bureau.reversals import reverse
from simulators.store import stored

ALL, CASH, INSURED = "ALL", "CASH", "HI"
INSURED_AND_PART_REFUNDED = "11"
OPEN_STATES = (SETTLED, INSURED_REFUNDED, CASH_REFUNDED, CASH_PART_REFUNDED, INSURED_AND_PART_REFUNDED)

REFUND = (
    Field("payOrdId", "支付订单号", 64),
    Field("appRefdSn", "应用退款流水号", 64),
    Field("appRefdTime", "应用退费时间", 14, kind=Kind.DIGITS),
    Field("totlRefdAmt", "总退费金额", 20),
    Field("psnAcctRefdAmt", "医保个人账户退费", 20, needed=False),
    Field("fundRefdAmt", "基金退费", 20, needed=False),
    Field("cashRefdAmt", "现金退费金额", 20),
    Field("ecToken", "电子凭证授权Token", 64, needed=False),
    Field("payAuthNo", "支付授权码", 64, needed=False),
    Field("refdType", "退费类型", 6, allowed=(ALL, CASH, INSURED)),
)


class Parts(msgspec.Struct, frozen=True):
    cash_fen: int
    insured_fen: int


def refund(platform: Bureau, call: Call) -> Output:
    """Asked again with the same number and content, it answers the same and does nothing."""
    asked = node(call.input, "data", REFUND)
    content = ENCODER.encode(asked).decode()
    known = platform.store.row(
        "select * from mobile_refund where app_refd_sn = :number", number=asked["appRefdSn"]
    )
    if known is not None and known["asked"] != content:
        raise refused(f"应用退款流水号 {asked['appRefdSn']} 已用于另一笔退款")
    if known is None:
        known = _refund(platform, call, asked, content)
    return {
        "payOrdId": known["pay_ord_id"],
        "appRefdSn": known["app_refd_sn"],
        "refStatus": "SUCC",
        "refdTime": written(known["at"]),
        "setlId": known["setl_id"],
    }


def _refund(platform: Bureau, call: Call, asked: Mapping[str, str], content: str) -> Row:
    order = order_of(platform, asked, call.now)
    if order["state"] not in OPEN_STATES:
        raise refused(f"订单状态 {order['state']} 不能退款")
    if order["pay_auth_no"] not in (asked["payAuthNo"], asked["ecToken"]):
        raise ill_formed("payAuthNo", "须为下单时的支付授权码")
    done = _refunded(platform, order["pay_ord_id"])
    parts = _parts(asked, benefit_of(order), done)
    setl_id = _reverse(platform, call, order) if asked["refdType"] in (ALL, INSURED) else None
    platform.store.run(
        "insert into mobile_refund values (:sn, :order, :kind, :cash, :insured, :asked, :setl_id, :at)",
        sn=asked["appRefdSn"],
        order=order["pay_ord_id"],
        kind=asked["refdType"],
        cash=parts.cash_fen,
        insured=parts.insured_fen,
        asked=content,
        setl_id=setl_id,
        at=stored(call.now),
    )
    platform.store.run(
        "update mobile_order set state = :state where pay_ord_id = :number",
        state=_state(platform, order),
        number=order["pay_ord_id"],
    )
    row = platform.store.row("select * from mobile_refund where app_refd_sn = :sn", sn=asked["appRefdSn"])
    assert row is not None
    return row


def _parts(asked: Mapping[str, str], paid: Benefit, done: Parts) -> Parts:
    """The amounts must be those of the kind: insurance goes back whole or not at all, cash also in parts."""
    kind, cash_fen = asked["refdType"], amount_fen(asked, "cashRefdAmt")
    account_fen, fund_fen = amount_fen(asked, "psnAcctRefdAmt"), amount_fen(asked, "fundRefdAmt")
    if cash_fen + account_fen + fund_fen != amount_fen(asked, "totlRefdAmt"):
        raise refused("总退费金额不等于各分项之和")
    if (kind == CASH) != (cash_fen > 0) and kind != ALL:
        raise refused("现金退费金额与退费类型不一致")
    whole = (paid.acct_pay + paid.acct_mulaid_pay, paid.fund_pay_sumamt) if kind != CASH else (0, 0)
    if (account_fen, fund_fen) != whole:
        raise refused("医保退费金额须等于原结算的个人账户与基金支付")
    if cash_fen < 0 or cash_fen > paid.psn_cash_pay - done.cash_fen:
        raise refused("现金退费超过可退金额")
    if kind == ALL and cash_fen != paid.psn_cash_pay:
        raise refused("全部退款的现金须等于原现金支付")
    return Parts(cash_fen, account_fen + fund_fen)


def _reverse(platform: Bureau, call: Call, order: Row) -> str:
    asked = {"setl_id": order["setl_id"], "mdtrt_id": order["mdtrt_id"], "psn_no": order["psn_no"]}
    told = reverse(platform, call, asked, Care.OUTPATIENT)
    return told["setlinfo"]["setl_id"]


def _refunded(platform: Bureau, pay_ord_id: str) -> Parts:
    row = platform.store.row(
        """select coalesce(sum(cash_fen), 0) as cash, coalesce(sum(insured_fen), 0) as insured
           from mobile_refund where pay_ord_id = :number""",
        number=pay_ord_id,
    )
    assert row is not None
    return Parts(row["cash"], row["insured"])


def _state(platform: Bureau, order: Row) -> str:
    cash_fen = _refunded(platform, order["pay_ord_id"]).cash_fen
    insured = platform.store.value(
        "select 1 from mobile_refund where pay_ord_id = :number and kind <> 'CASH'",
        number=order["pay_ord_id"],
    )
    whole = cash_fen == benefit_of(order).psn_cash_pay
    if insured:
        return REFUNDED if whole else INSURED_AND_PART_REFUNDED if cash_fen else INSURED_REFUNDED
    return CASH_REFUNDED if whole else CASH_PART_REFUNDED


TRANSACTIONS = {"6203": Transaction("医保退费", refund)}
