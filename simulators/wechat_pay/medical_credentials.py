"""The electronic medical insurance credential bound to a payer's phone: whose insurance it is.

The platform compares an order's payer with it. The digest of an identity number is the lower-case
hexadecimal MD5 of the number in upper case, as the platform's page on these orders says.
"""

import hashlib
import secrets

from simulators.wechat_pay.calls import Call
from simulators.wechat_pay.mixed_rules import MixedRequest, Person
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import invalid_request, param_error
from simulators.wechat_pay.sensitive_fields import opened

DIGEST_DIGITS = frozenset("0123456789abcdef")
DIGEST_LENGTH = 32


def id_digest(id_number: str) -> str:
    return hashlib.md5(id_number.upper().encode(), usedforsecurity=False).hexdigest()


def bind(platform: WechatPay, *, openid: str, name: str, id_number: str) -> None:
    """The payer activates the credential on this phone; a later one replaces it."""
    platform.store.run(
        "insert or replace into medical_credential values (:openid, :name, :digest)",
        openid=openid,
        name=name,
        digest=id_digest(id_number),
    )


def check_persons(platform: WechatPay, call: Call, asked: MixedRequest) -> None:
    """Refuse persons that were not sealed for us, and a payer who is not the credential's owner.

    A payer whose credential is not known here is taken at the merchant's word.
    """
    name, digest = _opened(platform, call, "/payer", asked.payer)
    if asked.relative is not None:
        _opened(platform, call, "/relative", asked.relative)
    bound = platform.store.row(
        "select name, id_digest from medical_credential where openid = :openid", openid=asked.openid
    )
    if bound is None:
        return
    if not secrets.compare_digest(bound["id_digest"], digest):
        raise invalid_request("入参个人身份ID摘要和医保电子凭证绑卡身份ID摘要不匹配")
    if bound["name"] != name:
        raise invalid_request("入参用户姓名和医保电子凭证绑卡姓名不匹配")


def _opened(platform: WechatPay, call: Call, field: str, person: Person) -> tuple[str, str]:
    name = opened(platform, call, f"{field}/name", person.name)
    digest = opened(platform, call, f"{field}/id_digest", person.id_digest)
    if len(digest) != DIGEST_LENGTH or not set(digest) <= DIGEST_DIGITS:
        raise param_error(f"{field}/id_digest", "须为证件号码（字母大写）的MD5，32位小写十六进制")
    return name, digest
