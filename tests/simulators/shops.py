"""The same few things done at either payment platform, so that one test can see both misbehave."""

import json
from datetime import datetime

import httpx

from app.kernel.clock import LOCAL
from tests.simulators import raw_alipay, raw_wechat_pay
from tests.simulators.conftest import Received, Simulators
from tests.simulators.raw_alipay import ALI
from tests.simulators.raw_wechat_pay import WX

CODED = {"description": "门诊缴费", "scene_info": {"store_info": {"out_id": "window-3"}}}


class WechatShop:
    """A merchant of WeChat Pay."""

    name = WX
    refunded = "REFUND.SUCCESS"
    paid_kind = "TRANSACTION.SUCCESS"
    says_paid = "ORDER_PAID"

    def __init__(self, simulators: Simulators) -> None:
        self.simulators = simulators
        self.raw = raw_wechat_pay.Raw(simulators)

    def place(self, no: str) -> str:
        """An unpaid order; its code."""
        order = raw_wechat_pay.an_order(self.simulators, out_trade_no=no)
        return raw_wechat_pay.native(self.raw, order).json()["code_url"]

    def pay(self, no: str) -> None:
        raw_wechat_pay.paid(self.simulators, self.raw, out_trade_no=no)

    def refund_part(self, no: str) -> None:
        order = {"out_trade_no": no, "amount": {"total": 100}}
        raw_wechat_pay.refund(self.raw, order, 30, notify_url=self.simulators.merchant.url)
        self.simulators.clock.forward(seconds=2)

    def scan(self, no: str) -> bool:
        """Charge a payer's code; is it paid?"""
        card = self.raw.card
        payer = self.simulators.control(WX, "POST", "/payers")["openid"]
        code = self.simulators.control(WX, "POST", f"/payers/{payer}/payment-codes")["auth_code"]
        order = {"appid": card["appid"], "mchid": card["mchid"], "out_trade_no": no, **CODED}
        order |= {"amount": {"total": 1230}, "payer": {"auth_code": code}}
        answer = self.raw.call("POST", "/v3/pay/transactions/codepay", order)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()["trade_state"] == "SUCCESS"

    def close(self, no: str) -> str:
        """Close an unpaid order; the code it is refused with, or nothing."""
        path = f"/v3/pay/transactions/out-trade-no/{no}/close"
        answer = self.raw.call("POST", path, {"mchid": self.raw.card["mchid"]})
        return answer.json()["code"] if answer.content else ""

    def cancel(self, no: str) -> bool:
        """Reverse a charged code; is it certain now?"""
        path = f"/v3/pay/transactions/out-trade-no/{no}/reverse"
        asked = {"appid": self.raw.card["appid"], "mchid": self.raw.card["mchid"]}
        answer = self.raw.call("POST", path, asked)
        assert answer.status_code in (200, 202), answer.text
        return answer.status_code == 200

    def is_paid(self, no: str) -> bool:
        return self.ask(no).json()["trade_state"] == "SUCCESS"

    def ask(self, no: str) -> httpx.Response:
        return raw_wechat_pay.query(self.raw, no)

    def kind(self, told: Received) -> str:
        return json.loads(told.body)["event_type"]

    def stamp(self, told: Received) -> float:
        return float(told.headers["wechatpay-timestamp"])


class AlipayShop:
    """A merchant of Alipay."""

    name = ALI
    refunded = "TRADE_SUCCESS after a refund"
    paid_kind = "TRADE_SUCCESS"
    says_paid = "ACQ.TRADE_HAS_SUCCESS"

    def __init__(self, simulators: Simulators) -> None:
        self.simulators = simulators
        self.client = raw_alipay.Client(simulators)

    def place(self, no: str) -> str:
        """An unpaid order; its number."""
        return raw_alipay.created(self.simulators, self.client, out_trade_no=no)["trade_no"]

    def pay(self, no: str) -> None:
        raw_alipay.paid(self.simulators, self.client, out_trade_no=no)

    def refund_part(self, no: str) -> None:
        raw_alipay.refund(self.client, {"out_trade_no": no}, "2.30", "part-1")

    def scan(self, no: str) -> bool:
        """Charge a payer's code; is it paid?"""
        payer = raw_alipay.new_payer(self.simulators)["user_id"]
        code = self.simulators.control(ALI, "POST", f"/payers/{payer}/payment-codes")["auth_code"]
        order = {"out_trade_no": no, "auth_code": code, "total_amount": "12.30", "subject": "门诊缴费"}
        answer = self.client.call("alipay.trade.pay", order)
        assert answer["code"] in ("10000", "10003"), answer
        return answer["code"] == "10000"

    def close(self, no: str) -> str:
        """Close an unpaid trade; the code it is refused with, or nothing."""
        return self.client.call("alipay.trade.close", {"out_trade_no": no}).get("sub_code", "")

    def cancel(self, no: str) -> bool:
        """Cancel a charged code; is it certain now?"""
        answer = self.client.call("alipay.trade.cancel", {"out_trade_no": no})
        assert (answer["code"], "action" in answer) == ("10000", answer["retry_flag"] == "N")
        return answer["retry_flag"] == "N"

    def is_paid(self, no: str) -> bool:
        return raw_alipay.query(self.client, no)["trade_status"] == "TRADE_SUCCESS"

    def ask(self, no: str) -> httpx.Response:
        return self.client.post("alipay.trade.query", {"out_trade_no": no})

    def kind(self, told: Received) -> str:
        fields = self.client.notice(told)
        return self.refunded if "refund_fee" in fields else fields["trade_status"]

    def stamp(self, told: Received) -> float:
        """Business time: what the test moved is taken off again."""
        sent = datetime.fromisoformat(self.client.notice(told)["notify_time"])
        return (sent.replace(tzinfo=LOCAL) - self.simulators.clock.offset).timestamp()
