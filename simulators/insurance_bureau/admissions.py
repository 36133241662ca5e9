"""Inpatient stays (2401 to 2405): admitted, changed, discharged, and each step taken back."""

from datetime import datetime

import msgspec

from simulators.insurance_bureau import visits
from simulators.insurance_bureau.calls import Call, Exchange, Output, Transaction
from simulators.insurance_bureau.fields import Field, Kind, node, rows, second
from simulators.insurance_bureau.persons import CERT, CERT_TYPES
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.insurance_bureau.visits import INSUTYPE, MDTRT_ID, PSN_NO, Care
from simulators.store import loaded, stored

INPATIENT_TYPES = ("21",)
STAY = (
    Field("begntime", "开始时间", 19, kind=Kind.SECOND),
    Field("med_type", "医疗类别", 6, allowed=INPATIENT_TYPES),
    Field("coner_name", "联系人姓名", 50, needed=False),
    Field("tel", "联系电话", 50, needed=False),
    Field("medrcdno", "病历号", 30, needed=False),
    Field("atddr_no", "主治医生编码", 30),
    Field("chfpdr_name", "主诊医师姓名", 50),
    Field("adm_diag_dscr", "入院诊断描述", 200),
    Field("adm_dept_codg", "入院科室编码", 30),
    Field("adm_dept_name", "入院科室名称", 100),
    Field("adm_bed", "入院床位", 30),
    Field("dscg_maindiag_code", "住院主诊断代码", 20),
    Field("dscg_maindiag_name", "住院主诊断名称", 300),
)
ADMISSION = (PSN_NO, INSUTYPE, *CERT, Field("ipt_no", "住院号", 30), *STAY)
CHANGE = (
    MDTRT_ID,
    PSN_NO,
    Field("mdtrt_cert_type", "就诊凭证类型", 3, allowed=CERT_TYPES),
    Field("ipt_otp_no", "住院/门诊号", 30),
    *STAY,
)
DISCHARGE = (
    MDTRT_ID,
    PSN_NO,
    INSUTYPE,
    Field("endtime", "结束时间", 19, kind=Kind.SECOND),
    Field("dscg_dept_codg", "出院科室编码", 30),
    Field("dscg_dept_name", "出院科室名称", 100),
    Field("dscg_bed", "出院床位", 30, needed=False),
    Field("dscg_way", "离院方式", 3, allowed=("1", "2", "3", "4", "5", "9")),
    Field("die_date", "死亡日期", 10, needed=False, kind=Kind.DAY),
)
DIED = "5"  # dscg_way
DIAGNOSIS = (Field("maindiag_flag", "主诊断标志", 3, allowed=("0", "1")), *visits.DIAGNOSIS)
NAMED = (MDTRT_ID, PSN_NO)


def admit(platform: Bureau, call: Call) -> Output:
    """2401."""
    asked = node(call.input, "mdtrtinfo", ADMISSION)
    diagnoses(call)
    person = visits.insured(platform, asked)
    if visits.stay_of(platform, person.psn_no) is not None:
        raise refused("psn_no：该人员已在院，不能重复办理入院")
    number, med_type = asked["ipt_no"], asked["med_type"]
    return {"result": {"mdtrt_id": visits.admit(platform, call, asked, Care.INPATIENT, number, med_type)}}


def discharge(platform: Bureau, call: Call) -> Output:
    """2402: after admission, before the final settlement (2304)."""
    asked = node(call.input, "dscginfo", DISCHARGE)
    diagnoses(call)
    visit = visits.named(platform, asked, Care.INPATIENT)
    ends = second(asked["endtime"])
    if visit.insutype != asked["insutype"]:
        raise refused("insutype：险种类型与入院登记不符")
    if ends < loaded(visit.begntime):
        raise ill_formed("endtime", "出院时间早于入院时间")
    if asked["dscg_way"] == DIED and not asked["die_date"]:
        raise ill_formed("die_date", "离院方式为死亡时死亡日期不能为空")
    platform.store.run(
        "update visit set state = 'discharged', endtime = :ends where mdtrt_id = :id",
        id=visit.mdtrt_id,
        ends=stored(ends),
    )
    return {}


def change(platform: Bureau, call: Call) -> Output:
    """2403: only while the person is in the hospital."""
    asked = node(call.input, "adminfo", CHANGE)
    told = {**asked, "diseinfo": diagnoses(call)}
    visit = visits.named(platform, asked, Care.INPATIENT)
    if visit.ipt_otp_no != asked["ipt_otp_no"]:
        raise refused("ipt_otp_no：住院/门诊号与入院登记不符")
    platform.store.run(
        "update visit set med_type = :med_type, begntime = :begins, told = :told where mdtrt_id = :id",
        id=visit.mdtrt_id,
        med_type=asked["med_type"],
        begins=stored(second(asked["begntime"])),
        told=msgspec.json.encode(told).decode(),
    )
    return {}


def cancel_admission(platform: Bureau, call: Call) -> Output:
    """2404: only while nothing has been charged."""
    asked = node(call.input, "data", NAMED)
    visits.strike_off(platform, visits.named(platform, asked, Care.INPATIENT))
    return {}


def cancel_discharge(platform: Bureau, call: Call) -> Output:
    """2405: only until the settlement, and never into a second stay at the same time."""
    asked = node(call.input, "data", NAMED)
    visit = visits.named(platform, asked, Care.INPATIENT, state="discharged")
    visits.check_unsettled(platform, visit.mdtrt_id)
    if visits.stay_of(platform, visit.psn_no) is not None:
        raise refused("psn_no：该人员已有新的在院登记，不能撤销出院")
    platform.store.run(
        "update visit set state = 'open', endtime = null where mdtrt_id = :id", id=visit.mdtrt_id
    )
    return {}


def undo_admission(platform: Bureau, exchange: Exchange, _now: datetime) -> None:
    """2601 of a 2401: as if the person had not been admitted, unless more has happened since."""
    visit = visits.find(platform, exchange.output["result"]["mdtrt_id"])
    assert visit is not None, "an admission that was answered is kept"
    if visit.state == "discharged":
        raise refused("omsgid：该住院已办理出院，不能冲正")
    if visit.state == "open":
        visits.strike_off(platform, visit)


def diagnoses(call: Call) -> list[dict[str, str]]:
    """The rows of `diseinfo`, one of them the main diagnosis."""
    found = rows(call.input, "diseinfo", DIAGNOSIS)
    if [row["maindiag_flag"] for row in found].count("1") != 1:
        raise ill_formed("maindiag_flag", "须有且仅有一个主诊断")
    return found


TRANSACTIONS = {
    "2401": Transaction("入院办理", admit, undo=undo_admission),
    "2402": Transaction("出院办理", discharge),
    "2403": Transaction("住院信息变更", change),
    "2404": Transaction("入院撤销", cancel_admission),
    "2405": Transaction("出院撤销", cancel_discharge),
}
