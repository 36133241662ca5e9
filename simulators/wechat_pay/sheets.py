"""The files of WeChat Pay's bills: UTF-8 with a byte order mark, CRLF, a back-tick before each value.

Mark, line ends and the back-ticks (details and totals, not the two header rows) are those of a
published file whose SHA1 is known; the columns are the platform's own lists.
"""

from collections.abc import Mapping, Sequence

from simulators.bill_lines import Line, totals_of
from simulators.bills import Period
from simulators.book import Move, balance_before, moves_of
from simulators.wechat_pay.platform import WechatPay
from simulators.wording import local, yuan

WHO = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额"
)
BACK = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
WHAT = "商品名称,商户数据包,手续费,费率,订单金额"
ALL_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"

TRADES = {
    "ALL": (f"{WHO},{BACK},{WHAT},申请退款金额,费率备注", ALL_SUMS),
    "SUCCESS": (f"{WHO},{WHAT},费率备注", "总交易单数,应结订单总金额,手续费总金额,订单总金额"),
    "REFUND": (f"{WHO},退款申请时间,退款成功时间,{BACK},{WHAT},申请退款金额,费率备注", ALL_SUMS),
}
FUNDS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FUND_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"

# The bill's words for a refund are not those of the refund API.
REFUND_STATES = {"PROCESSING": "PROCESSING", "SUCCESS": "SUCCESS", "CLOSED": "FAIL", "ABNORMAL": "CHANGE"}
BUSINESS = {
    "payment": ("交易", "交易"),
    "fee": ("交易", "扣除交易手续费"),
    "refund_accepted": ("退款", "退款"),
    "refund_closed": ("退款", "退款关闭"),
}
OTHER_BUSINESS = ("其他", "其他")  # whatever else moves the merchant's money, under its own reference
TRADE_OF = """select transaction_id as number, transaction_id, amount_fen
              from trade where out_trade_no = :reference"""
REFUND_OF = """select refund_id as number, transaction_id, refund.amount_fen
               from refund join trade using (out_trade_no) where out_refund_no = :reference"""
ESCAPES = str.maketrans({",": "\\ ", "\r": "\\r", "\n": "\\n", "\x01": " "})


def trade_sheets(platform: WechatPay, lines: Sequence[Line]) -> dict[str, bytes]:
    """ALL, SUCCESS and REFUND; a kind without rows has no file."""
    of_kind = {
        "ALL": lines,
        "SUCCESS": [line for line in lines if not line.is_refund],
        "REFUND": [line for line in lines if line.is_refund],
    }
    return {
        kind: _file(*TRADES[kind], [_cells(platform, line) for line in told], _sums(told))
        for kind, told in of_kind.items()
        if told
    }


def fund_sheet(platform: WechatPay, period: Period) -> bytes | None:
    """Each movement of the basic account and the balance after it; None when nothing moved."""
    balance_fen = balance_before(platform.store, platform.clearing, period.begin)
    rows: list[Mapping[str, str]] = []
    gained: list[int] = []
    for move in moves_of(platform.store, platform.clearing, period.begin, period.end):
        balance_fen += move.amount_fen
        gained.append(move.amount_fen)
        rows.append(_fund_cells(platform, move, balance_fen))
    income = [fen for fen in gained if fen > 0]
    spent = [-fen for fen in gained if fen < 0]
    sums = {
        "资金流水总笔数": str(len(gained)),
        "收入笔数": str(len(income)),
        "收入金额": yuan(sum(income)),
        "支出笔数": str(len(spent)),
        "支出金额": yuan(sum(spent)),
    }
    return _file(FUNDS, FUND_SUMS, rows, sums) if rows else None


def _file(
    columns: str, sum_columns: str, rows: Sequence[Mapping[str, str]], sums: Mapping[str, str]
) -> bytes:
    names = columns.split(",")
    lines = [columns, *(_ticked(row, names) for row in rows)]
    lines += [sum_columns, _ticked(sums, sum_columns.split(","))]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig")


def _ticked(row: Mapping[str, str], names: Sequence[str]) -> str:
    return ",".join(f"`{row[name].translate(ESCAPES)}" for name in names)


def _cells(platform: WechatPay, line: Line) -> dict[str, str]:
    """Every column of any trade bill; each file takes those it has."""
    paid = "0.00" if line.is_refund else yuan(line.amount_fen)
    refunded = yuan(line.amount_fen) if line.is_refund else "0.00"
    refunding = "REVOKED" if line.is_reversal else "REFUND"
    return {
        "交易时间": local(line.at),
        "公众账号ID": platform.identity.appid,
        "商户号": platform.identity.mchid,
        "特约商户号": "0",
        "设备号": "",
        "微信订单号": line.trade_no,
        "商户订单号": line.out_trade_no,
        "用户标识": line.payer,
        "交易类型": line.trade_type,
        "交易状态": refunding if line.is_refund else "SUCCESS",
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": paid,
        "代金券金额": "0.00",
        "退款申请时间": local(line.at) if line.is_refund else "",
        "退款成功时间": local(line.done_at) if line.refund_state == "SUCCESS" and line.done_at else "",
        "微信退款单号": line.refund_no or "0",
        "商户退款单号": line.out_refund_no or "0",
        "退款金额": refunded,
        "充值券退款金额": "0.00",
        "退款类型": "ORIGINAL" if line.is_refund else "",
        "退款状态": REFUND_STATES[line.refund_state] if line.is_refund else "",
        "商品名称": line.title,
        "商户数据包": line.attach,
        "手续费": _fee(line.fee_fen),
        "费率": f"{yuan(line.basis_points)}%",
        "订单金额": paid,
        "申请退款金额": refunded,
        "费率备注": "",
    }


def _sums(lines: Sequence[Line]) -> dict[str, str]:
    totals = totals_of(lines)
    return {
        "总交易单数": str(len(lines)),
        "应结订单总金额": yuan(totals.paid_fen),
        "退款总金额": yuan(totals.refund_fen),
        "充值券退款总金额": "0.00",
        "手续费总金额": _fee(totals.fee_fen),
        "订单总金额": yuan(totals.paid_fen),
        "申请退款总金额": yuan(totals.refund_fen),
    }


def _fee(fee_fen: int) -> str:
    """Rounded to the fen, written with five decimals."""
    return f"{yuan(fee_fen)}000"


def _fund_cells(platform: WechatPay, move: Move, balance_fen: int) -> dict[str, str]:
    name, kind = BUSINESS.get(move.kind, OTHER_BUSINESS)
    is_refund = name == "退款"
    row = platform.store.row(REFUND_OF if is_refund else TRADE_OF, reference=move.reference)
    number, transaction_id = (row["number"], row["transaction_id"]) if row is not None else ("", "")
    return {
        "记账时间": local(move.at),
        "微信支付业务单号": number,
        "资金流水单号": transaction_id,
        "业务名称": name,
        "业务类型": kind,
        "收支类型": "收入" if move.amount_fen > 0 else "支出",
        "收支金额(元)": yuan(abs(move.amount_fen)),
        "账户结余(元)": yuan(balance_fen),
        "资金变更提交申请人": f"{platform.identity.mchid}API" if is_refund else "system",
        "备注": _fee_remark(row["amount_fen"], abs(move.amount_fen)) if is_refund and row is not None else "",
        "业务凭证号": move.reference,
    }


def _fee_remark(refund_fen: int, moved_fen: int) -> str:
    return f"退款总金额{yuan(refund_fen)}元;含手续费{yuan(refund_fen - moved_fen)}元"
