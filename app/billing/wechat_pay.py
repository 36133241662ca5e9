"""WeChat Pay APIv3: our own transport around pywechatpay, of which only the signing, verifying and decrypting
are used. Its HTTP methods, serial numbers and random numbers are never called."""

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from pywechatpay.core import WechatPay as Signer

from app.billing.channel import (
    ABSENT,
    ALREADY_CLOSED,
    ALREADY_PAID,
    NOT_ENOUGH,
    TOO_OFTEN,
    Notice,
    NoticeForged,
    Offer,
    Order,
    Outcome,
    RefundOrder,
    RefundState,
    RefundTold,
    Rejected,
    Success,
    Trade,
    TradeState,
    Unknown,
    ask,
    pooled_client,
)
from app.billing.tables import ChannelName, PayMethod
from app.kernel import clock

log = structlog.get_logger()

FRESH_SECONDS = 300
PAY = "/v3/pay/transactions"
REFUNDS = "/v3/refund/domestic/refunds"

# Refusals we believe, with the spellings of several generations of documents. Any other is no answer.
REFUSALS = {
    "ORDERPAID": ALREADY_PAID,
    "ORDER_PAID": ALREADY_PAID,
    "ORDER_CLOSED": ALREADY_CLOSED,
    "ORDERCLOSED": ALREADY_CLOSED,
    "ORDER_NOT_EXIST": ABSENT,
    "ORDERNOTEXIST": ABSENT,
    "RESOURCE_NOT_EXISTS": ABSENT,
    "FREQUENCY_LIMITED": TOO_OFTEN,
    "FREQUENCY_LIMIT": TOO_OFTEN,
    "RATELIMIT_EXCEEDED": TOO_OFTEN,
    "NOT_ENOUGH": NOT_ENOUGH,
    "NOTENOUGH": NOT_ENOUGH,
    "OUT_TRADE_NO_USED": "out_trade_no_used",
    "PARAM_ERROR": "param_error",
    "INVALID_REQUEST": "invalid_request",
    "APPID_MCHID_NOT_MATCH": "appid_mchid_not_match",
    "MCH_NOT_EXISTS": "mch_not_exists",
    "SIGN_ERROR": "sign_error",
    "NO_AUTH": "no_auth",
    "NOAUTH": "no_auth",
    "TRADE_ERROR": "trade_error",
    "RULE_LIMIT": "rule_limit",
    "RULELIMIT": "rule_limit",
    "ACCOUNT_ERROR": "account_error",
    "USER_ACCOUNT_ABNORMAL": "user_account_abnormal",
}

TRADE_STATES = {
    "NOTPAY": TradeState.UNPAID,
    "USERPAYING": TradeState.UNPAID,
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.PAID,  # paid, and something of it was given back since
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,
    "PAYERROR": TradeState.CLOSED,
}
REFUND_STATES = {
    "PROCESSING": RefundState.PROCESSING,
    "SUCCESS": RefundState.SUCCEEDED,
    "ABNORMAL": RefundState.ABNORMAL,
    "CLOSED": RefundState.CLOSED,
}


class WechatConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the merchant's platform pages give out. `base_url` is the gateway, or a simulator."""

    base_url: str
    mchid: str
    appid: str
    apiv3_key: str
    merchant_serial: str
    merchant_private_key_path: Path
    platform_public_key_id: str
    platform_public_key_path: Path
    platform_certificate_serial: str = ""
    platform_certificate_path: Path | None = None


class WechatPay:
    """One merchant at WeChat Pay: a pooled client, and a verifier for every platform key we know."""

    name = ChannelName.WECHAT

    def __init__(self, config: WechatConfig, *, notify_url: str) -> None:
        self.config = config
        self.merchant = config.mchid
        self.notify_url = notify_url
        self.client = pooled_client(config.base_url)
        trusted = {config.platform_public_key_id: config.platform_public_key_path}
        if config.platform_certificate_path is not None:
            trusted[config.platform_certificate_serial] = config.platform_certificate_path
        self.keys = {serial: self._signer(path.read_text()) for serial, path in trusted.items()}
        self.signer = self.keys[config.platform_public_key_id]

    def _signer(self, platform_key: str) -> Signer:
        return Signer(
            self.config.mchid,
            self.config.merchant_serial,
            self.config.merchant_private_key_path.read_text(),
            platform_key,
            self.notify_url,
            self.config.apiv3_key,
        )

    async def aclose(self) -> None:
        await self.client.aclose()

    async def order(self, order: Order) -> Outcome[Offer]:
        body: dict[str, Any] = {
            "appid": self.config.appid,
            "mchid": self.config.mchid,
            "description": order.description,
            "out_trade_no": order.out_trade_no,
            "time_expire": order.expires_at.astimezone(clock.LOCAL).isoformat(timespec="seconds"),
            "notify_url": self.notify_url,
            "amount": {"total": order.amount_fen, "currency": "CNY"},
        }
        if order.method is PayMethod.WECHAT_NATIVE:
            return await self._order(f"{PAY}/native", body)
        assert order.payer is not None
        return await self._order(f"{PAY}/jsapi", body | {"payer": {"openid": order.payer}})

    async def _order(self, path: str, body: dict[str, Any]) -> Outcome[Offer]:
        match await self._call("POST", path, body):
            case Success({"code_url": str(code_url)}):
                return Success(Offer(code_url=code_url))
            case Success({"prepay_id": str(prepay_id)}):
                return Success(Offer(pay_params=await asyncio.to_thread(self._pay_params, prepay_id)))
            case Success():
                return Unknown("neither prepay_id nor code_url")
            case refusal:
                return refusal

    def _pay_params(self, prepay_id: str) -> dict[str, Any]:
        """What wx.requestPayment is called with; the signature binds it to the appid and this prepay id."""
        stamp, nonce = str(int(clock.wall().timestamp())), secrets.token_hex(16)
        package = f"prepay_id={prepay_id}"
        return {
            "appId": self.config.appid,
            "timeStamp": stamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self.signer.sign(f"{self.config.appid}\n{stamp}\n{nonce}\n{package}\n"),
        }

    async def query(self, out_trade_no: str) -> Outcome[Trade]:
        path = f"{PAY}/out-trade-no/{quote(out_trade_no)}?mchid={self.config.mchid}"
        match await self._call("GET", path):
            case Success(told) if told.get("out_trade_no") == out_trade_no:
                return self._trade(told)
            case Success():
                return Unknown("another order's answer")
            case refusal:
                return refusal

    async def close(self, out_trade_no: str) -> Outcome[None]:
        path = f"{PAY}/out-trade-no/{quote(out_trade_no)}/close"
        match await self._call("POST", path, {"mchid": self.config.mchid}):
            case Success():
                return Success(None)
            case refusal:
                return refusal

    async def refund(self, order: RefundOrder) -> Outcome[RefundTold]:
        body = {
            "out_trade_no": order.out_trade_no,
            "out_refund_no": order.out_refund_no,
            "reason": order.reason,
            "notify_url": self.notify_url,
            "amount": {"refund": order.amount_fen, "total": order.paid_fen, "currency": "CNY"},
        }
        return _refund_outcome(await self._call("POST", REFUNDS, body), order.out_refund_no)

    async def query_refund(self, out_trade_no: str, out_refund_no: str) -> Outcome[RefundTold]:
        return _refund_outcome(await self._call("GET", f"{REFUNDS}/{quote(out_refund_no)}"), out_refund_no)

    def _trade(self, told: dict[str, Any]) -> Outcome[Trade]:
        state = TRADE_STATES.get(str(told.get("trade_state")))
        if state is None:
            return Unknown(f"trade_state {told.get('trade_state')}")
        return Success(self._as_trade(told, state))

    def _as_trade(self, told: dict[str, Any], state: TradeState) -> Trade:
        ours = (told.get("mchid"), told.get("appid")) == (self.config.mchid, self.config.appid)
        return Trade(
            out_trade_no=str(told["out_trade_no"]),
            state=state,
            amount_fen=(told.get("amount") or {}).get("total"),
            transaction_id=told.get("transaction_id"),
            mine=ours,
        )

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Outcome[dict[str, Any]]:
        """One signed request and its verified answer. Never repeated here: that is the caller's decision."""
        content = b"" if body is None else msgspec.json.encode(body)
        headers = await asyncio.to_thread(self._headers, method, path, content)
        request = self.client.build_request(method, path, content=content, headers=headers)
        match await ask(self.client, request):
            case Success(reply):
                return await asyncio.to_thread(self._read, reply)
            case nothing:
                return nothing

    def _headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        stamp, nonce = str(int(clock.wall().timestamp())), secrets.token_hex(16)
        return {
            "Authorization": self.signer.authorization(method, path, content.decode(), stamp, nonce),
            "Wechatpay-Serial": self.config.platform_public_key_id,
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "jiuyi",
        }

    def _read(self, reply: httpx.Response) -> Outcome[dict[str, Any]]:
        """Success and refusal only as the platform signed them; everything else is no answer.

        A refusal without any signature is believed, since nothing we do on one is irreversible.
        """
        signed = "Wechatpay-Signature" in reply.headers
        if reply.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Unknown(f"http {reply.status_code}")
        if signed or reply.is_success:
            try:
                self._verify(reply.headers, reply.content)
            except NoticeForged as error:
                log.error("channel_reply_forged", channel=self.name, why=str(error))
                return Unknown(f"forged: {error}")
        try:
            told = msgspec.json.decode(reply.content, type=dict[str, Any]) if reply.content else {}
        except msgspec.DecodeError:
            return Unknown(f"http {reply.status_code} without JSON")
        if reply.is_success:
            return Success(told)
        code = str(told.get("code"))
        if code in REFUSALS:
            return Rejected(REFUSALS[code], code)
        return Unknown(f"http {reply.status_code} {code}")

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise unless a platform key we hold signed exactly these bytes within the last five minutes."""
        serial = headers.get("Wechatpay-Serial", "")
        stamp = headers.get("Wechatpay-Timestamp", "")
        if not (stamp.isascii() and stamp.isdigit()):
            raise NoticeForged("no timestamp")
        if abs(clock.wall().timestamp() - int(stamp)) > FRESH_SECONDS:
            raise NoticeForged("stale")
        key = self.keys.get(serial)
        if key is None:
            raise NoticeForged("unknown serial")  # never fetched for: strangers could make us call out
        nonce = headers.get("Wechatpay-Nonce", "")
        signature = headers.get("Wechatpay-Signature", "")
        try:
            genuine = key.verify(stamp, nonce, body.decode(), signature)
        except ValueError:  # not base64 (as in signature tests), or not UTF-8
            genuine = False
        if not genuine:
            raise NoticeForged("signature")

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        return await asyncio.to_thread(self._read_notice, headers, body)

    def _read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        self._verify(headers, body)
        try:
            sealed = msgspec.json.decode(body, type=_Sealed)
            resource = sealed.resource
            told = self.signer.decrypt_response(resource.nonce, resource.ciphertext, resource.associated_data)
            return self._notice(sealed, told)
        except (msgspec.MsgspecError, InvalidTag, ValueError, KeyError) as error:
            raise NoticeForged(f"unreadable: {type(error).__name__}") from error

    def _notice(self, sealed: "_Sealed", told: dict[str, Any]) -> Notice:
        content = msgspec.json.encode(told).decode()
        if sealed.event_type == "TRANSACTION.SUCCESS":
            state = TRADE_STATES.get(told["trade_state"], TradeState.UNPAID)
            trade = self._as_trade(told, state)
            return Notice(
                id=sealed.id,
                kind=sealed.event_type,
                reference=trade.out_trade_no,
                content=content,
                trade=trade,
            )
        if sealed.event_type.startswith("REFUND."):
            refund = _refund_told(told, str(told["refund_status"]))
            return Notice(
                id=sealed.id,
                kind=sealed.event_type,
                reference=refund.out_refund_no,
                content=content,
                refund=refund,
                refund_of=str(told["out_trade_no"]),
                mine=told.get("mchid") == self.config.mchid,
            )
        return Notice(id=sealed.id, kind=sealed.event_type, reference="", content=content)


class _Resource(msgspec.Struct, frozen=True):
    ciphertext: str
    nonce: str
    associated_data: str = ""


class _Sealed(msgspec.Struct, frozen=True):
    id: str
    event_type: str
    resource: _Resource


def _refund_outcome(outcome: Outcome[dict[str, Any]], out_refund_no: str) -> Outcome[RefundTold]:
    match outcome:
        case Success(told) if (
            told.get("out_refund_no") == out_refund_no and told.get("status") in REFUND_STATES
        ):
            return Success(_refund_told(told, told["status"]))
        case Success():
            return Unknown("another refund's answer")
        case refusal:
            return refusal


def _refund_told(told: dict[str, Any], status: str) -> RefundTold:
    return RefundTold(
        out_refund_no=str(told["out_refund_no"]),
        state=REFUND_STATES[status],
        amount_fen=(told.get("amount") or {}).get("refund"),
        channel_refund_id=told.get("refund_id"),
    )
