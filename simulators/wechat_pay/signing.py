"""APIv3 signatures and encryption, as the platform checks and makes them."""

import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.kernel.clock import wall
from simulators import keys
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import param_error, sign_error

SCHEME = "WECHATPAY2-SHA256-RSA2048"
CLOCKS_MAY_DIFFER_S = 300
STALE_BY_S = CLOCKS_MAY_DIFFER_S + 1
ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
NEEDED = ("mchid", "nonce_str", "timestamp", "serial_no", "signature")


def check_request(platform: WechatPay, *, method: str, target: str, body: bytes, authorization: str) -> None:
    """Refuse a call that our one merchant did not sign within the last five minutes."""
    scheme, _, rest = authorization.partition(" ")
    given = dict(ATTRIBUTE.findall(rest))
    if scheme != SCHEME or any(not given.get(name) for name in NEEDED):
        raise sign_error("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
    if not given["timestamp"].isascii() or not given["timestamp"].isdigit():
        raise sign_error("Http头Authorization中的timestamp格式错误", field="timestamp")
    if abs(wall().timestamp() - int(given["timestamp"])) > CLOCKS_MAY_DIFFER_S:
        raise sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟", field="timestamp")
    if given["mchid"] != platform.identity.mchid:
        raise sign_error("商户号不存在，请检查商户号", field="mchid")
    if given["serial_no"].upper() != platform.merchant_serial:
        raise sign_error("商户证书序列号有误，请使用签名私钥匹配的证书序列号", field="serial_no")
    head = "\n".join((method, target, given["timestamp"], given["nonce_str"], "")).encode()
    message = head + body + b"\n"
    if not keys.verifies(platform.merchant_public, message, given["signature"]):
        raise sign_error(
            "错误的签名，验签失败",
            field="signature",
            detail={"issue": "sign not match"},
            sign_information={
                "method": method,
                "url": target,
                "truncated_sign_message": message[:120].decode(errors="replace"),
                "sign_message_length": len(message),
            },
        )


def choose_signer(platform: WechatPay, headers: Mapping[str, str], now: datetime) -> str:
    """Which of the platform's keys the client knows: the one it names.

    A client that names none knows the certificate if it has downloaded it, and otherwise only the
    public key it was configured with.
    """
    named = headers.get("wechatpay-serial", "")
    if named:
        if not platform.ring.knows(named, now):
            raise param_error("Wechatpay-Serial", "与平台的公钥或证书不符", location="header")
        return named
    reader = platform.store.value(
        "select client from certificate_reader where client = :client",
        client=headers.get("user-agent", ""),
    )
    return (reader and platform.ring.certificate_serial(now)) or platform.ring.public_key_id()


def signature_headers(serial: str, key: rsa.RSAPrivateKey, body: bytes, at: datetime) -> dict[str, str]:
    """The headers that prove a reply or a notification."""
    timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": keys.sign(key, message),
        "Wechatpay-Signature-Type": SCHEME,
    }


def encrypt(secret: str, plain: bytes, associated_data: str) -> dict[str, str]:
    """AEAD_AES_256_GCM under the APIv3 key, in the shape of the platform's JSON."""
    nonce = secrets.token_hex(6)
    sealed = AESGCM(secret.encode()).encrypt(nonce.encode(), plain, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": associated_data,
        "ciphertext": b64encode(sealed).decode(),
    }


def is_pay_sign(platform: WechatPay, params: Mapping[str, str]) -> bool:
    """Did the merchant sign what the mini-program hands to wx.requestPayment?"""
    lines = [params.get(name, "") for name in ("appId", "timeStamp", "nonceStr", "package")]
    message = "\n".join([*lines, ""]).encode()
    return params.get("signType") == "RSA" and keys.verifies(
        platform.merchant_public, message, params.get("paySign", "")
    )
