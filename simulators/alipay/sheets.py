"""The files of Alipay's bills: a zip of two GBK tables, each between lines that begin with `#`.

Header, footer, the tab after each text and the signs (a refund and a fee are negative) follow
published files; names inside the zip are GBK bytes without the UTF-8 flag, as archivers in China
write them.
"""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO

from app.kernel.clock import LOCAL
from simulators.alipay.platform import Alipay
from simulators.bill_lines import Line, totals_of
from simulators.bills import Period
from simulators.book import Move, balance_before, moves_of
from simulators.people import find_payer
from simulators.wording import local, yuan

KINDS = ("trade", "signcustomer")
TRADE = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
    "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
TRADE_SUMS = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
    "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
FUNDS = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,"
    "交易渠道,业务类型,备注"
)
FUND_SUMS = "类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）"
BUSINESS = {"payment": "在线支付", "fee": "收费", "refund_accepted": "交易退款"}
OTHER_BUSINESS = "其它"  # whatever else moves the merchant's money
BARE = str.maketrans({",": " ", "\t": " ", "\r": " ", "\n": " "})  # no published rule for these: no quoting


def account(platform: Alipay) -> str:
    """The merchant's account number: the user id and a suffix that is the same for everybody."""
    return f"{platform.identity.pid}0156"


def trade_zip(platform: Alipay, period: Period, lines: Sequence[Line], now: datetime) -> bytes | None:
    """Details and totals of trades and refunds; None when there were none."""
    if not lines:
        return None
    paid = [line for line in lines if not line.is_refund]
    back = [line for line in lines if line.is_refund]
    paid_sum, back_sum = yuan(totals_of(paid).paid_fen), yuan(-totals_of(back).refund_fen)
    details = [
        *_head(platform, period, "#支付宝业务明细查询"),
        _begin("业务明细列表"),
        TRADE,
        *(_trade_row(platform, line) for line in lines),
        _end("业务明细列表", 41),
        f"#交易合计：{len(paid)}笔，商家实收共{paid_sum}元，商家优惠共0.00元",
        f"#退款合计：{len(back)}笔，商家实收退款共{back_sum}元，商家优惠退款共0.00元",
        _exported(now),
    ]
    sums = [
        *_head(platform, period, "#支付宝业务汇总查询"),
        _begin("业务汇总列表"),
        TRADE_SUMS,
        _trade_sums(lines, "\t"),
        _trade_sums(lines, "合计\t"),
        _end("业务汇总列表", 40),
        _exported(now),
    ]
    return _zipped(platform, period, now, {"业务明细": details, "业务明细(汇总)": sums})


def fund_zip(platform: Alipay, period: Period, now: datetime) -> bytes | None:
    """Each movement of the merchant's balance, and its totals; None when nothing moved."""
    moves = moves_of(platform.store, platform.clearing, period.begin, period.end)
    if not moves:
        return None
    income = [move.amount_fen for move in moves if move.amount_fen > 0]
    spent = [move.amount_fen for move in moves if move.amount_fen < 0]
    details = [
        *_head(platform, period, "#支付宝账务明细查询"),
        _begin("账务明细列表"),
        FUNDS,
        *_fund_rows(platform, period, moves),
        _end("账务明细列表", 41),
        f"#支出合计：{len(spent)}笔，共{yuan(sum(spent))}元",
        f"#收入合计：{len(income)}笔，共{yuan(sum(income))}元",
        _exported(now),
    ]
    sums = [
        *_head(platform, period, "#支付宝账务汇总查询"),
        _begin("账务汇总列表"),
        FUND_SUMS,
        *_fund_sums(moves),
        _end("账务汇总列表", 40),
        _exported(now),
    ]
    return _zipped(platform, period, now, {"账务明细": details, "账务明细(汇总)": sums})


def _head(platform: Alipay, period: Period, title: str) -> list[str]:
    begin, end = (at.astimezone(LOCAL).strftime("%Y年%m月%d日 %H:%M:%S") for at in (period.begin, period.end))
    return [title, f"#账号：[{account(platform)}]", f"#起始日期：[{begin}]   终止日期：[{end}]"]


def _begin(name: str) -> str:
    return f"#{'-' * 41}{name}{'-' * 40}"


def _end(name: str, dashes: int) -> str:
    """The closing line of a table; details and totals begin with another number of dashes."""
    return f"#{'-' * dashes}{name}结束{'-' * (77 - dashes)}"


def _exported(now: datetime) -> str:
    return f"#导出时间：[{now.astimezone(LOCAL).strftime('%Y年%m月%d日 %H:%M:%S')}]"


def _trade_row(platform: Alipay, line: Line) -> str:
    amount = yuan(-line.amount_fen if line.is_refund else line.amount_fen)
    cells = [
        f"{line.trade_no}\t",
        f"{line.out_trade_no}\t",
        "退款\t" if line.is_refund else "交易\t",
        line.title.translate(BARE),
        local(line.created_at),
        local(line.at),
        *["\t"] * 4,  # store and its name, operator, terminal
        f"{_counterparty(platform, line.payer)}\t",
        amount,
        amount,
        *["0.00"] * 5,  # discounts
        "",
        "0.00\t",
        "0.00",
        f"{line.out_refund_no}\t",
        yuan(-line.fee_fen),
        "0.00",
        "",
    ]
    return ",".join(cells)


def _trade_sums(lines: Sequence[Line], who: str) -> str:
    totals = totals_of(lines)
    amount_fen = totals.paid_fen - totals.refund_fen
    cells = [
        who,
        "\t",
        str(totals.paid_count),
        str(totals.refund_count),
        yuan(amount_fen),
        yuan(amount_fen),
        *["0.00"] * 3,
        yuan(-totals.fee_fen),
        "0.00",
        yuan(amount_fen - totals.fee_fen),
    ]
    return ",".join(cells)


def _fund_rows(platform: Alipay, period: Period, moves: Sequence[Move]) -> list[str]:
    balance_fen = balance_before(platform.store, platform.clearing, period.begin)
    rows: list[str] = []
    for move in moves:
        balance_fen += move.amount_fen
        rows.append(_fund_row(platform, move, balance_fen))
    return rows


def _fund_row(platform: Alipay, move: Move, balance_fen: int) -> str:
    reference = move.reference.partition("/")[0]
    trade = platform.store.row("select * from trade where out_trade_no = :no", no=reference)
    cells = [
        f"{local(move.at)[:10].replace('-', '')}{move.seq:012d}\t",
        f"{trade['trade_no'] if trade is not None else ''}\t",
        f"{reference}\t",
        f"{trade['subject'].translate(BARE) if trade is not None else ''}\t",
        local(move.at),
        f"{_counterparty(platform, trade['payer']) if trade is not None else ''}\t",
        yuan(max(move.amount_fen, 0)),
        yuan(min(move.amount_fen, 0)),
        yuan(balance_fen),
        "支付宝",
        BUSINESS.get(move.kind, OTHER_BUSINESS),
        "",
    ]
    return ",".join(cells)


def _fund_sums(moves: Sequence[Move]) -> list[str]:
    by_kind: dict[str, list[int]] = {}
    for move in moves:
        by_kind.setdefault(BUSINESS.get(move.kind, OTHER_BUSINESS), []).append(move.amount_fen)
    by_kind["合计"] = [move.amount_fen for move in moves]
    return [_fund_sum(name, amounts) for name, amounts in by_kind.items()]


def _fund_sum(name: str, amounts: Sequence[int]) -> str:
    income, spent = [fen for fen in amounts if fen > 0], [fen for fen in amounts if fen < 0]
    cells = [name, str(len(income)), yuan(sum(income)), str(len(spent)), yuan(sum(spent)), yuan(sum(amounts))]
    return ",".join(cells)


def _counterparty(platform: Alipay, payer_id: str) -> str:
    """A name and an account the merchant may see: both masked."""
    payer = find_payer(platform.store, payer_id)
    number = payer.id if payer is not None else payer_id
    return f"**({number[-11:-8]}****{number[-4:]})"


def _zipped(platform: Alipay, period: Period, now: datetime, tables: Mapping[str, Sequence[str]]) -> bytes:
    packed = BytesIO()
    stem = f"{account(platform)}_{period.name.replace('-', '')}"
    stamp = now.astimezone(LOCAL).timetuple()[:6]
    renamed: dict[bytes, bytes] = {}
    with zipfile.ZipFile(packed, "w") as archive:
        for name, lines in tables.items():
            wanted = f"{stem}_{name}.csv".encode("gbk")
            standing_in = f"{stem}_".ljust(len(wanted), chr(ord("a") + len(renamed)))
            renamed[standing_in.encode()] = wanted
            info = zipfile.ZipInfo(standing_in, stamp)
            info.compress_type = zipfile.ZIP_DEFLATED
            text = "".join(f"{line}\r\n" for line in lines)
            archive.writestr(info, text.encode("gbk", errors="replace"))
    content = packed.getvalue()
    for ascii_name, gbk_name in renamed.items():  # zipfile itself would flag the name as UTF-8
        assert content.count(ascii_name) == 2, "once before the member, once in the directory"
        content = content.replace(ascii_name, gbk_name)
    return content
