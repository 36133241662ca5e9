"""The smallest honest WeChat Pay client, signed by hand from the protocol's text."""

import json
import secrets
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.simulators.conftest import Simulators

WX = "wechat_pay"


class Raw:
    """The smallest honest client: every header can be changed by the test."""

    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[WX]
        pem = Path(self.card["merchant_private_key_path"]).read_bytes()
        self.key: Any = load_pem_private_key(pem, password=None)

    def call(self, method: str, path: str, content: Any = None, **change: Any) -> httpx.Response:
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "Authorization": self.authorization(method, path, change.get("signed", body), **change),
            "Wechatpay-Serial": change.get("serial", self.card["platform_public_key_id"]),
        }
        address = self.card["base_url"] + path
        return self.http.request(method, address, content=body, headers=headers)

    def authorization(self, method: str, path: str, body: bytes, **change: Any) -> str:
        stamp = str(int(time.time()) + change.get("late", 0))
        nonce = secrets.token_hex(8)
        message = f"{method}\n{path}\n{stamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        fields = {
            "mchid": change.get("mchid", self.card["mchid"]),
            "serial_no": change.get("serial_no", self.card["merchant_serial"]),
            "nonce_str": nonce,
            "timestamp": stamp,
            "signature": b64encode(signature).decode(),
        }
        scheme = change.get("scheme", "WECHATPAY2-SHA256-RSA2048")
        return f"{scheme} " + ",".join(f'{k}="{v}"' for k, v in fields.items())


def number() -> str:
    return f"T{secrets.token_hex(12)}"


def an_order(simulators: Simulators, **change: Any) -> dict[str, Any]:
    card = simulators.cards[WX]
    order = {
        "appid": card["appid"],
        "mchid": card["mchid"],
        "description": "门诊挂号费",
        "out_trade_no": number(),
        "notify_url": simulators.merchant.url,
        "amount": {"total": 100, "currency": "CNY"},
    }
    return {k: v for k, v in {**order, **change}.items() if v is not None}


def native(raw: Raw, order: dict[str, Any]) -> httpx.Response:
    return raw.call("POST", "/v3/pay/transactions/native", order)


def query(raw: Raw, out_trade_no: str) -> httpx.Response:
    mchid = raw.card["mchid"]
    return raw.call("GET", f"/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={mchid}")


def paid(simulators: Simulators, raw: Raw, **change: Any) -> dict[str, Any]:
    order = an_order(simulators, **change)
    code_url = native(raw, order).json()["code_url"]
    openid = simulators.control(WX, "POST", "/payers")["openid"]
    simulators.control(WX, "POST", f"/payers/{openid}/payments", code_url=code_url)
    return order


def refund(raw: Raw, order: dict[str, Any], fen: int, **change: Any) -> httpx.Response:
    total = order["amount"]["total"]
    asked = {
        "out_trade_no": order["out_trade_no"],
        "out_refund_no": number(),
        "amount": {"refund": fen, "total": total, "currency": "CNY"},
        **change,
    }
    return raw.call("POST", "/v3/refund/domestic/refunds", asked)
