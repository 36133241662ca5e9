"""A client of Alipay written from the protocol's text and the official SDK's sign content."""

import json
import secrets
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from alipay.aop.api.util.SignatureUtils import get_sign_content
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from app.kernel.clock import LOCAL, wall
from tests.simulators.conftest import Received, Simulators

ALI = "alipay"


class Client:
    """Signs with the SDK's sign content and `cryptography`; believes only signed answers."""

    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[ALI]
        self.merchant = simulators.merchant
        pem = Path(self.card["merchant_private_key_path"]).read_bytes()
        assert b"BEGIN RSA PRIVATE KEY" in pem
        self.key: Any = load_pem_private_key(pem, password=None)
        self.alipay: Any = load_pem_public_key(Path(self.card["platform_public_key_path"]).read_bytes())

    def post(self, method: str, content: Any = None, **common: str) -> httpx.Response:
        params = {
            "app_id": self.card["appid"],
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": f"{wall().astimezone(LOCAL):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            "notify_url": self.merchant.url,
            **common,
        }
        if content is not None:
            params["biz_content"] = json.dumps(content, ensure_ascii=False)
        params = {k: v for k, v in params.items() if v}
        message = get_sign_content(params).encode()
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        params["sign"] = b64encode(signature).decode()
        # Like the SDK: what is common stands in the address, what is business in the form.
        form = {k: params.pop(k) for k in ("biz_content",) if k in params}
        return self.http.post(self.card["gateway_url"], params=params, data=form)

    def call(self, method: str, content: Any = None, **common: str) -> dict[str, Any]:
        """The answer, believed only when the exact bytes of the inner object are signed."""
        text = self.post(method, content, **common).text
        name = method.replace(".", "_") + "_response"
        if f'"{name}"' not in text:
            name = "error_response"
        begin = text.index(f'"{name}":') + len(name) + 3
        end = text.rindex(',"sign":"')
        signature = b64decode(text[end + 9 : -2])
        inner = text[begin:end]
        self.alipay.verify(signature, inner.encode(), padding.PKCS1v15(), hashes.SHA256())
        return json.loads(inner)

    def notice(self, told: Received) -> dict[str, str]:
        """A notification's fields, once its signature is believed."""
        fields = dict(parse_qsl(told.body.decode(), keep_blank_values=True))
        signature = b64decode(fields.pop("sign"))
        assert fields.pop("sign_type") == "RSA2"
        message = get_sign_content(fields).encode()
        self.alipay.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        return fields


def number() -> str:
    return f"A{secrets.token_hex(12)}"


def new_payer(simulators: Simulators) -> dict[str, Any]:
    return simulators.control(ALI, "POST", "/payers", balance_fen=1_000_000)


def created(simulators: Simulators, client: Client, **change: Any) -> dict[str, Any]:
    payer = new_payer(simulators)
    asked = {
        "out_trade_no": number(),
        "total_amount": "12.30",
        "subject": "门诊缴费",
        "product_code": "JSAPI_PAY",
        "op_app_id": client.card["appid"],
        "buyer_id": payer["user_id"],
        **change,
    }
    answer = client.call("alipay.trade.create", asked)
    assert answer["code"] == "10000", answer
    return {**asked, "trade_no": answer["trade_no"], "payer": payer["user_id"]}


def paid(simulators: Simulators, client: Client, **change: Any) -> dict[str, Any]:
    trade = created(simulators, client, **change)
    pay = {"tradeNO": trade["trade_no"]}
    moved = simulators.control(ALI, "POST", f"/payers/{trade['payer']}/payments", pay_params=pay)
    assert moved["result"] == "9000"
    return trade


def query(client: Client, out_trade_no: str) -> dict[str, Any]:
    return client.call("alipay.trade.query", {"out_trade_no": out_trade_no})


def refund(client: Client, trade: dict[str, Any], yuan: str, request_no: str) -> dict[str, Any]:
    asked = {
        "out_trade_no": trade["out_trade_no"],
        "refund_amount": yuan,
        "out_request_no": request_no,
    }
    return client.call("alipay.trade.refund", asked)
