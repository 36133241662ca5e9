"""Outpatient visits (2201 to 2203) and what the bureau knows of any visit (5201)."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from simulators.insurance_bureau import persons
from simulators.insurance_bureau.benefits import Care
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.fields import Field, Kind, node, rows, second, written
from simulators.insurance_bureau.persons import Person
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.store import stored

CLOCKS_MAY_DIFFER = timedelta(days=1)  # a begin may be entered a little early, never weeks ahead
SHOWN_MAX = 100
OUTPATIENT_TYPES = ("11", "14")
MDTRT_ID = Field("mdtrt_id", "就诊ID", 30)
PSN_NO = Field("psn_no", "人员编号", 30)
INSUTYPE = Field("insutype", "险种类型", 6, allowed=persons.INSUTYPES)

REGISTRATION = (
    PSN_NO,
    INSUTYPE,
    Field("begntime", "开始时间", 19, kind=Kind.SECOND),
    *persons.CERT,
    Field("ipt_otp_no", "住院/门诊号", 30),
    Field("atddr_no", "医师编码", 30),
    Field("dr_name", "医师姓名", 50),
    Field("dept_code", "科室编码", 30),
    Field("dept_name", "科室名称", 100),
    Field("caty", "科别", 6),
)
CANCELLATION = (MDTRT_ID, PSN_NO, Field("ipt_otp_no", "住院/门诊号", 30))
INFORMATION = (
    MDTRT_ID,
    PSN_NO,
    Field("med_type", "医疗类别", 6, allowed=OUTPATIENT_TYPES),
    Field("begntime", "开始时间", 19, kind=Kind.SECOND),
    Field("main_cond_dscr", "主要病情描述", 1000, needed=False),
    Field("dise_codg", "病种编码", 30, needed=False),
    Field("dise_name", "病种名称", 500, needed=False),
)
DIAGNOSIS = (
    Field("diag_type", "诊断类别", 3),
    Field("diag_srt_no", "诊断排序号", 2, kind=Kind.COUNT),
    Field("diag_code", "诊断代码", 20),
    Field("diag_name", "诊断名称", 100),
    Field("diag_dept", "诊断科室", 50),
    Field("dise_dor_no", "诊断医生编码", 30),
    Field("dise_dor_name", "诊断医生姓名", 50),
    Field("diag_time", "诊断时间", 19, kind=Kind.SECOND),
)
QUESTION = (
    PSN_NO,
    Field("begntime", "开始时间", 19, kind=Kind.SECOND),
    Field("endtime", "结束时间", 19, kind=Kind.SECOND),
    Field("med_type", "医疗类别", 6, needed=False, allowed=persons.MED_TYPES),
    Field("mdtrt_id", "就诊ID", 30, needed=False),
)


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    mdtrt_id: str
    psn_no: str
    kind: Care
    state: str  # open, discharged, cancelled
    insutype: str
    ipt_otp_no: str
    med_type: str
    begntime: str
    endtime: str | None
    cert: str
    told: str
    informed: int  # whether 2203 has been sent


def register(platform: Bureau, call: Call) -> Output:
    """2201."""
    asked = node(call.input, "data", REGISTRATION)
    person = insured(platform, asked)
    if stay_of(platform, person.psn_no) is not None:
        raise refused("psn_no：该人员正在住院，住院期间不得发生门诊费用")
    mdtrt_id = admit(platform, call, asked, Care.OUTPATIENT, asked["ipt_otp_no"], OUTPATIENT_TYPES[0])
    return {
        "data": {"mdtrt_id": mdtrt_id, "psn_no": person.psn_no, "ipt_otp_no": asked["ipt_otp_no"]},
    }


def cancel(platform: Bureau, call: Call) -> Output:
    """2202: only while nothing has been charged."""
    asked = node(call.input, "data", CANCELLATION)
    visit = named(platform, asked, Care.OUTPATIENT)
    if visit.ipt_otp_no != asked["ipt_otp_no"]:
        raise refused("ipt_otp_no：住院/门诊号与就诊登记不符")
    strike_off(platform, visit)
    return {}


def inform(platform: Bureau, call: Call) -> Output:
    """2203: the kind of care and the diagnoses; sent again it replaces what was said."""
    asked = node(call.input, "mdtrtinfo", INFORMATION)
    diagnoses = rows(call.input, "diseinfo", DIAGNOSIS)
    visit = named(platform, asked, Care.OUTPATIENT)
    platform.store.run(
        "update visit set med_type = :med_type, told = :told, informed = 1 where mdtrt_id = :id",
        id=visit.mdtrt_id,
        med_type=asked["med_type"],
        told=msgspec.json.encode({**asked, "diseinfo": diagnoses}).decode(),
    )
    return {}


def listed(platform: Bureau, call: Call) -> Output:
    """5201: a person's visits that began in a span of time, newest first."""
    asked = node(call.input, "data", QUESTION)
    persons.named(platform, asked["psn_no"])
    if second(asked["begntime"]) > second(asked["endtime"]):
        raise ill_formed("endtime", "结束时间早于开始时间")
    found = platform.store.rows(
        """select * from visit where psn_no = :psn_no and begntime between :since and :till
           and state <> 'cancelled' and :med_type in ('', med_type) and :mdtrt_id in ('', mdtrt_id)
           order by begntime desc limit :shown""",
        psn_no=asked["psn_no"],
        since=stored(second(asked["begntime"])),
        till=stored(second(asked["endtime"])),
        med_type=asked["med_type"],
        mdtrt_id=asked["mdtrt_id"],
        shown=SHOWN_MAX,
    )
    return {"mdtrtinfo": [_shown(platform, Visit(**dict(row))) for row in found]}


def insured(platform: Bureau, asked: Mapping[str, str]) -> Person:
    """The person, whose insurance must be of this kind and not paused."""
    person = persons.named(platform, asked["psn_no"])
    if person.insutype != asked["insutype"]:
        raise refused("insutype：该人员未参加此险种")
    if person.psn_insu_stas != "1":
        raise refused("psn_no：该人员已暂停参保，不能办理医保就诊")
    return person


def admit(
    platform: Bureau, call: Call, asked: Mapping[str, str], kind: Care, number: str, med_type: str
) -> str:
    """A new visit; its number in the hospital (`number`) is used once, unless it was cancelled."""
    begins = second(asked["begntime"])
    if begins > call.now + CLOCKS_MAY_DIFFER:
        raise ill_formed("begntime", "开始时间晚于当前时间")
    taken = "select 1 from visit where ipt_otp_no = :number and state <> 'cancelled'"
    if platform.store.value(taken, number=number):
        raise refused("ipt_otp_no：住院/门诊号重复，须为院内唯一流水")
    mdtrt_id = platform.number("M", call.now)
    persons.check_credential(platform, asked["psn_no"], asked, mdtrt_id, call.now)
    platform.store.run(
        """insert into visit (mdtrt_id, psn_no, kind, state, insutype, ipt_otp_no, med_type, begntime,
               cert, told)
           values (:mdtrt_id, :psn_no, :kind, 'open', :insutype, :number, :med_type, :begntime, :cert,
               :told)""",
        mdtrt_id=mdtrt_id,
        psn_no=asked["psn_no"],
        kind=kind,
        insutype=asked["insutype"],
        number=number,
        med_type=med_type,
        begntime=stored(begins),
        cert=asked["mdtrt_cert_type"],
        told=msgspec.json.encode(asked).decode(),
    )
    return mdtrt_id


def named(platform: Bureau, asked: Mapping[str, str], kind: Care, state: str = "open") -> Visit:
    """The visit that mdtrt_id and psn_no name, which must be of this kind and in this state."""
    visit = find(platform, asked["mdtrt_id"])
    if visit is None or visit.kind != kind:
        raise refused("mdtrt_id：就诊登记不存在")
    if visit.psn_no != asked["psn_no"]:
        raise refused("mdtrt_id：就诊登记不属于该人员")
    if visit.state != state:
        raise refused(f"mdtrt_id：{STATES[visit.state]}，不能办理本交易")
    return visit


def find(platform: Bureau, mdtrt_id: str) -> Visit | None:
    row = platform.store.row("select * from visit where mdtrt_id = :id", id=mdtrt_id)
    return Visit(**dict(row)) if row is not None else None


def stay_of(platform: Bureau, psn_no: str) -> str | None:
    """The mdtrt_id under which the person lies in hospital now."""
    return platform.store.value(
        "select mdtrt_id from visit where psn_no = :psn_no and kind = 'inpatient' and state = 'open'",
        psn_no=psn_no,
    )


def strike_off(platform: Bureau, visit: Visit) -> None:
    check_unsettled(platform, visit.mdtrt_id)
    if platform.store.value("select 1 from fee where mdtrt_id = :id", id=visit.mdtrt_id):
        raise refused("mdtrt_id：该就诊已上传费用明细，请先撤销费用明细")
    platform.store.run("update visit set state = 'cancelled' where mdtrt_id = :id", id=visit.mdtrt_id)
    platform.store.run("update credential set mdtrt_id = null where mdtrt_id = :id", id=visit.mdtrt_id)


def check_unsettled(platform: Bureau, mdtrt_id: str) -> None:
    settled = platform.store.value(
        """select setl_id from settlement
           where mdtrt_id = :id and reverses is null and reversed_at is null""",
        id=mdtrt_id,
    )
    if settled is not None:
        raise refused("mdtrt_id：该就诊已结算，请先撤销结算")


STATES = {"open": "就诊尚未结束", "discharged": "已办理出院", "cancelled": "就诊登记已撤销"}


def _shown(platform: Bureau, visit: Visit) -> Output:
    person = persons.named(platform, visit.psn_no)
    return {
        "mdtrt_id": visit.mdtrt_id,
        "psn_no": visit.psn_no,
        "psn_cert_type": "01",
        "certno": person.certno,
        "psn_name": person.psn_name,
        "gend": person.gend,
        "brdy": person.brdy,
        "insutype": visit.insutype,
        "begntime": written(visit.begntime),
        "endtime": written(visit.endtime) if visit.endtime is not None else None,
        "mdtrt_cert_type": visit.cert,
        "med_type": visit.med_type,
        "ipt_otp_no": visit.ipt_otp_no,
        "fixmedins_code": platform.identity.fixmedins_code,
        "fixmedins_name": platform.identity.fixmedins_name,
        "inhosp_stas": "1" if visit.kind == Care.INPATIENT and visit.state == "open" else "0",
    }


TRANSACTIONS = {
    "2201": Transaction("门诊挂号", register),
    "2202": Transaction("门诊挂号撤销", cancel),
    "2203": Transaction("门诊就诊信息上传", inform),
    "5201": Transaction("就诊信息查询", listed),
}
