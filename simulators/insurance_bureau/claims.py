"""2206, 2207, 2303 and 2304: what insurance would pay, and what it pays.

A pre-settlement changes nothing and says the same every time as long as nothing else happens. A settlement
ties its fees down, counts what was used, and owes the hospital what the funds and the account pay.
"""

from datetime import datetime
from sqlite3 import Row
from typing import Any

import msgspec

from simulators.insurance_bureau import benefits, fees, persons
from simulators.insurance_bureau.benefits import Benefit, Care, less_covered
from simulators.insurance_bureau.calls import Call, Exchange, Output, Transaction
from simulators.insurance_bureau.fields import Field, node, yuan
from simulators.insurance_bureau.mishaps import DIFFERS, SETTLE_REFUSED
from simulators.insurance_bureau.numbers import amount_fen
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.records import Settled, check_undoable, free_lines, remove, struck, write
from simulators.insurance_bureau.refusals import refused
from simulators.insurance_bureau.setlinfo import told_of
from simulators.insurance_bureau.standing import DISCHARGED, Case, case_of, visit_of, year_of
from simulators.insurance_bureau.visits import Visit

COMMON = (
    Field("psn_no", "人员编号", 30),
    *persons.CERT,
    Field("medfee_sumamt", "医疗费总额", 20),
    Field("psn_setlway", "个人结算方式", 6),
    Field("mdtrt_id", "就诊ID", 30),
    Field("insutype", "险种类型", 6),
    Field("acct_used_flag", "个人账户使用标志", 3, allowed=("0", "1")),
    Field("invono", "发票号", 20, needed=False),
)
OUTPATIENT = (*COMMON, Field("med_type", "医疗类别", 6), Field("chrg_bchno", "收费批次号", 30))
INPATIENT = (*COMMON, Field("mid_setl_flag", "中途结算标志", 3, needed=False, allowed=("0", "1")))

DIFFERENCE_FEN = 100


class Asked(msgspec.Struct, frozen=True):
    """One settlement that is asked for: of which lines, by which rules, with what result."""

    values: dict[str, str]
    case: Case
    lines: list[Row]
    benefit: Benefit


def presettle_outpatient(platform: Bureau, call: Call) -> Output:
    """2206."""
    return _told(platform, call, _outpatient(platform, call))


def settle_outpatient(platform: Bureau, call: Call) -> Output:
    """2207."""
    return settle(platform, call, _outpatient(platform, call))


def presettle_inpatient(platform: Bureau, call: Call) -> Output:
    """2303: before the discharge too, to see where the stay stands."""
    return _told(platform, call, _inpatient(platform, call))


def settle_inpatient(platform: Bureau, call: Call) -> Output:
    """2304: after the discharge (2402), unless it is a settlement in between."""
    asked = _inpatient(platform, call)
    if asked.case.visit.state != DISCHARGED and asked.values["mid_setl_flag"] != "1":
        raise refused("尚未办理出院（2402），不能结算")
    return settle(platform, call, asked)


def settle(platform: Bureau, call: Call, asked: Asked) -> Output:
    """Settle what was asked for, unless a fault forbids it. Used by the mobile family too."""
    if struck(platform, call, SETTLE_REFUSED):
        raise refused("结算失败：参保人待遇封锁，请联系参保地经办机构")
    differs = struck(platform, call, DIFFERS)
    benefit = less_covered(asked.benefit, DIFFERENCE_FEN) if differs else asked.benefit
    visit, setl_id = asked.case.visit, platform.number("A", call.now)
    told = _told(platform, call, msgspec.structs.replace(asked, benefit=benefit))
    told["setlinfo"] |= {"setl_id": setl_id, "medins_setl_id": call.msgid}
    for line in asked.lines:
        platform.store.run(
            "update fee set setl_id = :id, freed_from = null where seq = :seq", id=setl_id, seq=line["seq"]
        )
    settled = Settled(
        setl_id=setl_id,
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.psn_no,
        insutype=visit.insutype,
        care=visit.kind,
        chrg_bchno=asked.values.get("chrg_bchno", ""),
        msgid=call.msgid,
        infno=call.infno,
        at=call.now,
        year=year_of(call.now),
        benefit=benefit,
        told=told,
    )
    write(platform, settled)
    return told


def undo_settlement(platform: Bureau, exchange: Exchange, now: datetime) -> None:
    """2601 of a settlement: it never was. Refused once it is reversed, cleared or followed by another."""
    setl_id = str(exchange.output["setlinfo"]["setl_id"])
    check_undoable(platform, setl_id)
    free_lines(platform, setl_id)
    remove(platform, setl_id, now)


def asked_of(platform: Bureau, call: Call, values: dict[str, str], visit: Visit, lines: list[Row]) -> Asked:
    """Check what the hospital says against what it uploaded, and compute the result."""
    person = persons.named(platform, values["psn_no"])
    if person.psn_insu_stas != "1":
        raise refused("参保人暂停参保，不能享受医保结算")
    if values["insutype"] != visit.insutype:
        raise refused("险种类型与就诊登记不一致")
    if not lines:
        raise refused("没有未结算的费用明细；已结算的不能重复结算")
    if any(line["setl_id"] for line in lines):
        raise refused(f"收费批次 {lines[0]['chrg_bchno']} 已结算，不能重复结算")
    uploaded_fen = sum(line["amount_fen"] for line in lines)
    if amount_fen(values, "medfee_sumamt") != uploaded_fen:
        raise refused(f"医疗费总额与已上传明细合计 {yuan(uploaded_fen)} 不一致")
    case = case_of(platform, visit, call.now, uses_account=values["acct_used_flag"] == "1")
    splits = [fees.split_of(line) for line in lines]
    return Asked(values, case, lines, benefits.settle(splits, case.plan, case.used, case.means))


def _outpatient(platform: Bureau, call: Call) -> Asked:
    values = node(call.input, "data", OUTPATIENT)
    visit = _visit(platform, call, values, Care.OUTPATIENT)
    if not visit.informed:
        raise refused("未上传就诊信息（2203），不能结算")
    if values["med_type"] != visit.med_type:
        raise refused("医疗类别与就诊登记不一致")
    lines = fees.of_visit(platform.store, visit.mdtrt_id, chrg_bchno=values["chrg_bchno"])
    return asked_of(platform, call, values, visit, lines)


def _inpatient(platform: Bureau, call: Call) -> Asked:
    values = node(call.input, "data", INPATIENT)
    visit = _visit(platform, call, values, Care.INPATIENT)
    lines = fees.of_visit(platform.store, visit.mdtrt_id)
    return asked_of(platform, call, values, visit, [line for line in lines if line["setl_id"] is None])


def _visit(platform: Bureau, call: Call, values: dict[str, str], care: Care) -> Visit:
    visit = visit_of(platform, values, care)
    persons.check_credential(platform, values["psn_no"], values, visit.mdtrt_id, call.now)
    return visit


def _told(platform: Bureau, call: Call, asked: Asked) -> dict[str, Any]:
    return told_of(platform, asked.case, asked.benefit, asked.values["mdtrt_cert_type"], call.now)


TRANSACTIONS = {
    "2206": Transaction("门诊预结算", presettle_outpatient),
    "2207": Transaction("门诊结算", settle_outpatient, undo_settlement),
    "2303": Transaction("住院预结算", presettle_inpatient),
    "2304": Transaction("住院结算", settle_inpatient, undo_settlement),
}
