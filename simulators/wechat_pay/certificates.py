"""The platform certificate, for clients that verify with it instead of the public key."""

from cryptography.hazmat.primitives.serialization import Encoding

from app.kernel.clock import LOCAL
from simulators.wechat_pay.calls import Call, Reply
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.signing import encrypt


def download(platform: WechatPay, call: Call) -> Reply:
    """The certificate, sealed under the APIv3 key; from now on this client is known to have it."""
    platform.store.run(
        "insert into certificate_reader (client) values (:client) on conflict do nothing",
        client=call.client,
    )
    certificate = platform.certificate
    effective = certificate.not_valid_before_utc.astimezone(LOCAL)
    expires = certificate.not_valid_after_utc.astimezone(LOCAL)
    pem = certificate.public_bytes(Encoding.PEM)
    told = {
        "serial_no": platform.certificate_serial,
        "effective_time": effective.isoformat(timespec="seconds"),
        "expire_time": expires.isoformat(timespec="seconds"),
        "encrypt_certificate": encrypt(platform.identity.apiv3_key, pem, "certificate"),
    }
    return Reply(200, {"data": [told]})
