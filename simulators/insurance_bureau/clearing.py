"""3203 and 3204: the hospital asks to be paid for a period; what is cleared can no longer be reversed."""

from datetime import date
from typing import Any

from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.checking import CARES
from simulators.insurance_bureau.fields import Field, Kind, node
from simulators.insurance_bureau.numbers import amount_fen
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import refused

APPLICATION = (
    Field("clr_type", "清算类别", 6, allowed=tuple(CARES)),
    Field("clr_way", "清算方式", 6),
    Field("setlym", "清算年月", 6, kind=Kind.DIGITS),
    Field("psntime", "清算人次", 10, kind=Kind.COUNT),
    Field("medfee_sumamt", "医疗费总额", 20),
    Field("med_sumfee", "医保认可费用总额", 20),
    Field("fund_appy_sum", "基金申报总额", 20),
    Field("cash_payamt", "现金支付金额", 20),
    Field("acct_pay", "个人账户支出", 20),
    Field("begndate", "开始日期", 10, kind=Kind.DAY),
    Field("enddate", "结束日期", 10, kind=Kind.DAY),
)
WITHDRAWAL = (Field("clr_optins", "清算经办机构", 6), Field("clr_appy_evt_id", "机构清算申请事件ID", 30))


def apply(platform: Bureau, call: Call) -> Output:
    """3203: everything of the period that is not cleared yet; its sums must be the hospital's."""
    asked = node(call.input, "data", APPLICATION)
    number = platform.number("Q", call.now)
    marked = platform.store.run(
        """update claim set cleared_by = :number where cleared_by is null
           and care = :care and day between :first and :last""",
        number=number,
        care=CARES[asked["clr_type"]],
        first=asked["begndate"],
        last=asked["enddate"],
    )
    if marked == 0:
        raise refused("该期间没有待清算的结算")
    _check_sums(platform, asked, number)
    return {"result": {"clr_appy_evt_id": number}}


def withdraw(platform: Bureau, call: Call) -> Output:
    """3204."""
    asked = node(call.input, "data", WITHDRAWAL)
    freed = platform.store.run(
        "update claim set cleared_by = null where cleared_by = :number", number=asked["clr_appy_evt_id"]
    )
    if freed == 0:
        raise refused(f"清算申请 {asked['clr_appy_evt_id']} 不存在或已撤销")
    return {"result": {"clr_appy_evt_id": asked["clr_appy_evt_id"]}}


def close_day(platform: Bureau, day: date) -> int:
    """The bureau clears a day by itself; returns how many settlements and reversals it held."""
    return platform.store.run(
        "update claim set cleared_by = :reference where cleared_by is null and day = :day",
        reference=f"day:{day}",
        day=f"{day}",
    )


def _check_sums(platform: Bureau, asked: dict[str, str], number: str) -> None:
    row: Any = platform.store.row(
        """select sum(medfee_fen) as medfee_sumamt, sum(fund_fen) as fund_appy_sum,
                  sum(account_fen) as acct_pay, sum(cash_fen) as cash_payamt
           from claim where cleared_by = :number""",
        number=number,
    )
    for name in row.keys():  # noqa: SIM118  # a Row without keys() yields its values
        if row[name] != amount_fen(asked, name):
            raise refused(f"{name} 与中心合计不一致，请先对账（3201）")


TRANSACTIONS = {
    "3203": Transaction("清算申请", apply),
    "3204": Transaction("清算申请撤销", withdraw),
}
