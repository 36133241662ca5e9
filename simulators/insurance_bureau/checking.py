"""3201 and 3202: do hospital and bureau mean the same settlements? First the totals, then row by row.

Everything counts on the Beijing day it happened. A reversal is a row of its own with negated amounts: it
lowers the totals, also the count, on its own day.
"""

import io
import zipfile
from collections.abc import Mapping
from sqlite3 import Row

from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.exchanged_files import find, keep, told_of
from simulators.insurance_bureau.fields import Field, Kind, node, yuan
from simulators.insurance_bureau.numbers import amount_fen, decimal, exact_fen
from simulators.insurance_bureau.persons import INSUTYPES
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.insurance_bureau.setlinfo import CLEARING_TYPES
from simulators.store import stored

EQUAL, UNEQUAL = "0", "1"  # stmt_rslt of totals and of equal rows
BUREAU_ONLY, HOSPITAL_ONLY, DIFFERENT = "101", "102", "103"  # stmt_rslt of a row
NOTHING = "null"
CARES = {number: care for care, number in CLEARING_TYPES.items()}
ROW_FIELDS = (
    "setl_id",
    "mdtrt_id",
    "psn_no",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "acct_pay",
    "refd_setl_flag",
)

PERIOD = (
    Field("clr_type", "清算类别", 6, allowed=tuple(CARES)),
    Field("setl_optins", "结算经办机构", 6),
    Field("stmt_begndate", "对账开始日期", 10, kind=Kind.DAY),
    Field("stmt_enddate", "对账结束日期", 10, kind=Kind.DAY),
    Field("medfee_sumamt", "医疗费总额", 20),
    Field("fund_pay_sumamt", "基金支付总额", 20),
    Field("fixmedins_setl_cnt", "定点医药机构结算笔数", 10),
)
TOTALS = (
    Field("insutype", "险种类型", 6, allowed=INSUTYPES),
    *PERIOD,
    Field("acct_pay", "个人账户支付金额", 20),
)
DETAILS = (*PERIOD, Field("file_qury_no", "文件查询号", 30), Field("cash_payamt", "现金支付金额", 20))
RESULTS = (
    Field("stmt_date", "对账日期", 10, kind=Kind.DAY),
    Field("insutype", "险种类型", 6, needed=False),
    Field("clr_type", "清算类别", 6, needed=False),
)


def check_totals(platform: Bureau, call: Call) -> Output:
    """3201: an unequal total is an answer, not an error."""
    asked = node(call.input, "data", TOTALS)
    rows = settled_between(platform, asked, insutype=asked["insutype"])
    ours = {
        "medfee_sumamt": sum(row["medfee_fen"] for row in rows),
        "fund_pay_sumamt": sum(row["fund_fen"] for row in rows),
        "acct_pay": sum(row["account_fen"] for row in rows),
    }
    told = [
        f"{name} 中心 {yuan(ours_fen)} 机构 {asked[name]}"
        for name, ours_fen in ours.items()
        if ours_fen != amount_fen(asked, name)
    ]
    count = _count(rows)
    if count != decimal(asked, "fixmedins_setl_cnt", places=0):
        told.append(f"fixmedins_setl_cnt 中心 {count} 机构 {asked['fixmedins_setl_cnt']}")
    result = UNEQUAL if told else EQUAL
    _keep_result(platform, call, asked, result)
    return {
        "stmtinfo": {
            "setl_optins": asked["setl_optins"],
            "stmt_rslt": result,
            "stmt_rslt_dscr": "；".join(told)[:200] or "对账平",
        }
    }


def check_details(platform: Bureau, call: Call) -> Output:
    """3202: compares the uploaded rows with ours; the answer is a file of every row with its result."""
    asked = node(call.input, "data", DETAILS)
    theirs = _parsed(find(platform, asked["file_qury_no"], call.now)["content"])
    if len(theirs) != len({(row["setl_id"], row["refd_setl_flag"]) for row in theirs}):
        raise refused("明细文件中结算ID与退费标志重复")
    _check_sums(asked, theirs)
    ours = {(row["setl_id"], _flag(row)): row for row in settled_between(platform, asked)}
    lines = [_compared(ours.pop((row["setl_id"], row["refd_setl_flag"]), None), row) for row in theirs]
    lines += [_line(row, BUREAU_ONLY, "中心有而机构无", _flag(row)) for row in ours.values()]
    name = f"3202_{asked['stmt_begndate']}_{asked['stmt_enddate']}.zip"
    return {"fileinfo": told_of(platform, keep(platform, name, _zipped(lines), call.now))}


def daily_results(platform: Bureau, call: Call) -> Output:
    """13203: the last total check of each insurance and clearing type that ended on this day."""
    asked = node(call.input, "data", RESULTS)
    rows = platform.store.rows(
        """select * from statement where ends = :day and :insutype in ('', insutype)
           and :clr_type in ('', clr_type)
           and seq in (select max(seq) from statement group by begins, ends, insutype, clr_type)""",
        day=asked["stmt_date"],
        insutype=asked["insutype"],
        clr_type=asked["clr_type"],
    )
    return {
        "result": [
            {
                "stmt_date": row["ends"],
                "stmt_rslt": row["stmt_rslt"],
                "clr_type": row["clr_type"],
                "insutype": row["insutype"],
                "clr_pay_loc": "1",
            }
            for row in rows
        ]
    }


def settled_between(platform: Bureau, asked: Mapping[str, str], *, insutype: str = "") -> list[Row]:
    """Settlements and reversals of these days, both included."""
    if asked["stmt_begndate"] > asked["stmt_enddate"]:
        raise ill_formed("stmt_enddate", "对账结束日期早于开始日期")
    return platform.store.rows(
        """select claim.*, settlement.msgid, settlement.reverses from claim
           join settlement on settlement.setl_id = claim.setl_id
           where day between :first and :last and care = :care and :insutype in ('', insutype)
           order by settlement.seq""",
        first=asked["stmt_begndate"],
        last=asked["stmt_enddate"],
        care=CARES[asked["clr_type"]],
        insutype=insutype,
    )


def _count(rows: list[Row]) -> int:
    return sum(-1 if row["reverses"] else 1 for row in rows)


def _keep_result(platform: Bureau, call: Call, asked: Mapping[str, str], result: str) -> None:
    platform.store.run(
        """insert into statement (begins, ends, insutype, clr_type, stmt_rslt, at)
           values (:begins, :ends, :insutype, :clr_type, :result, :at)""",
        begins=asked["stmt_begndate"],
        ends=asked["stmt_enddate"],
        insutype=asked["insutype"],
        clr_type=asked["clr_type"],
        result=result,
        at=stored(call.now),
    )


def _parsed(content: bytes) -> list[dict[str, str]]:
    """The rows of the zipped text: one a line, tab between, `null` for nothing; more columns pass unread."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            text = archive.read(archive.namelist()[0]).decode("utf-8-sig")
    except (zipfile.BadZipFile, IndexError, UnicodeDecodeError) as error:
        raise refused("明细文件须为 ZIP 压缩的 UTF-8 文本") from error
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    if any(len(row) < len(ROW_FIELDS) for row in rows):
        raise refused(f"明细文件每行须有 {len(ROW_FIELDS)} 列，以制表符分隔")
    return [dict(zip(ROW_FIELDS, row, strict=False)) for row in rows]


def _check_sums(asked: Mapping[str, str], theirs: list[dict[str, str]]) -> None:
    for name in ("medfee_sumamt", "fund_pay_sumamt"):
        if sum(_fen(row[name]) for row in theirs) != amount_fen(asked, name):
            raise refused(f"明细文件的 {name} 合计与申报不一致")
    count = sum(-1 if row["refd_setl_flag"] == "1" else 1 for row in theirs)
    if count != decimal(asked, "fixmedins_setl_cnt", places=0):
        raise refused("明细文件的笔数与申报不一致")


def _compared(ours: Row | None, theirs: dict[str, str]) -> list[str]:
    flag = theirs["refd_setl_flag"]
    if ours is None:
        return [
            theirs["psn_no"],
            theirs["mdtrt_id"],
            theirs["setl_id"],
            NOTHING,
            HOSPITAL_ONLY,
            flag,
            "机构有而中心无",
            *(theirs[name] for name in ROW_FIELDS[3:6]),
        ]
    known = (ours["medfee_fen"], ours["fund_fen"], ours["account_fen"])
    if known == tuple(_fen(theirs[name]) for name in ROW_FIELDS[3:6]):
        return _line(ours, EQUAL, NOTHING, flag)
    return _line(ours, DIFFERENT, "金额不一致", flag)


def _line(row: Row, result: str, memo: str, flag: str) -> list[str]:
    amounts = [str(yuan(row[name])) for name in ("medfee_fen", "fund_fen", "account_fen")]
    return [row["psn_no"], row["mdtrt_id"], row["setl_id"], row["msgid"], result, flag, memo, *amounts]


def _flag(row: Row) -> str:
    return "1" if row["reverses"] else "0"


def _fen(text: str) -> int:
    try:
        return exact_fen(text)
    except ValueError as error:
        raise refused(f"明细文件中的金额 {text[:20]} 不正确") from error


def _zipped(lines: list[list[str]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("result.txt", "".join("\t".join(line) + "\n" for line in lines))
    return packed.getvalue()


TRANSACTIONS: dict[str, Transaction] = {
    "3201": Transaction("医药机构费用结算对总账", check_totals),
    "3202": Transaction("医药机构费用结算对明细账", check_details),
    "13203": Transaction("日对账结果查询", daily_results),
}
