"""The simulated WeChat Pay: who its merchant is, its keys, and what it remembers."""

import re
import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from simulators import bill_lines, bills, book, fees, keys, notices, payment_codes, people
from simulators.clock import Now
from simulators.faults import PAYING, Act, Fault, FaultBoard, Part
from simulators.store import Store
from simulators.wechat_pay import mini_program_tables, mixed_tables
from simulators.wechat_pay.key_ring import KeyRing

SCHEMA = """
create table if not exists trade (
    out_trade_no text primary key,
    trade_type text not null,
    openid text not null,
    description text not null,
    attach text,
    notify_url text not null,
    amount_fen integer not null check (amount_fen > 0),
    asked text not null,
    signer text not null,
    state text not null check (state in
        ('NOTPAY', 'SUCCESS', 'REFUND', 'CLOSED', 'USERPAYING', 'PAYERROR', 'REVOKED')),
    created_at text not null,
    expires_at text not null,
    prepay_id text unique,
    prepay_at text not null,
    code_url text unique,
    transaction_id text unique,
    payer text,
    paid_at text
) strict;
create table if not exists refund (
    out_refund_no text primary key,
    refund_id text not null unique,
    out_trade_no text not null references trade (out_trade_no),
    amount_fen integer not null check (amount_fen > 0),
    notify_url text not null,
    asked text not null,
    signer text not null,
    state text not null check (state in ('PROCESSING', 'SUCCESS', 'CLOSED', 'ABNORMAL')),
    outcome text not null,
    created_at text not null,
    due_at text not null,
    done_at text,
    channel text not null default 'ORIGINAL',
    received_account text not null default '支付用户零钱'
) strict;
create table if not exists certificate_reader (client text primary key) strict;
"""

FAULTS = (
    *PAYING,
    Fault("clock_ahead", Part.REPLY, "应答的时间戳快了若干秒（签名正确）"),
    Fault("clock_behind", Part.REPLY, "应答的时间戳慢了若干秒（签名正确）"),
    Fault("stale_reply", Part.REPLY, "应答的时间戳早了 301 秒（签名正确）"),
    Fault("signtest", Part.NOTICE, "验签探测：签名以 WECHATPAY/SIGNTEST/ 开头"),
    Fault(
        "unknown_certificate", Part.NOTICE, "通知声称由尚未公布的平台证书签名（GET /v3/certificates 没有）"
    ),
    Fault("wrong_secret", Part.NOTICE, "通知用别的 APIv3 密钥加密"),
    Fault("refund_abnormal", Part.COURSE, "退款最终异常 ABNORMAL", Act.MANGLE),
    Fault("refund_closed", Part.COURSE, "退款最终关闭 CLOSED", Act.MANGLE),
    Fault("refund_stuck", Part.COURSE, "退款一直处理中", Act.MANGLE),
    Fault("risk_blocked", Part.LOGIN, "小程序登录：微信认定为高风险用户，拒绝登录（40226）"),
    Fault("insurance_fails", Part.SETTLING, "混合支付：现金已付，医保结算失败（MIX_PAY_FAIL）"),
    Fault("cash_fails", Part.SETTLING, "混合支付：医保已结算，现金扣款失败（MIX_PAY_FAIL）"),
    Fault("insurance_late", Part.SETTLING, "混合支付：现金已付，若干秒（业务时间）后医保才结算成功"),
    Fault("bill_bad_hash", Part.BILL_LINK, "应答的账单摘要与文件不符", Act.MANGLE),
)


OPENID = re.compile(r"o[0-9A-Za-z_\-]{27}\Z")


class Identity(msgspec.Struct, frozen=True):
    """The one merchant, and the mini-program bound to it; the id is that of the first public key."""

    mchid: str
    appid: str
    app_secret: str
    apiv3_key: str
    platform_public_key_id: str


class WechatPay:
    name = "wechat_pay"
    code_prefix = "13"  # WeChat's payment codes begin with 10 to 15
    courier: notices.Courier  # hired when the platform opens: it needs to know how to speak
    desk: bills.Desk  # opened with it: it needs to know how to write

    def __init__(self, folder: Path, now: Now) -> None:
        self.folder = folder
        kept = folder / "keys"
        self.now = now
        self.verifying: set[str] = set()  # orders whose password is typed, and the bureau is asked
        self.identity = keys.remembered(kept / "wechat_pay_identity.json", _new_identity())
        self.merchant_key_path = kept / "wechat_pay_merchant_key.pem"
        self.merchant_certificate_path = kept / "wechat_pay_merchant_cert.pem"
        merchant_key = keys.private_key(self.merchant_key_path)
        self.merchant_public: rsa.RSAPublicKey = merchant_key.public_key()
        self.merchant_serial = keys.serial_of(
            keys.certificate(self.merchant_certificate_path, merchant_key, name=self.identity.mchid)
        )
        self.ring = KeyRing(kept, self.identity.platform_public_key_id)
        self.store = Store(
            folder / "wechat_pay.sqlite",
            book.SCHEMA,
            people.SCHEMA,
            notices.SCHEMA,
            payment_codes.SCHEMA,
            fees.SCHEMA,
            bills.SCHEMA,
            SCHEMA,
            mini_program_tables.SCHEMA,
            mixed_tables.SCHEMA,
        )
        self.faults = FaultBoard(*FAULTS, *bill_lines.FAULTS)

    def payer_ids(self, wanted: str | None) -> tuple[str, str]:
        """The openid of a new payer: the wanted one if it looks like one."""
        if wanted is None:
            return f"o{secrets.token_hex(14)[:27]}", ""
        if not OPENID.match(wanted):
            raise people.PhoneRefusal(400, "ID_INVALID", "openid 须为字母 o 开头的 28 位字符")
        return wanted, ""

    def payer_names(self, payer: people.Payer) -> dict[str, str]:
        return {"openid": payer.id}

    def card(self) -> dict[str, str]:
        """What an outside client is configured with: the newest keys."""
        public_key, certificate = self.ring.newest()
        card = {
            "mchid": self.identity.mchid,
            "appid": self.identity.appid,
            "app_secret": self.identity.app_secret,
            "apiv3_key": self.identity.apiv3_key,
            "merchant_serial": self.merchant_serial,
            "merchant_private_key_path": str(self.merchant_key_path),
            "merchant_certificate_path": str(self.merchant_certificate_path),
            "platform_public_key_path": str(self.ring.path(public_key)),
            "platform_public_key_id": public_key.id,
        }
        if certificate is not None:
            card["platform_certificate_path"] = str(self.ring.path(certificate))
            card["platform_certificate_serial"] = certificate.id
        return card

    @property
    def merchant_id(self) -> str:
        return self.identity.mchid

    @property
    def clearing(self) -> str:
        return book.merchant(self.identity.mchid)

    @property
    def in_transit(self) -> str:
        return book.transit(self.identity.mchid)


def _new_identity() -> Identity:
    mchid = "16" + "".join(secrets.choice("0123456789") for _ in range(8))
    return Identity(
        mchid=mchid,
        appid="wx" + secrets.token_hex(8),
        app_secret=secrets.token_hex(16),
        apiv3_key=secrets.token_hex(16),
        platform_public_key_id=new_public_key_id(mchid),
    )


def new_public_key_id(mchid: str) -> str:
    return f"PUB_KEY_ID_01{mchid}{secrets.randbelow(10**16):016d}"
