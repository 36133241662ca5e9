"""The insured: who they are (1101), what they may have (2001), and the tokens their phones show."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.kernel.clock import local_day
from simulators.book import balance_fen
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.fields import Field, Kind, node, yuan
from simulators.insurance_bureau.platform import Bureau, account
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.store import loaded, stored

TOKEN_LIFE = timedelta(minutes=30)
INSUTYPES = ("310", "390")
MED_TYPES = ("11", "14", "21")  # ordinary outpatient, chronic and special outpatient, ordinary inpatient
FUND_TYPES = {"310": "310100", "390": "390100"}
TOKEN, ID_CARD, CARD = CERT_TYPES = ("01", "02", "03")

CERT = (
    Field("mdtrt_cert_type", "就诊凭证类型", 3, allowed=CERT_TYPES),
    Field("mdtrt_cert_no", "就诊凭证编号", 50),
    Field("card_sn", "卡识别码", 32, needed=False),
)
QUESTION = (
    *CERT,
    Field("begntime", "开始时间", 19, needed=False, kind=Kind.SECOND),
    Field("psn_cert_type", "人员证件类型", 6, needed=False),
    Field("certno", "证件号码", 50, needed=False),
    Field("psn_name", "人员姓名", 50, needed=False),
)
ENTITLEMENT = (
    Field("psn_no", "人员编号", 30),
    Field("insutype", "险种类型", 6, allowed=INSUTYPES),
    Field("fixmedins_code", "定点医药机构编号", 12),
    Field("med_type", "医疗类别", 6, allowed=MED_TYPES),
    Field("begntime", "开始时间", 19, kind=Kind.SECOND),
    Field("endtime", "结束时间", 19, needed=False, kind=Kind.SECOND),
)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    psn_no: str
    psn_name: str
    certno: str
    gend: str  # 1 male, 2 female
    brdy: str
    insutype: str  # 310 employee, 390 resident
    psn_type: str
    psn_insu_stas: str  # 1 insured, 2 paused
    cvlserv_flag: str
    insuplc_admdvs: str
    card_no: str
    card_sn: str
    created_at: str


def information(platform: Bureau, call: Call) -> Output:
    """1101: the person behind a token, an identity card or a social security card."""
    asked = node(call.input, "data", QUESTION)
    person = identified(platform, asked, call.now)
    for name in ("certno", "psn_name"):
        if asked[name] not in ("", getattr(person, name)):
            raise refused(f"{name}：与参保登记不一致")
    return {
        "baseinfo": {
            "psn_no": person.psn_no,
            "psn_cert_type": "01",
            "certno": person.certno,
            "psn_name": person.psn_name,
            "gend": person.gend,
            "naty": "01",
            "brdy": person.brdy,
            "age": age(person, call.now),
        },
        "insuinfo": [
            {
                "balc": yuan(balance_fen(platform.store, account(person.psn_no))),
                "insutype": person.insutype,
                "psn_type": person.psn_type,
                "psn_insu_stas": person.psn_insu_stas,
                "psn_insu_date": f"{local_day(loaded(person.created_at)):%Y-%m-%d}",
                "paus_insu_date": None,
                "cvlserv_flag": person.cvlserv_flag,
                "insuplc_admdvs": person.insuplc_admdvs,
                "emp_name": "",
            }
        ],
        "idetinfo": [],
    }


def entitlement(platform: Bureau, call: Call) -> Output:
    """2001: whether the fund pays; who may not have it is told why, and that is no error."""
    asked = node(call.input, "data", ENTITLEMENT)
    person = named(platform, asked["psn_no"])
    reason = ""
    if person.insutype != asked["insutype"]:
        reason = "未参加该险种"
    elif person.psn_insu_stas != "1":
        reason = "暂停参保，不享受待遇"
    return {
        "trtinfo": [
            {
                "psn_no": person.psn_no,
                "trt_chk_type": "1",
                "fund_pay_type": FUND_TYPES[asked["insutype"]],
                "trt_enjymnt_flag": "0" if reason else "1",
                "begndate": asked["begntime"][:10],
                "enddate": None,
                "trt_chk_rslt": reason,
            }
        ]
    }


def identified(platform: Bureau, cert: Mapping[str, str], now: datetime) -> Person:
    """Whose credential this is."""
    kind, number = cert["mdtrt_cert_type"], cert["mdtrt_cert_no"]
    if kind == TOKEN:
        return named(platform, _good_token(platform, number, now)["psn_no"])
    if kind == CARD and not cert["card_sn"]:
        raise ill_formed("card_sn", "使用社会保障卡时卡识别码不能为空")
    column = "certno" if kind == ID_CARD else "card_no"
    row = platform.store.row(
        f"select * from person where {column} = :number",  # noqa: S608  # one of two constants
        number=number,
    )
    if row is None:
        raise refused("mdtrt_cert_no：未查询到参保人员")
    if kind == CARD and row["card_sn"] != cert["card_sn"]:
        raise refused("card_sn：卡识别码与社会保障卡不符")
    return Person(**dict(row))


def check_credential(
    platform: Bureau, psn_no: str, cert: Mapping[str, str], mdtrt_id: str, now: datetime
) -> None:
    """Refuse somebody else's credential; a token serves the one visit that first used it."""
    if cert["mdtrt_cert_type"] != TOKEN:
        column = "certno" if cert["mdtrt_cert_type"] == ID_CARD else "card_no"
        if getattr(named(platform, psn_no), column) != cert["mdtrt_cert_no"]:
            raise refused("mdtrt_cert_no：就诊凭证不属于该人员")
        return
    row = _good_token(platform, cert["mdtrt_cert_no"], now)
    if row["psn_no"] != psn_no:
        raise refused("mdtrt_cert_no：就诊凭证不属于该人员")
    if row["mdtrt_id"] not in (None, mdtrt_id):
        raise refused("mdtrt_cert_no：电子凭证令牌已用于另一次就诊")
    platform.store.run(
        "update credential set mdtrt_id = :id where token = :token",
        id=mdtrt_id,
        token=cert["mdtrt_cert_no"],
    )


def issue_token(platform: Bureau, person: Person, now: datetime) -> str:
    """The person shows the QR code of the e-credential: good for half an hour and one visit."""
    token = secrets.token_hex(16)
    platform.store.run(
        "insert into credential (token, psn_no, expires_at) values (:token, :psn_no, :expires_at)",
        token=token,
        psn_no=person.psn_no,
        expires_at=stored(now + TOKEN_LIFE),
    )
    return token


def everybody(platform: Bureau, *, limit: int) -> list[Person]:
    """Whom the control API enrolled, newest first."""
    rows = platform.store.rows("select * from person order by created_at desc limit :limit", limit=limit)
    return [Person(**dict(row)) for row in rows]


def find(platform: Bureau, psn_no: str) -> Person | None:
    row = platform.store.row("select * from person where psn_no = :psn_no", psn_no=psn_no)
    return Person(**dict(row)) if row is not None else None


def named(platform: Bureau, psn_no: str) -> Person:
    person = find(platform, psn_no)
    if person is None:
        raise refused("psn_no：人员编号不存在")
    return person


def check_area(platform: Bureau, call: Call, psn_no: str) -> None:
    """Whoever sends a psn_no says where that person is insured, as 1101 told."""
    if not psn_no:
        return
    if not call.head["insuplc_admdvs"]:
        raise ill_formed("insuplc_admdvs", "交易输入含人员编号时，参保地医保区划不能为空")
    if named(platform, psn_no).insuplc_admdvs != call.head["insuplc_admdvs"]:
        raise refused("insuplc_admdvs：参保地医保区划与人员不符")


def age(person: Person, now: datetime) -> int:
    born, today = datetime.fromisoformat(person.brdy), local_day(now)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _good_token(platform: Bureau, token: str, now: datetime) -> Any:
    row = platform.store.row("select * from credential where token = :token", token=token)
    if row is None:
        raise refused("mdtrt_cert_no：电子凭证令牌无效")
    if loaded(row["expires_at"]) <= now:
        raise refused("mdtrt_cert_no：电子凭证令牌已过期")
    if row["spent_by"] is not None:
        raise refused("mdtrt_cert_no：电子凭证令牌已使用")
    return row


TRANSACTIONS = {
    "1101": Transaction("人员信息获取", information),
    "2001": Transaction("人员待遇享受检查", entitlement),
}
