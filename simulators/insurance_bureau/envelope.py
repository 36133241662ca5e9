"""The envelope around every call: checked, opened and closed again in the hospital's profile.

Signed are the scalar fields of the envelope that are neither empty nor `cainfo`, sorted by name and joined
as `k=v&k=v`; `input` and `output` are left out, as public implementations do it, and are kept by SM4 instead.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from app.kernel.clock import LOCAL, wall
from simulators import national_ciphers
from simulators.insurance_bureau.fields import Field, Kind, checked, second
from simulators.insurance_bureau.platform import INFVER, SEALED, Bureau
from simulators.insurance_bureau.refusals import ill_formed, unsealed

CLOCKS_MAY_DIFFER = timedelta(minutes=10)
UNSIGNED_PARTS = ("cainfo", "input", "output")
STALE_BY = timedelta(seconds=301)

MSGID = Field("msgid", "发送方报文ID", 30)
FIELDS = (
    Field("infno", "交易编号", 5),  # 4 by the specification; regions add longer ones, such as 13203
    MSGID,
    Field("mdtrtarea_admvs", "就医地医保区划", 6, kind=Kind.DIGITS),
    Field("insuplc_admdvs", "参保地医保区划", 6, needed=False, kind=Kind.DIGITS),
    Field("recer_sys_code", "接收方系统代码", 10),
    Field("dev_no", "设备编号", 100, needed=False),
    Field("dev_safe_info", "设备安全信息", 2000, needed=False),
    Field("cainfo", "数字签名信息", 1024, needed=False),
    Field("signtype", "签名类型", 10, needed=False),
    Field("enc_type", "加密方式", 10, needed=False),
    Field("infver", "接口版本号", 6, allowed=(INFVER,)),
    Field("opter_type", "经办人类别", 3, allowed=("1", "2", "3")),
    Field("opter", "经办人", 30),
    Field("opter_name", "经办人姓名", 50),
    Field("inf_time", "交易时间", 19, kind=Kind.SECOND),
    Field("fixmedins_code", "定点医药机构编号", 12),
    Field("fixmedins_name", "定点医药机构名称", 200),
    Field("sign_no", "交易签到流水号", 30, needed=False),
)

DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
LIST_DECODER = msgspec.json.Decoder(list[Any], float_hook=Decimal)
ENCODER = msgspec.json.Encoder(decimal_format="number")  # amounts are JSON numbers with two decimals


class Message(NamedTuple):
    """A call whose envelope, signature and encryption are in order."""

    head: dict[str, str]
    input: dict[str, Any]


class Answer(NamedTuple):
    infcode: str
    err_msg: str
    output: Mapping[str, Any] | None


def parsed(body: bytes) -> dict[str, Any]:
    try:
        return DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ill_formed("报文", "不是 UTF-8 编码的 JSON 对象") from error


def legible(platform: Bureau, raw: Mapping[str, Any]) -> str:
    """What a person watching would read: the text a fault's `reference` is looked for in."""
    content = raw.get("input")
    try:
        if isinstance(content, str):
            return str({**raw, "input": national_ciphers.decrypt(platform.sm4_key, content).decode()})
    except ValueError:
        pass
    return str(raw)


def opened(platform: Bureau, raw: Mapping[str, Any], asked: str) -> Message:
    """The checked message; `asked` is the transaction number in the address, empty if it has none."""
    head = checked(raw, FIELDS)
    if asked not in ("", head["infno"]):
        raise ill_formed("infno", "交易编号与请求地址不一致")
    _check_sender(platform, head)
    if platform.profile != SEALED:
        return Message(head, _plain_input(raw.get("input")))
    _check_signature(platform, raw, head)
    if head["enc_type"] != "SM4":
        raise unsealed("enc_type：加密方式须为 SM4")
    try:
        plain = national_ciphers.decrypt(platform.sm4_key, _sealed_input(raw.get("input")))
        return Message(head, _plain_input(DECODER.decode(plain)))
    except (ValueError, msgspec.DecodeError) as error:
        raise unsealed("input：解密失败，请检查 SM4 密钥与填充方式") from error


def string_to_sign(envelope: Mapping[str, Any]) -> bytes:
    kept = {k: str(v) for k, v in envelope.items() if k not in UNSIGNED_PARTS and v is not None}
    return "&".join(f"{k}={v}" for k, v in sorted(kept.items()) if v).encode()


def closed(platform: Bureau, answer: Answer, fault: str) -> bytes:
    """The answer as it goes over the wire, spoilt the way the fault says."""
    at = wall() - (STALE_BY if fault == "stale_reply" else timedelta(0))
    envelope: dict[str, Any] = {
        "infcode": answer.infcode,
        "inf_refmsgid": _reference(platform, at),
        "refmsg_time": _milliseconds(at),
        "respond_time": _milliseconds(at),
        "err_msg": answer.err_msg,
        "cainfo": "",
        "signtype": "",
        "enctype": "",
        "output": answer.output,
    }
    if platform.profile == SEALED:
        _seal(platform, envelope, answer, fault)
    if fault == "tampered_reply":
        envelope["respond_time"] = _milliseconds(at + timedelta(seconds=1))
    return ENCODER.encode(envelope)


def _check_sender(platform: Bureau, head: Mapping[str, str]) -> None:
    us, msgid = platform.identity, head["msgid"]
    if head["fixmedins_code"] != us.fixmedins_code:
        raise ill_formed("fixmedins_code", "定点医药机构编号不存在")
    if head["mdtrtarea_admvs"] != us.admdvs:
        raise ill_formed("mdtrtarea_admvs", "就医地医保区划与定点医药机构不符")
    if len(msgid) != 30 or not msgid.startswith(us.fixmedins_code) or not _is_stamped(msgid[12:]):
        raise ill_formed("msgid", "发送方报文ID须为定点医药机构编号(12)+时间(14)+顺序号(4)")
    if len(head["insuplc_admdvs"]) not in (0, 6):
        raise ill_formed("insuplc_admdvs", "参保地医保区划须为 6 位数字")
    if abs(wall() - second(head["inf_time"])) > CLOCKS_MAY_DIFFER:
        raise ill_formed("inf_time", "交易时间与平台时间相差超过 10 分钟")


def _is_stamped(rest: str) -> bool:
    """yyyyMMddHHmmss and four digits."""
    if not (rest.isascii() and rest.isdigit()):
        return False
    try:
        datetime.strptime(rest[:14], "%Y%m%d%H%M%S").replace(tzinfo=LOCAL)
    except ValueError:
        return False
    return True


def _check_signature(platform: Bureau, raw: Mapping[str, Any], head: Mapping[str, str]) -> None:
    if head["signtype"] != "SM2":
        raise unsealed("signtype：签名类型须为 SM2")
    if not head["cainfo"]:
        raise unsealed("cainfo：缺少数字签名")
    if not national_ciphers.verifies(platform.hospital_key.public, string_to_sign(raw), head["cainfo"]):
        raise unsealed("cainfo：验签失败，请检查待签名串与签名私钥")


def _sealed_input(content: Any) -> str:
    if not isinstance(content, str):
        raise unsealed("input：须为 SM4 密文的 base64")
    return content


def _plain_input(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ill_formed("input", "交易输入须为对象")
    return content


def _seal(platform: Bureau, envelope: dict[str, Any], answer: Answer, fault: str) -> None:
    if answer.output is not None:
        key = secrets.token_bytes(16) if fault == "garbled_reply" else platform.sm4_key
        envelope["output"] = national_ciphers.encrypt(key, ENCODER.encode(answer.output))
    envelope |= {"signtype": "SM2", "enctype": "SM4"}
    if fault != "unsigned_reply":
        signer = national_ciphers.stranger() if fault == "forged_reply" else platform.key
        envelope["cainfo"] = national_ciphers.sign(signer, string_to_sign(envelope))


def _reference(platform: Bureau, at: datetime) -> str:
    """inf_refmsgid: area (6), time (14), sequence (10)."""
    stamp = at.astimezone(LOCAL).strftime("%Y%m%d%H%M%S")
    return f"{platform.identity.admdvs}{stamp}{secrets.randbelow(10**10):010d}"


def _milliseconds(at: datetime) -> str:
    """yyyyMMddHHmmssSSS."""
    here = at.astimezone(LOCAL)
    return f"{here:%Y%m%d%H%M%S}{here.microsecond // 1000:03d}"
