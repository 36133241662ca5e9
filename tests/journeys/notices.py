"""Payment notices of WeChat Pay, made by hand from the protocol's text: genuine, and forged."""

import json
import secrets
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Card = dict[str, Any]


def paid_notice(card: Card, paid: dict[str, Any], payer: str) -> bytes:
    """ "Paid", of this order: encrypted as WeChat Pay does it, under our own APIv3 key."""
    told = {
        "mchid": card["mchid"],
        "appid": card["appid"],
        "out_trade_no": paid["out_trade_no"],
        "transaction_id": paid["transaction_id"],
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "success_time": paid["paid_at"],
        "payer": {"openid": payer},
        "amount": {
            "total": paid["amount_fen"],
            "payer_total": paid["amount_fen"],
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }
    nonce = secrets.token_hex(6)
    sealed = AESGCM(card["apiv3_key"].encode()).encrypt(
        nonce.encode(), json.dumps(told).encode(), b"transaction"
    )
    envelope = {
        "id": secrets.token_hex(16),
        "create_time": paid["paid_at"],
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": {
            "original_type": "transaction",
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": "transaction",
            "ciphertext": b64encode(sealed).decode(),
        },
    }
    return json.dumps(envelope).encode()


def signed(card: Card, body: bytes, key: rsa.RSAPrivateKey) -> dict[str, str]:
    """The headers that say: WeChat Pay wrote this. Only its own key makes them true."""
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    message = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Content-Type": "application/json",
        "Wechatpay-Timestamp": stamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": card["platform_public_key_id"],
        "Wechatpay-Signature": b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode(),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def platform_key(data: Path) -> rsa.RSAPrivateKey:
    """What only WeChat Pay has; the simulator's lies in its folder."""
    pem = (data / "simulators" / "keys" / "wechat_pay_public_mode_key.pem").read_bytes()
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def foreign_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def tell(http: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return await http.post("/pay/notify/wechat", content=body, headers=headers)
