"""The merchant tells WeChat Pay that the bureau has given the insurance share back.

No money moves here: cash goes back by the ordinary refund, insurance by the bureau.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from simulators.store import stored
from simulators.wechat_pay.calls import Call, Reply, parse
from simulators.wechat_pay.mixed_orders import MixedOrder, find, not_found
from simulators.wechat_pay.mixed_rules import Fen, Text64, read_time
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import invalid_request, param_error, rule_limit

SHARES = ("gov", "self", "other")


class RefundNotice(msgspec.Struct, frozen=True):
    """Amounts in fen; the number is the cash refund's, where there is one."""

    med_refund_total_fee: Fen
    med_refund_gov_fee: Fen
    med_refund_self_fee: Fen
    med_refund_other_fee: Fen
    refund_time: Text64
    out_refund_no: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}\Z")]

    def share(self, name: str) -> int:
        return getattr(self, f"med_refund_{name}_fee")


def notify(platform: WechatPay, call: Call) -> Reply:
    """Told again of the same order, the latest holds."""
    number = call.query.get("mix_trade_no", "")
    if not number:
        raise param_error("mix_trade_no", "必填", location="query")
    told = parse(call.body, RefundNotice)
    read_time("/refund_time", told.refund_time)
    order = find(platform, mix_trade_no=number)
    if order is None:
        raise not_found()
    _check(order, told)
    platform.store.run(
        """insert or replace into med_ins_refund values
               (:number, :out_refund_no, :total_fen, :gov_fen, :self_fen, :other_fen, :refund_time, :now)""",
        number=number,
        out_refund_no=told.out_refund_no,
        total_fen=told.med_refund_total_fee,
        **{f"{name}_fen": told.share(name) for name in SHARES},
        refund_time=told.refund_time,
        now=stored(call.now),
    )
    return Reply(204)


def _check(order: MixedOrder, told: RefundNotice) -> None:
    if told.med_refund_total_fee != sum(told.share(name) for name in SHARES):
        raise rule_limit(
            "医保退款总金额校验不通过，请检查请求字段是否满足规则：med_refund_total_fee = "
            "med_refund_gov_fee + med_refund_self_fee + med_refund_other_fee"
        )
    if order.med_ins_state == "NO_MED_INS_PAY":
        raise rule_limit("混合单中没有医保订单，无法接收医保退款通知")
    if order.med_ins_state != "MED_INS_PAY_SUCCESS":
        raise invalid_request("混合单的医保部分未支付，无法接收医保退款通知")
    beyond = [name for name in SHARES if told.share(name) > order.fields[f"med_ins_{name}_fee"]]
    if beyond:
        raise rule_limit(f"med_refund_{beyond[0]}_fee超过订单的医保支付金额")
