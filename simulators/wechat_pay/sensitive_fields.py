"""Sensitive fields: names and identity numbers nobody on the way may read.

The client seals them under the platform key it names in `Wechatpay-Serial` (RSAES-OAEP with SHA-1
and MGF1-SHA-1, then base64), as the platform's page on encrypting sensitive information says.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from simulators.wechat_pay.calls import Call
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import param_error

HASH = hashes.SHA1()  # noqa: S303  # the protocol's own choice, and sound inside OAEP
SEALING = padding.OAEP(mgf=padding.MGF1(HASH), algorithm=HASH, label=None)
WRONG_KEY = "敏感字段解密失败，请使用Wechatpay-Serial指定的微信支付公钥或平台证书加密"


def opened(platform: WechatPay, call: Call, field: str, sealed: str) -> str:
    """The plain text of one field; PARAM_ERROR when no key is named or the text was not sealed under it.

    `field` is the place the refusal names, as `/payer/name`.
    """
    if not call.named_key:
        raise param_error("Wechatpay-Serial", "请求含敏感字段时必填", location="header")
    try:
        plain = platform.ring.key(call.named_key).decrypt(b64decode(sealed, validate=True), SEALING).decode()
    except (NotBase64, ValueError) as error:  # ValueError: not sealed under this key, or not UTF-8 inside
        raise param_error(field, WRONG_KEY) from error
    if not plain:
        raise param_error(field, "不能为空")
    return plain


SEALED_BYTES_MAX = 214  # of 2048 bits, after the padding and two SHA-1 digests


def sealed(platform: WechatPay, text: str) -> str:
    """What only the merchant can read: the platform seals under the merchant's certificate."""
    return b64encode(platform.merchant_public.encrypt(text.encode(), SEALING)).decode()
