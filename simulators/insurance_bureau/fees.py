"""2204, 2205, 2301 and 2302: fee details come in line by line, are split at once, and may be taken back.

A line belongs to its visit and, at the clinic, to a batch (chrg_bchno). It stays until it is taken back; a
settlement ties it down, a reversal frees it again.
"""

from collections.abc import Mapping
from decimal import Decimal
from sqlite3 import Row
from typing import Any

import msgspec

from simulators.insurance_bureau import catalogue
from simulators.insurance_bureau.benefits import Care, Level, Line, LineSplit, share_fen, split_line
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.catalogue import Item
from simulators.insurance_bureau.fields import Field, Kind, node, rows, second, yuan
from simulators.insurance_bureau.numbers import amount_fen, decimal
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import refused
from simulators.insurance_bureau.standing import visit_of
from simulators.store import Store, stored

ALL = "0000"  # a batch or detail number that means: whatever is not settled
OWN_CHOICE = "2"  # hosp_appr_flag: the hospital bills the line as self-pay

COMMON = (
    Field("feedetl_sn", "费用明细流水号", 30),
    Field("mdtrt_id", "就诊ID", 30),
    Field("psn_no", "人员编号", 30),
    Field("fee_ocur_time", "费用发生时间", 19, kind=Kind.SECOND),
    Field("med_list_codg", "医疗目录编码", 50),
    Field("medins_list_codg", "医药机构目录编码", 150),
    Field("det_item_fee_sumamt", "明细项目费用总额", 20),
    Field("cnt", "数量", 20),
    Field("pric", "单价", 20),
    Field("bilg_dept_codg", "开单科室编码", 30),
    Field("bilg_dept_name", "开单科室名称", 100),
    Field("bilg_dr_codg", "开单医生编码", 30),
    Field("bilg_dr_name", "开单医师姓名", 50),
    Field("hosp_appr_flag", "医院审批标志", 3, needed=False, allowed=("0", "1", "2")),
)
OUTPATIENT_LINE = (
    *COMMON,
    Field("chrg_bchno", "收费批次号", 30),
    Field("rx_circ_flag", "外购处方标志", 3, allowed=("0", "1")),
)
INPATIENT_LINE = (
    *COMMON,
    Field("med_type", "医疗类别", 6),
    Field("init_feedetl_sn", "原费用流水号", 30, needed=False),
)
CANCEL_BATCH = (
    Field("mdtrt_id", "就诊ID", 30),
    Field("chrg_bchno", "收费批次号", 30),
    Field("psn_no", "人员编号", 30),
)
CANCEL_LINE = (
    Field("feedetl_sn", "费用明细流水号", 30),
    Field("mdtrt_id", "就诊ID", 30),
    Field("psn_no", "人员编号", 30),
)


class Uploaded(msgspec.Struct, frozen=True):
    """One line as it was checked and split."""

    values: dict[str, str]
    item: Item
    quantity: Decimal
    split: LineSplit


def upload_outpatient(platform: Bureau, call: Call) -> Output:
    """2204."""
    return upload(platform, checked_lines(call.input), Care.OUTPATIENT)


def upload_inpatient(platform: Bureau, call: Call) -> Output:
    """2301: as 2204, without batches; a negative line takes back of the line it names."""
    return upload(platform, rows(call.input, "feedetail", INPATIENT_LINE), Care.INPATIENT)


def upload(platform: Bureau, lines: list[dict[str, str]], care: Care) -> Output:
    """All lines of a message or none. Returns how each was split."""
    told = []
    for values in lines:
        visit = visit_of(platform, values, care)
        _refuse_repeated(platform.store, values)
        uploaded = _taken_back(platform.store, values) if care == Care.INPATIENT else None
        uploaded = uploaded or _split(platform.store, values)
        _insert(platform.store, visit.mdtrt_id, uploaded)
        told.append(_told(uploaded))
    return {"result": told}


def cancel_outpatient(platform: Bureau, call: Call) -> Output:
    """2205: one batch, or with 0000 whatever is not settled."""
    asked = node(call.input, "data", CANCEL_BATCH)
    visit = visit_of(platform, asked, Care.OUTPATIENT)
    batch = asked["chrg_bchno"]
    lines = of_visit(platform.store, visit.mdtrt_id, chrg_bchno="" if batch == ALL else batch)
    free = [line for line in lines if line["setl_id"] is None]
    if batch != ALL and lines and not free:
        raise refused(f"收费批次 {batch} 已结算，须先撤销结算")
    _delete(platform.store, free)
    return {}


def cancel_inpatient(platform: Bureau, call: Call) -> Output:
    """2302: single lines, or with 0000 whatever is not settled."""
    for asked in rows(call.input, "data", CANCEL_LINE):
        visit = visit_of(platform, asked, Care.INPATIENT)
        number = asked["feedetl_sn"]
        lines = of_visit(platform.store, visit.mdtrt_id)
        free = [line for line in lines if line["setl_id"] is None]
        if number != ALL:
            free = [line for line in free if line["feedetl_sn"] == number]
            _refuse_uncancellable(lines, free, number)
        _delete(platform.store, free)
    return {}


def of_visit(store: Store, mdtrt_id: str, *, chrg_bchno: str = "") -> list[Row]:
    """The lines of a visit, or of one of its batches."""
    return store.rows(
        "select * from fee where mdtrt_id = :id and :batch in ('', chrg_bchno) order by seq",
        id=mdtrt_id,
        batch=chrg_bchno,
    )


def checked_lines(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """The feedetail node of an upload at the clinic, every field in form."""
    return rows(content, "feedetail", OUTPATIENT_LINE)


def discard(store: Store, mdtrt_id: str, chrg_bchno: str) -> None:
    """Take back what of this batch is not settled."""
    lines = of_visit(store, mdtrt_id, chrg_bchno=chrg_bchno)
    _delete(store, [line for line in lines if line["setl_id"] is None])


def split_of(line: Row) -> LineSplit:
    names = ("amount_fen", "own_fen", "over_limit_fen", "first_share_fen", "in_scope_fen")
    return LineSplit(*(line[name] for name in names))


def split_told(item: Item, split: LineSplit) -> dict[str, Any]:
    """What insurance makes of a line, as 2204 and 5204 tell it."""
    return {
        "det_item_fee_sumamt": yuan(split.amount_fen),
        "pric_uplmt_amt": item.price_limit or Decimal(0),
        "selfpay_prop": Decimal(1) if item.chrgitm_lv == Level.C else Decimal(item.selfpay_prop),
        "fulamt_ownpay_amt": yuan(split.own_fen),
        "overlmt_amt": yuan(split.over_limit_fen),
        "preselfpay_amt": yuan(split.first_share_fen),
        "inscp_scp_amt": yuan(split.in_scope_fen),
        "chrgitm_lv": item.chrgitm_lv,
        "med_chrgitm_type": item.med_chrgitm_type,
    }


def _refuse_repeated(store: Store, values: dict[str, str]) -> None:
    batch = values.get("chrg_bchno", "")
    if batch and any(line["setl_id"] for line in of_visit(store, values["mdtrt_id"], chrg_bchno=batch)):
        raise refused(f"收费批次 {batch} 已结算，不能再上传明细")
    if _line(store, values["mdtrt_id"], values["feedetl_sn"]) is not None:
        raise refused(f"费用明细流水号 {values['feedetl_sn']} 重复")


def _split(store: Store, values: dict[str, str]) -> Uploaded:
    item = catalogue.item_of(store, values["med_list_codg"])
    quantity = decimal(values, "cnt", places=4)
    if quantity <= 0:
        raise refused(f"明细 {values['feedetl_sn']} 的数量须大于 0；冲减须填写原费用流水号")
    level = Level.C if values["hosp_appr_flag"] == OWN_CHOICE else item.chrgitm_lv
    sum_fen = _checked_amount(values, quantity)
    line = Line(level, quantity, sum_fen, item.price_limit, Decimal(item.selfpay_prop))
    seen = msgspec.structs.replace(item, chrgitm_lv=level)
    return Uploaded(values, seen, quantity, split_line(line))


def _taken_back(store: Store, values: dict[str, str]) -> Uploaded | None:
    """A negative line: what the rest of its line is split into, less what it was split into before."""
    number, quantity = values["init_feedetl_sn"], decimal(values, "cnt", places=4)
    if not number:
        return None
    first = _line(store, values["mdtrt_id"], number)
    if first is None or first["setl_id"] or first["med_list_codg"] != values["med_list_codg"]:
        raise refused(f"原费用流水号 {number} 不存在、已结算或目录编码不一致")
    parts = [first, *_takings(store, first)]
    before = sum((Decimal(part["cnt"]) for part in parts), Decimal(0))
    before_fen = sum(part["amount_fen"] for part in parts)
    sum_fen = _checked_amount(values, quantity)
    if quantity >= 0 or before + quantity < 0 or before_fen + sum_fen < 0:
        raise refused(f"冲减数量须为负，且不得超过原费用 {number} 的余量 {before}")
    item = msgspec.json.decode(first["item"], type=Item)
    rest = Line(
        item.chrgitm_lv, before + quantity, before_fen + sum_fen, item.price_limit, Decimal(item.selfpay_prop)
    )
    known = [split_of(part) for part in parts]
    left = msgspec.structs.astuple(split_line(rest))
    sums = [sum(column) for column in zip(*(msgspec.structs.astuple(part) for part in known), strict=True)]
    return Uploaded(values, item, quantity, LineSplit(*(a - b for a, b in zip(left, sums, strict=True))))


def _takings(store: Store, first: Row) -> list[Row]:
    return store.rows(
        "select * from fee where mdtrt_id = :id and init_feedetl_sn = :number",
        id=first["mdtrt_id"],
        number=first["feedetl_sn"],
    )


def _checked_amount(values: dict[str, str], quantity: Decimal) -> int:
    sum_fen = amount_fen(values, "det_item_fee_sumamt")
    price = decimal(values, "pric", places=6)
    if price < 0 or sum_fen != share_fen(quantity, price * 100):
        raise refused(f"明细 {values['feedetl_sn']} 的总额不等于数量乘单价（四舍五入到分）")
    return sum_fen


def _line(store: Store, mdtrt_id: str, number: str) -> Row | None:
    return store.row(
        "select * from fee where mdtrt_id = :id and feedetl_sn = :number", id=mdtrt_id, number=number
    )


def _insert(store: Store, mdtrt_id: str, uploaded: Uploaded) -> None:
    values, split = uploaded.values, uploaded.split
    store.run(
        """insert into fee (mdtrt_id, feedetl_sn, init_feedetl_sn, chrg_bchno, med_list_codg,
                            medins_list_codg, occurred_at, cnt, pric, amount_fen, own_fen,
                            over_limit_fen, first_share_fen, in_scope_fen, item)
           values (:mdtrt_id, :feedetl_sn, :init_feedetl_sn, :chrg_bchno, :med_list_codg,
                   :medins_list_codg, :occurred_at, :cnt, :pric, :amount_fen, :own_fen,
                   :over_limit_fen, :first_share_fen, :in_scope_fen, :item)""",
        mdtrt_id=mdtrt_id,
        feedetl_sn=values["feedetl_sn"],
        init_feedetl_sn=values.get("init_feedetl_sn", ""),
        chrg_bchno=values.get("chrg_bchno", ""),
        med_list_codg=values["med_list_codg"],
        medins_list_codg=values["medins_list_codg"],
        occurred_at=stored(second(values["fee_ocur_time"])),
        cnt=str(uploaded.quantity),
        pric=values["pric"],
        item=msgspec.json.encode(uploaded.item).decode(),
        **msgspec.structs.asdict(split),
    )


def _told(uploaded: Uploaded) -> dict[str, Any]:
    flags = ("bas_medn_flag", "hi_nego_drug_flag", "chld_medc_flag", "list_sp_item_flag", "lmt_used_flag")
    return {
        "feedetl_sn": uploaded.values["feedetl_sn"],
        "cnt": uploaded.quantity,
        "pric": Decimal(uploaded.values["pric"]),
        **split_told(uploaded.item, uploaded.split),
        **dict.fromkeys(flags, "0"),
        "drt_reim_flag": "0",
        "memo": "",
    }


def _refuse_uncancellable(lines: list[Row], chosen: list[Row], number: str) -> None:
    if not chosen:
        raise refused(f"费用明细 {number} 不存在或已结算")
    if any(line["init_feedetl_sn"] == number for line in lines):
        raise refused(f"费用明细 {number} 已有冲减，须先撤销冲减明细")


def _delete(store: Store, lines: list[Row]) -> None:
    for line in lines:
        store.run("delete from fee where seq = :seq", seq=line["seq"])


TRANSACTIONS = {
    "2204": Transaction("门诊费用明细信息上传", upload_outpatient),
    "2205": Transaction("门诊费用明细信息撤销", cancel_outpatient),
    "2301": Transaction("住院费用明细上传", upload_inpatient),
    "2302": Transaction("住院费用明细撤销", cancel_inpatient),
}
