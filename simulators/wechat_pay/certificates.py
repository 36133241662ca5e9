"""The platform certificates, for clients that verify with them instead of the public key."""

from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from app.kernel.clock import LOCAL
from simulators.store import loaded
from simulators.wechat_pay.calls import Call, Reply
from simulators.wechat_pay.key_ring import KeptKey
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import resource_not_exists
from simulators.wechat_pay.signing import encrypt


def download(platform: WechatPay, call: Call) -> Reply:
    """Every good certificate, sealed under the APIv3 key; from now on this client is known to have them."""
    listed = platform.ring.listed(call.now)
    if not listed:
        raise resource_not_exists("无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")
    platform.store.run(
        "insert into certificate_reader (client) values (:client) on conflict do nothing",
        client=call.client,
    )
    return Reply(200, {"data": [_told(platform, kept) for kept in listed]})


def _told(platform: WechatPay, kept: KeptKey) -> dict[str, Any]:
    """One certificate; after a rotation the old one expires before its own end."""
    certificate = platform.ring.certificate(kept)
    expires = loaded(kept.retires_at) if kept.retires_at else certificate.not_valid_after_utc
    pem = certificate.public_bytes(Encoding.PEM)
    return {
        "serial_no": kept.id,
        "effective_time": _local(certificate.not_valid_before_utc),
        "expire_time": _local(expires),
        "encrypt_certificate": encrypt(platform.identity.apiv3_key, pem, "certificate"),
    }


def _local(instant: datetime) -> str:
    return instant.astimezone(LOCAL).isoformat(timespec="seconds")
