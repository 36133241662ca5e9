"""2208 and 2305: a settlement is taken back whole, and told with every amount negated.

There is no part reversal: reverse, take the unwanted fees back (2205, 2302), settle the rest anew.
"""

from collections.abc import Mapping
from datetime import datetime
from sqlite3 import Row
from typing import Any

import msgspec

from simulators.book import balance_fen
from simulators.insurance_bureau.benefits import Benefit, Care, negated
from simulators.insurance_bureau.calls import Call, Exchange, Output, Transaction
from simulators.insurance_bureau.fields import Field, node, written
from simulators.insurance_bureau.mishaps import REVERSAL_REFUSED
from simulators.insurance_bureau.platform import Bureau, account
from simulators.insurance_bureau.records import (
    Settled,
    benefit_of,
    check_undoable,
    claim_of,
    free_lines,
    remove,
    struck,
    tie_lines_again,
    write,
)
from simulators.insurance_bureau.refusals import refused
from simulators.insurance_bureau.setlinfo import CLEARING_TYPES, CLEARING_WAY, amounts_of, details_of
from simulators.store import stored

FIELDS = (
    Field("setl_id", "结算ID", 30),
    Field("mdtrt_id", "就诊ID", 30),
    Field("psn_no", "人员编号", 30),
)


def reverse_outpatient(platform: Bureau, call: Call) -> Output:
    """2208."""
    return reverse(platform, call, node(call.input, "data", FIELDS), Care.OUTPATIENT)


def reverse_inpatient(platform: Bureau, call: Call) -> Output:
    """2305."""
    return reverse(platform, call, node(call.input, "data", FIELDS), Care.INPATIENT)


def reverse(platform: Bureau, call: Call, asked: Mapping[str, str], care: Care) -> Output:
    """Give funds and account their money back, and free the fees. Used by the mobile family too."""
    original = _original(platform, asked, care)
    check_undoable(platform, original["setl_id"])
    if struck(platform, call, REVERSAL_REFUSED):
        raise refused("撤销失败：参保地中心不允许撤销该笔结算，请联系经办机构")
    claim = claim_of(platform.store, original["setl_id"])
    setl_id = platform.number("A", call.now)
    benefit = _backwards(platform, benefit_of(claim), claim["psn_no"])
    told = _told(platform, call, setl_id, claim, benefit)
    platform.store.run(
        "update settlement set reversed_at = :at where setl_id = :id",
        at=stored(call.now),
        id=original["setl_id"],
    )
    settled = Settled(
        setl_id=setl_id,
        mdtrt_id=claim["mdtrt_id"],
        psn_no=claim["psn_no"],
        insutype=claim["insutype"],
        care=care,
        chrg_bchno=claim["chrg_bchno"],
        msgid=call.msgid,
        infno=call.infno,
        at=call.now,
        year=claim["year"],
        benefit=benefit,
        told=told,
        reverses=original["setl_id"],
    )
    write(platform, settled)
    free_lines(platform, original["setl_id"])
    return told


def undo_reversal(platform: Bureau, exchange: Exchange, now: datetime) -> None:
    """2601 of a reversal: the settlement stands again, if nothing has happened to it since."""
    setl_id = str(exchange.output["setlinfo"]["setl_id"])
    row = platform.store.row("select reverses from settlement where setl_id = :id", id=setl_id)
    assert row is not None
    original, benefit = row["reverses"], benefit_of(claim_of(platform.store, row["reverses"]))
    check_undoable(platform, setl_id)
    psn_no = claim_of(platform.store, original)["psn_no"]
    if balance_fen(platform.store, account(psn_no)) < benefit.acct_pay:
        raise refused("个人账户余额已变动，不能冲正该撤销")
    tie_lines_again(platform, original, benefit.medfee_sumamt)
    remove(platform, setl_id, now)
    platform.store.run("update settlement set reversed_at = null where setl_id = :id", id=original)


def _original(platform: Bureau, asked: Mapping[str, str], care: Care) -> Row:
    row = platform.store.row("select * from settlement where setl_id = :id", id=asked["setl_id"])
    if row is None or row["reverses"] is not None:
        raise refused(f"结算 {asked['setl_id']} 不存在")
    claim = claim_of(platform.store, asked["setl_id"])
    if (claim["mdtrt_id"], claim["psn_no"]) != (asked["mdtrt_id"], asked["psn_no"]):
        raise refused("结算ID与就诊ID、人员编号不一致")
    if claim["care"] != care:
        raise refused("门诊结算用 2208 撤销，住院结算用 2305 撤销")
    return row


def _backwards(platform: Bureau, benefit: Benefit, psn_no: str) -> Benefit:
    balance = balance_fen(platform.store, account(psn_no)) + benefit.acct_pay
    return msgspec.structs.replace(negated(benefit), balc=balance)


def _told(platform: Bureau, call: Call, setl_id: str, claim: Row, benefit: Benefit) -> dict[str, Any]:
    setlinfo = {
        "mdtrt_id": claim["mdtrt_id"],
        "setl_id": setl_id,
        "psn_no": claim["psn_no"],
        "setl_time": written(call.now),
        **amounts_of(benefit),
        "medins_setl_id": call.msgid,
        "clr_optins": platform.identity.admdvs,
        "clr_way": CLEARING_WAY,
        "clr_type": CLEARING_TYPES[claim["care"]],
    }
    return {"setlinfo": setlinfo, "setldetail": details_of(claim["insutype"], benefit, {})}


TRANSACTIONS = {
    "2208": Transaction("门诊结算撤销", reverse_outpatient, undo_reversal),
    "2305": Transaction("住院结算撤销", reverse_inpatient, undo_reversal),
}
