"""6201 to 6401: paying by phone. Fees and insurance share stand first, the payer's password settles.

6201 brings the fees of one registered visit and hands out payOrdId and payToken; 6202 computes the shares
with the payer's authorization (payAuthNo); the payer confirms in WeChat or Alipay, which tells the bureau,
and only then is it settled. 6301 says where an order stands, 6401 withdraws an unpaid one, 6203 refunds.
Field names are those of the provinces' mobile platforms (camel case); states are their ordStas.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import Any

import msgspec

from simulators.insurance_bureau import claims, fees, persons
from simulators.insurance_bureau.benefits import Benefit, Care
from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.claims import Asked
from simulators.insurance_bureau.envelope import DECODER, ENCODER
from simulators.insurance_bureau.fields import Field, node, written, yuan
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.insurance_bureau.standing import visit_of
from simulators.insurance_bureau.visits import Visit
from simulators.people import PhoneRefusal
from simulators.store import loaded, stored

LIFE = timedelta(minutes=30)

# ordStas. An order that is past its time, unpaid, is withdrawn when somebody looks at it.
UPLOADED, PRICED, SETTLED = "0", "1", "6"
REFUNDED, INSURED_REFUNDED, CASH_REFUNDED, CASH_PART_REFUNDED = "7", "8", "9", "10"
WITHDRAWN = "12"

WHO = (
    Field("orgCodg", "机构编码", 12),
    Field("idNo", "证件号码", 50),
    Field("userName", "用户姓名", 50),
    Field("idType", "证件类别", 6),
)
UPLOAD = (
    *WHO,
    Field("psnNo", "人员编号", 30),
    Field("insutype", "险种类型", 6, allowed=persons.INSUTYPES),
    Field("medOrgOrd", "医疗机构订单号", 40),
    Field("mdtrtId", "就诊ID", 30),
    Field("iptOtpNo", "住院/门诊号", 30),
    Field("medType", "医疗类别", 6),
    Field("feeType", "费用类型", 6),
    Field("medfeeSumamt", "医疗费总额", 20),
    Field("acctUsedFlag", "个人账户使用标志", 3, needed=False, allowed=("0", "1")),
    Field("psnSetlway", "个人结算方式", 6),
    Field("chrgBchno", "收费批次号", 30),
    Field("ecToken", "电子凭证授权Token", 64, needed=False),
    Field("payAuthNo", "支付授权码", 64, needed=False),
)
ORDER_NUMBER = (Field("payOrdId", "支付订单号", 64), Field("payToken", "支付订单Token", 64))
ORDER = (
    *ORDER_NUMBER,
    Field("payAuthNo", "支付授权码", 64),
    Field("orgCodg", "机构编码", 12),
    Field("orgBizSer", "机构业务流水号", 40),
    Field("chrgBchno", "收费批次号", 30),
    Field("feeType", "费用类型", 6),
    Field("mdtrtId", "就诊ID", 30),
    Field("acctUsedFlag", "个人账户使用标志", 3, needed=False, allowed=("0", "1")),
)
QUESTION = (*WHO, *ORDER_NUMBER)
LINE_NAMES = {
    "feedetlSn": "feedetl_sn",
    "mdtrtId": "mdtrt_id",
    "psnNo": "psn_no",
    "chrgBchno": "chrg_bchno",
    "rxCircFlag": "rx_circ_flag",
    "feeOcurTime": "fee_ocur_time",
    "medListCodg": "med_list_codg",
    "medinsListCodg": "medins_list_codg",
    "detItemFeeSumamt": "det_item_fee_sumamt",
    "cnt": "cnt",
    "pric": "pric",
    "bilgDeptCodg": "bilg_dept_codg",
    "bilgDeptName": "bilg_dept_name",
    "bilgDrCodg": "bilg_dr_codg",
    "bilgDrName": "bilg_dr_name",
    "hospApprFlag": "hosp_appr_flag",
}


def upload(platform: Bureau, call: Call) -> Output:
    """6201: the fees of one batch of a registered visit, and the order they are paid under."""
    asked = node(call.input, "data", UPLOAD)
    _check_who(platform, asked, asked["psnNo"])
    token = asked["ecToken"] or asked["payAuthNo"]
    if not token:
        raise ill_formed("ecToken", "ecToken 与 payAuthNo 至少填写一个")
    visit = visit_of(platform, {"mdtrt_id": asked["mdtrtId"], "psn_no": asked["psnNo"]}, Care.OUTPATIENT)
    _check_token(platform, visit, token, call.now)
    if platform.store.value("select 1 from mobile_order where med_org_ord = :no", no=asked["medOrgOrd"]):
        raise refused(f"医疗机构订单号 {asked['medOrgOrd']} 重复")
    told = fees.upload(platform, _lines(call, asked), Care.OUTPATIENT)
    _asked_of(platform, call, asked, visit)
    number = platform.number("ORD", call.now)
    platform.store.run(
        """insert into mobile_order (pay_ord_id, pay_token, med_org_ord, mdtrt_id, psn_no, asked, state,
                                     created_at, expires_at)
           values (:number, :token, :med_org_ord, :mdtrt_id, :psn_no, :asked, :state, :at, :expires_at)""",
        number=number,
        token=secrets.token_hex(16),
        med_org_ord=asked["medOrgOrd"],
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.psn_no,
        asked=ENCODER.encode(asked).decode(),
        state=UPLOADED,
        at=stored(call.now),
        expires_at=stored(call.now + LIFE),
    )
    order = find(platform, number)
    assert order is not None
    return {
        "payOrdId": number,
        "payToken": order["pay_token"],
        "extData": {"mdtrtId": visit.mdtrt_id, **told},
    }


def price(platform: Bureau, call: Call) -> Output:
    """6202: the shares, computed with the payer's authorization; asked again, computed again."""
    asked = node(call.input, "data", ORDER)
    order = _order(platform, asked, call.now)
    if order["state"] not in (UPLOADED, PRICED):
        raise refused(f"订单状态 {order['state']} 不能下单")
    visit = _visit(platform, order)
    _check_token(platform, visit, asked["payAuthNo"], call.now)
    kept = DECODER.decode(order["asked"])
    if (kept["mdtrtId"], kept["chrgBchno"]) != (asked["mdtrtId"], asked["chrgBchno"]):
        raise refused("就诊ID、收费批次号与上传的费用不一致")
    kept |= {"acctUsedFlag": asked["acctUsedFlag"] or kept["acctUsedFlag"], "msgid": call.msgid}
    benefit = _asked_of(platform, call, kept, visit).benefit
    platform.store.run(
        """update mobile_order set state = :state, benefit = :benefit, asked = :asked,
                                   pay_auth_no = :pay_auth_no where pay_ord_id = :number""",
        state=PRICED,
        benefit=msgspec.json.encode(benefit).decode(),
        asked=ENCODER.encode(kept).decode(),
        pay_auth_no=asked["payAuthNo"],
        number=order["pay_ord_id"],
    )
    return _told(_again(platform, order))


def query(platform: Bureau, call: Call) -> Output:
    """6301."""
    asked = node(call.input, "data", QUESTION)
    order = _order(platform, asked, call.now)
    _check_who(platform, asked, order["psn_no"])
    return _told(order)


def revoke(platform: Bureau, call: Call) -> Output:
    """6401: only before the payer has confirmed; the uploaded fees go too."""
    asked = node(call.input, "data", QUESTION)
    order = _order(platform, asked, call.now)
    _check_who(platform, asked, order["psn_no"])
    if order["state"] not in (UPLOADED, PRICED):
        raise refused(f"订单状态 {order['state']} 不能撤销，已支付的请退款（6203）")
    _withdraw(platform, order)
    return {"success": True, "message": "撤销成功", "payOrdId": order["pay_ord_id"]}


def confirm(platform: Bureau, pay_ord_id: str, cash_fen: int | None, now: datetime) -> Row:
    """The payer has typed the password at WeChat or Alipay: the order is settled as it was priced.

    Said again of a settled order, it changes nothing.
    """
    order = find(platform, pay_ord_id)
    if order is None:
        raise PhoneRefusal(404, "NO_SUCH_ORDER", "没有这笔医保移动支付订单")
    if order["state"] == SETTLED:
        return order
    if order["state"] != PRICED or loaded(order["expires_at"]) <= now:
        raise PhoneRefusal(409, "ORDER_STATE", f"订单状态 {order['state']} 或已过期，不能支付")
    if cash_fen not in (None, benefit_of(order).psn_cash_pay):
        raise PhoneRefusal(409, "AMOUNT_MISMATCH", "现金金额与下单结果不一致")
    return _settle(platform, order, now)


def _settle(platform: Bureau, order: Row, now: datetime) -> Row:
    kept = DECODER.decode(order["asked"])
    call = Call("6202", kept["msgid"], {}, {"data": kept}, now)
    visit = _visit(platform, order)
    told = claims.settle(platform, call, _asked_of(platform, call, kept, visit))
    priced = benefit_of(order)
    shares = ("psn_cash_pay", "acct_pay", "acct_mulaid_pay", "fund_pay_sumamt")
    if any(told["setlinfo"][name] != yuan(getattr(priced, name)) for name in shares):
        raise PhoneRefusal(409, "AMOUNTS_CHANGED", "结算金额与下单时不一致，请重新下单")
    platform.store.run(
        """update mobile_order set state = :state, setl_id = :setl_id, paid_at = :at
           where pay_ord_id = :number""",
        state=SETTLED,
        setl_id=told["setlinfo"]["setl_id"],
        at=stored(now),
        number=order["pay_ord_id"],
    )
    platform.store.run(
        "update credential set spent_by = :number where token = :token",
        number=order["pay_ord_id"],
        token=order["pay_auth_no"],
    )
    return _again(platform, order)


def find(platform: Bureau, pay_ord_id: str) -> Row | None:
    return platform.store.row("select * from mobile_order where pay_ord_id = :number", number=pay_ord_id)


def benefit_of(order: Row) -> Benefit:
    return msgspec.json.decode(order["benefit"], type=Benefit)


def order_of(platform: Bureau, asked: Mapping[str, str], now: datetime) -> Row:
    """The order with this number, withdrawn if its time has passed."""
    order = find(platform, asked["payOrdId"])
    if order is None:
        raise refused(f"支付订单号 {asked['payOrdId']} 不存在")
    _expire(platform, order, now)
    return _again(platform, order)


def _order(platform: Bureau, asked: Mapping[str, str], now: datetime) -> Row:
    order = order_of(platform, asked, now)
    if not secrets.compare_digest(order["pay_token"].encode(), asked["payToken"].encode()):
        raise refused("payToken 与支付订单号不符")
    return order


def _visit(platform: Bureau, order: Row) -> Visit:
    named = {"mdtrt_id": order["mdtrt_id"], "psn_no": order["psn_no"]}
    return visit_of(platform, named, Care.OUTPATIENT)


def _again(platform: Bureau, order: Row) -> Row:
    found = find(platform, order["pay_ord_id"])
    assert found is not None
    return found


def _expire(platform: Bureau, order: Row, now: datetime) -> None:
    if order["state"] in (UPLOADED, PRICED) and loaded(order["expires_at"]) <= now:
        _withdraw(platform, order)


def _withdraw(platform: Bureau, order: Row) -> None:
    kept = DECODER.decode(order["asked"])
    platform.store.run(
        "update mobile_order set state = :state where pay_ord_id = :number",
        state=WITHDRAWN,
        number=order["pay_ord_id"],
    )
    fees.discard(platform.store, order["mdtrt_id"], kept["chrgBchno"])


def _check_who(platform: Bureau, asked: Mapping[str, str], psn_no: str) -> None:
    if asked["orgCodg"] != platform.identity.fixmedins_code:
        raise ill_formed("orgCodg", "机构编码不存在")
    person = persons.named(platform, psn_no)
    if (person.certno, person.psn_name) != (asked["idNo"], asked["userName"]):
        raise refused("证件号码、姓名与人员编号不一致")


def _check_token(platform: Bureau, visit: Visit, token: str, now: datetime) -> None:
    cert = {"mdtrt_cert_type": persons.TOKEN, "mdtrt_cert_no": token}
    persons.check_credential(platform, visit.psn_no, cert, visit.mdtrt_id, now)


def _lines(call: Call, asked: Mapping[str, str]) -> list[dict[str, str]]:
    """feedetailList in the names of 2204; what the head says need not be said in every line."""
    listed = call.input["data"].get("feedetailList")
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise ill_formed("feedetailList", "费用明细集合缺失或格式不正确")
    head = {"mdtrt_id": asked["mdtrtId"], "psn_no": asked["psnNo"], "chrg_bchno": asked["chrgBchno"]}
    named = [{name: row[camel] for camel, name in LINE_NAMES.items() if camel in row} for row in listed]
    lines = fees.checked_lines({"feedetail": [{"rx_circ_flag": "0", **row, **head} for row in named]})
    if any(row.get(name, head[name]) != head[name] for row in named for name in head):
        raise refused("费用明细与订单的就诊ID、人员编号、收费批次号不一致")
    return lines


def _asked_of(platform: Bureau, call: Call, asked: Mapping[str, str], visit: Visit) -> Asked:
    values = {
        "psn_no": asked["psnNo"],
        "insutype": asked["insutype"],
        "medfee_sumamt": asked["medfeeSumamt"],
        "acct_used_flag": asked["acctUsedFlag"] or "1",
        "chrg_bchno": asked["chrgBchno"],
        "mdtrt_cert_type": persons.TOKEN,
    }
    lines = fees.of_visit(platform.store, visit.mdtrt_id, chrg_bchno=asked["chrgBchno"])
    return claims.asked_of(platform, call, values, visit, lines)


def _told(order: Row) -> Output:
    kept = DECODER.decode(order["asked"])
    told = {
        "payOrdId": order["pay_ord_id"],
        "payToken": order["pay_token"],
        "medOrgOrd": order["med_org_ord"],
        "ordStas": order["state"],
        "callType": "02",
        "traceTime": written(order["paid_at"] or order["created_at"]),
        "revsToken": order["pay_token"],
        "hiChrgTime": written(order["paid_at"]) if order["paid_at"] else "",
    }
    if order["benefit"] is None:
        return told
    benefit = benefit_of(order)
    extra = {"mdtrt_id": order["mdtrt_id"], "setl_id": order["setl_id"], "chrg_bchno": kept["chrgBchno"]}
    return {**told, "payAuthNo": order["pay_auth_no"], **amounts_of(benefit), "extData": extra}


def amounts_of(benefit: Benefit) -> dict[str, Any]:
    """The four shares that add up: feeSumamt = ownPayAmt + psnAcctPay + fundPay + hospPartAmt."""
    account_fen = benefit.acct_pay + benefit.acct_mulaid_pay
    insured_fen = account_fen + benefit.fund_pay_sumamt
    kind = "ALL" if insured_fen and benefit.psn_cash_pay else "HI" if insured_fen else "CASH"
    return {
        "setlType": kind,
        "feeSumamt": yuan(benefit.medfee_sumamt),
        "ownPayAmt": yuan(benefit.psn_cash_pay),
        "psnAcctPay": yuan(account_fen),
        "selfAcctPay": yuan(benefit.acct_pay),
        "acctMulaidPay": yuan(benefit.acct_mulaid_pay),
        "fundPay": yuan(benefit.fund_pay_sumamt),
        "hospPartAmt": yuan(benefit.hosp_part_amt),
        "othFeeAmt": yuan(0),
        "deposit": yuan(0),
    }


TRANSACTIONS = {
    "6201": Transaction("费用明细上传（移动支付）", upload),
    "6202": Transaction("支付下单", price),
    "6301": Transaction("医保订单结算结果查询", query),
    "6401": Transaction("费用明细上传撤销（移动支付）", revoke),
}
