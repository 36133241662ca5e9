"""Orders that insurance and cash pay together, as a hospital places them by hand."""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.simulators.conftest import Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, an_order
from tests.simulators.test_abnormal_refunds import public_key, sealed

ORDERS = "/v3/med-ins/orders"
NAME, ID_NUMBER = "张三", "44030019000101123x"
ID_DIGEST = "09eb26e839ff3a2e3980352ae45ef09e"  # published beside that number

MIXED = {
    "mix_pay_type": "CASH_AND_INSURANCE",
    "med_ins_gov_fee": 100_000,
    "med_ins_self_fee": 45_000,
    "med_ins_other_fee": 5_000,
    "med_ins_cash_fee": 50_000,
    "wechat_pay_cash_fee": 42_000,
    "cash_add_detail": [{"cash_add_fee": 2_000, "cash_add_type": "FREIGHT"}],
    "cash_reduce_detail": [{"cash_reduce_fee": 10_000, "cash_reduce_type": "HOSPITAL_REDUCE"}],
    "total_fee": 202_000,
}
INSURED = {
    "mix_pay_type": "INSURANCE_ONLY",
    "med_ins_gov_fee": 100_000,
    "med_ins_self_fee": 45_000,
    "med_ins_other_fee": 0,
    "med_ins_cash_fee": 0,
    "total_fee": 145_000,
}
CASH = {
    "mix_pay_type": "CASH_ONLY",
    "wechat_pay_cash_fee": 3_000,
    "cash_add_detail": [{"cash_add_fee": 3_000, "cash_add_type": "OTHER_MEDICAL_EXPENSES"}],
    "total_fee": 3_000,
}
BUREAU_FIELDS = {
    "pay_auth_no": "AUTH530100202204022006310000034",
    "geo_location": "102.682296,25.054260",
    "med_ins_order_create_time": "2026-05-20T13:29:35+08:00",
}


@contextmanager
def bureau_at(simulators: Simulators, control_url: str | None) -> Iterator[None]:
    """The bureau beside the card is this one, or none; whoever else runs in this folder comes back."""
    card = simulators.folder / "insurance_bureau.json"
    kept = card.read_bytes() if card.exists() else None
    card.unlink(missing_ok=True)
    if control_url is not None:
        card.write_text(json.dumps({"name": "insurance_bureau", "control_url": control_url}))
    yield
    card.unlink(missing_ok=True)
    if kept is not None:
        card.write_bytes(kept)


class Hospital:
    """A merchant of these orders, and one payer with a phone."""

    def __init__(self, simulators: Simulators) -> None:
        self.simulators = simulators
        self.raw = Raw(simulators)
        self.openid: str = simulators.control(WX, "POST", "/payers", balance_fen=1_000_000)["openid"]

    def asked(self, shape: dict[str, Any] = MIXED, **change: Any) -> dict[str, Any]:
        """A good request, its cash order placed before; None leaves a field out."""
        person = {"name": NAME, "id_digest": ID_DIGEST}
        key = public_key(self.raw)
        asked = {
            "order_type": "DIAG_PAY",
            "appid": self.raw.card["appid"],
            "openid": self.openid,
            "payer": {"card_type": "ID_CARD", **{k: sealed(key, v) for k, v in person.items()}},
            "out_trade_no": f"M{secrets.token_hex(12)}",
            "serial_no": "1217752501201",
            "city_id": "530100",
            "med_inst_name": "示范医院",
            "med_inst_no": "H53010000001",
            "callback_url": self.simulators.merchant.url,
            "attach": "visit-7",
            **shape,
        }
        if shape["mix_pay_type"] != "CASH_ONLY":
            asked |= {"pay_order_id": f"ORD{secrets.token_hex(13)}", **BUREAU_FIELDS}
        if shape["mix_pay_type"] != "INSURANCE_ONLY":
            asked["prepay_id"] = self.cash_order(asked["out_trade_no"], asked["wechat_pay_cash_fee"])
        return {k: v for k, v in {**asked, **change}.items() if v is not None}

    def cash_order(self, no: str, fen: int) -> str:
        order = an_order(
            self.simulators, out_trade_no=no, amount={"total": fen}, payer={"openid": self.openid}
        )
        answer = self.raw.call("POST", "/v3/pay/transactions/jsapi", order)
        assert answer.status_code == 200, answer.text
        return answer.json()["prepay_id"]

    def place(self, asked: dict[str, Any], **how: Any) -> httpx.Response:
        return self.raw.call("POST", ORDERS, asked, **how)

    def placed(self, shape: dict[str, Any] = MIXED, **change: Any) -> dict[str, Any]:
        answer = self.place(self.asked(shape, **change))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def params(self, order: dict[str, Any], **change: str) -> dict[str, str]:
        """What wx.requestMedicalInsurancePay is given, signed with the merchant's key."""
        params = {"mixTradeNo": order["mix_trade_no"]}
        if "prepay_id" in order:
            fields = {
                "timeStamp": str(int(time.time())),
                "nonceStr": secrets.token_hex(8),
                "package": f"prepay_id={order['prepay_id']}",
            }
            message = "\n".join([self.raw.card["appid"], *fields.values(), ""]).encode()
            sign = self.raw.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            params |= {**fields, "signType": "RSA", "paySign": b64encode(sign).decode()}
        return {**params, **change}

    def phone(self, order: dict[str, Any], action: str = "payments", **change: str) -> httpx.Response:
        params = self.params(order, **change)
        return self.simulators.control_answer(
            WX, "POST", f"/payers/{self.openid}/medical-{action}", pay_params=params
        )

    def pay(self, order: dict[str, Any]) -> dict[str, Any]:
        answer = self.phone(order)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def query(self, order: dict[str, Any]) -> dict[str, Any]:
        answer = self.raw.call("GET", f"{ORDERS}/mix-trade-no/{order['mix_trade_no']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def states(self, order: dict[str, Any]) -> tuple[str, str, str]:
        return states(self.query(order))

    def told_back(self, order: dict[str, Any], **change: Any) -> httpx.Response:
        told = {
            "med_refund_total_fee": 150_000,
            "med_refund_gov_fee": 100_000,
            "med_refund_self_fee": 45_000,
            "med_refund_other_fee": 5_000,
            "refund_time": "2026-05-21T13:29:35+08:00",
            "out_refund_no": f"R{order['out_trade_no']}",
            **change,
        }
        path = f"/v3/med-ins/refunds/notify?mix_trade_no={order['mix_trade_no']}"
        return self.raw.call("POST", path, told)

    def balance(self) -> int:
        return self.simulators.control(WX, "GET", f"/payers/{self.openid}")["balance_fen"]


def states(told: dict[str, Any]) -> tuple[str, str, str]:
    return told["mix_pay_status"], told["self_pay_status"], told["med_ins_pay_status"]
