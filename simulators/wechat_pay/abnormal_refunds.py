"""A refund the payer's account would not take: the merchant names another account for it."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from simulators.store import stored
from simulators.wechat_pay.calls import Call, Reply, parse
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refunds import Refund, described, find_refund, spoilt_outcome
from simulators.wechat_pay.refusals import invalid_request, param_error, resource_not_exists
from simulators.wechat_pay.sensitive_fields import opened

# The fifteen banks whose debit cards the platform's page on abnormal refunds lists.
BANKS = {
    "CMB_DEBIT": "招商银行",
    "COMM_DEBIT": "交通银行",
    "ABC_DEBIT": "农业银行",
    "CCB_DEBIT": "建设银行",
    "ICBC_DEBIT": "工商银行",
    "BOC_DEBIT": "中国银行",
    "PAB_DEBIT": "平安银行",
    "SPDB_DEBIT": "浦发银行",
    "CITIC_DEBIT": "中信银行",
    "CEB_DEBIT": "光大银行",
    "CMBC_DEBIT": "民生银行",
    "CIB_DEBIT": "兴业银行",
    "GDB_DEBIT": "广发银行",
    "PSBC_DEBIT": "邮储银行",
    "NBCB_DEBIT": "宁波银行",
}
MERCHANTS_ACCOUNT = "商户结算银行账户"
CARD = re.compile(r"[0-9]{12,30}\Z")

Sealed = Annotated[str, Meta(max_length=1024)]


class AbnormalRequest(msgspec.Struct, frozen=True):
    out_refund_no: Annotated[str, Meta(min_length=1, max_length=64)]
    type: Literal["USER_BANK_CARD", "MERCHANT_BANK_CARD"]
    bank_type: Annotated[str, Meta(max_length=16)] | None = None
    bank_account: Sealed | None = None
    real_name: Sealed | None = None


def apply(platform: WechatPay, call: Call) -> Reply:
    """Send the refund on its way again, to the payer's card or the merchant's bank account."""
    asked = parse(call.body, AbnormalRequest)
    refund = _named(platform, call.path["refund_id"], asked.out_refund_no)
    account = _card(platform, call, asked) if asked.type == "USER_BANK_CARD" else MERCHANTS_ACCOUNT
    if refund.state != "ABNORMAL":
        raise invalid_request("退款单状态不是退款异常，不能发起异常退款处理")
    outcome, due_at = spoilt_outcome(
        platform, call, endpoint="abnormal_refund", text=f"{refund.out_refund_no} {refund.out_trade_no}"
    )
    platform.store.run(
        """update refund set state = 'PROCESSING', outcome = :outcome, due_at = :due_at, done_at = null,
               channel = 'OTHER_BANKCARD', received_account = :account
           where out_refund_no = :no and state = 'ABNORMAL'""",
        outcome=outcome,
        due_at=stored(due_at),
        account=account,
        no=refund.out_refund_no,
    )
    sent = find_refund(platform, refund.out_refund_no)
    assert sent is not None
    return Reply(200, described(platform, sent))


def _named(platform: WechatPay, refund_id: str, out_refund_no: str) -> Refund:
    row = platform.store.row("select * from refund where refund_id = :id", id=refund_id)
    if row is None:
        raise resource_not_exists("退款单不存在，请确认退款单号")
    refund = Refund(**dict(row))
    if refund.out_refund_no != out_refund_no:
        raise invalid_request("商户退款单号与微信支付退款单号不匹配")
    return refund


def _card(platform: WechatPay, call: Call, asked: AbnormalRequest) -> str:
    """The payer's card as the platform names it afterwards; every part of it is needed."""
    for name in ("bank_type", "bank_account", "real_name"):
        if not getattr(asked, name):
            raise param_error(f"/{name}", "退款至用户银行卡时必填")
    if asked.bank_type not in BANKS:
        raise param_error("/bank_type", "不支持的银行类型", value=asked.bank_type)
    number = opened(platform, call, "/bank_account", asked.bank_account or "")
    opened(platform, call, "/real_name", asked.real_name or "")
    if not CARD.match(number):
        raise param_error("/bank_account", "银行卡号格式不正确")
    return f"{BANKS[asked.bank_type]}借记卡{number[-4:]}"
