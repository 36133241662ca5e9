"""Alipay's open gateway: request models and sign content from the official SDK, keys, transport and
verification our own. The SDK's client never sends, signs or parses anything here."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from alipay.aop.api.domain.AlipayTradeCloseModel import AlipayTradeCloseModel
from alipay.aop.api.domain.AlipayTradeCreateModel import AlipayTradeCreateModel
from alipay.aop.api.domain.AlipayTradeFastpayRefundQueryModel import AlipayTradeFastpayRefundQueryModel
from alipay.aop.api.domain.AlipayTradePrecreateModel import AlipayTradePrecreateModel
from alipay.aop.api.domain.AlipayTradeQueryModel import AlipayTradeQueryModel
from alipay.aop.api.domain.AlipayTradeRefundModel import AlipayTradeRefundModel
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest
from alipay.aop.api.request.AlipayTradeCreateRequest import AlipayTradeCreateRequest
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import AlipayTradeFastpayRefundQueryRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.util.SignatureUtils import get_sign_content
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

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
from app.kernel.money import fen, yuan

log = structlog.get_logger()

DONE = "10000"
REFUSED = {"40001", "40002", "40003", "40004", "40006"}
CALL_LIMITED = "40005"

# Refusals we act on, by sub_code. Others are refusals too, except those that say "not known".
REFUSALS = {
    "ACQ.TRADE_NOT_EXIST": ABSENT,
    "ACQ.TRADE_HAS_SUCCESS": ALREADY_PAID,
    "ACQ.TRADE_STATUS_ERROR": ALREADY_PAID,  # of a closing: paid, or closed; the query that follows tells
    "ACQ.TRADE_HAS_CLOSE": ALREADY_CLOSED,
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": NOT_ENOUGH,
    "ACQ.CONTEXT_INCONSISTENT": "out_trade_no_used",
}
NOT_KNOWN = {"ACQ.SYSTEM_ERROR", "isp.unknow-error", "aop.ACQ.SYSTEM_ERROR"}

USER_ID_LENGTH = 16
TRADE_STATES = {
    "WAIT_BUYER_PAY": TradeState.UNPAID,
    "TRADE_SUCCESS": TradeState.PAID,
    "TRADE_FINISHED": TradeState.PAID,
    "TRADE_CLOSED": TradeState.CLOSED,
}


class AlipayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the merchant's platform pages give out. `gateway_url` is the gateway, or a simulator."""

    gateway_url: str
    pid: str
    appid: str
    merchant_private_key_path: Path
    platform_public_key_path: Path


class Alipay:
    """One merchant at Alipay."""

    name = ChannelName.ALIPAY

    def __init__(self, config: AlipayConfig, *, notify_url: str) -> None:
        self.config = config
        self.merchant = config.pid
        self.notify_url = notify_url
        self.client = pooled_client(config.gateway_url)
        private = load_pem_private_key(config.merchant_private_key_path.read_bytes(), password=None)
        public = load_pem_public_key(config.platform_public_key_path.read_bytes())
        assert isinstance(private, RSAPrivateKey)
        assert isinstance(public, RSAPublicKey)
        self.private, self.public = private, public

    async def aclose(self) -> None:
        await self.client.aclose()

    async def order(self, order: Order) -> Outcome[Offer]:
        if order.method is PayMethod.ALIPAY_QR:
            return await self._precreate(order)
        assert order.payer is not None
        model = AlipayTradeCreateModel()
        _describe(model, order)
        model.product_code = "JSAPI_PAY"
        model.op_app_id = self.config.appid
        if len(order.payer) == USER_ID_LENGTH and order.payer.isdigit():
            model.buyer_id = order.payer
        else:
            model.buyer_open_id = order.payer
        request = AlipayTradeCreateRequest(model)
        request.notify_url = self.notify_url
        match await self._call(request):
            case Success({"trade_no": str(trade_no)}):
                return Success(Offer(pay_params={"tradeNO": trade_no}))
            case Success():
                return Unknown("no trade_no")
            case refusal:
                return refusal

    async def _precreate(self, order: Order) -> Outcome[Offer]:
        model = AlipayTradePrecreateModel()
        _describe(model, order)
        model.product_code = "FACE_TO_FACE_PAYMENT"
        request = AlipayTradePrecreateRequest(model)
        request.notify_url = self.notify_url
        match await self._call(request):
            case Success({"qr_code": str(qr_code)}):
                return Success(Offer(code_url=qr_code))
            case Success():
                return Unknown("no qr_code")
            case refusal:
                return refusal

    async def query(self, out_trade_no: str) -> Outcome[Trade]:
        model = AlipayTradeQueryModel()
        model.out_trade_no = out_trade_no
        match await self._call(AlipayTradeQueryRequest(model)):
            case Success(told) if told.get("out_trade_no") == out_trade_no:
                trade = _trade(told, paid_field="send_pay_date")
                return Unknown("trade_status") if trade is None else Success(trade)
            case Success():
                return Unknown("another trade's answer")
            case refusal:
                return refusal

    async def close(self, out_trade_no: str) -> Outcome[None]:
        model = AlipayTradeCloseModel()
        model.out_trade_no = out_trade_no
        match await self._call(AlipayTradeCloseRequest(model)):
            case Success():
                return Success(None)
            case refusal:
                return refusal

    async def refund(self, order: RefundOrder) -> Outcome[RefundTold]:
        """Accepted is not refunded: only `fund_change` Y says that this very call moved the money."""
        model = AlipayTradeRefundModel()
        model.out_trade_no = order.out_trade_no
        model.out_request_no = order.out_refund_no
        model.refund_amount = yuan(order.amount_fen)
        model.refund_reason = order.reason
        match await self._call(AlipayTradeRefundRequest(model)):
            case Success(told):
                moved = told.get("fund_change") == "Y"
                state = RefundState.SUCCEEDED if moved else RefundState.PROCESSING
                return Success(RefundTold(out_refund_no=order.out_refund_no, state=state))
            case refusal:
                return refusal

    async def query_refund(self, out_trade_no: str, out_refund_no: str) -> Outcome[RefundTold]:
        model = AlipayTradeFastpayRefundQueryModel()
        model.out_trade_no = out_trade_no
        model.out_request_no = out_refund_no
        match await self._call(AlipayTradeFastpayRefundQueryRequest(model)):
            case Success({"refund_status": "REFUND_SUCCESS", "refund_amount": str(amount)} as told) if (
                told.get("out_request_no") == out_refund_no
            ):
                return Success(
                    RefundTold(
                        out_refund_no=out_refund_no,
                        state=RefundState.SUCCEEDED,
                        amount_fen=fen(amount),
                    )
                )
            case Success():
                return Rejected(ABSENT, "no such refund")
            case refusal:
                return refusal

    async def _call(self, request: Any) -> Outcome[dict[str, Any]]:
        """One signed request and its verified answer, for any request class of the SDK."""
        parameters = request.get_params()
        form = await asyncio.to_thread(self._signed, parameters)
        match await ask(self.client, self.client.build_request("POST", self.config.gateway_url, data=form)):
            case Success(reply) if reply.is_success:
                name = parameters["method"].replace(".", "_") + "_response"
                return await asyncio.to_thread(self._read, name, reply.content)
            case Success(reply):
                return Unknown(f"http {reply.status_code}")
            case nothing:
                return nothing

    def _signed(self, parameters: dict[str, Any]) -> dict[str, str]:
        form = {
            **parameters,
            "app_id": self.config.appid,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": clock.wall().astimezone(clock.LOCAL).strftime("%Y-%m-%d %H:%M:%S"),
        }
        signature = self.private.sign(get_sign_content(form).encode(), PKCS1v15(), SHA256())
        return {**form, "sign": base64.b64encode(signature).decode()}

    def _read(self, name: str, body: bytes) -> Outcome[dict[str, Any]]:
        """The answer, if Alipay signed exactly its bytes under exactly the expected name."""
        try:
            text = body.decode()
            _, marker, rest = text.partition(f'"{name}":')
            if not marker:
                return Unknown("no answer of this method")  # also the unsigned error_response
            told, end = json.JSONDecoder().raw_decode(rest)
            self._verify(rest[:end].encode(), str(json.loads(text).get("sign", "")))
        except NoticeForged as error:
            log.error("channel_reply_forged", channel=self.name, why=str(error))
            return Unknown(f"forged: {error}")
        except ValueError as error:
            return Unknown(f"unreadable: {type(error).__name__}")
        return _outcome(told)

    def _verify(self, message: bytes, signature: str) -> None:
        try:
            self.public.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error) as error:
            raise NoticeForged("signature") from error

    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        return await asyncio.to_thread(self._read_notice, body)

    def _read_notice(self, body: bytes) -> Notice:
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
            told = dict(pairs)
            if len(told) != len(pairs) or told.get("sign_type") != "RSA2":
                raise NoticeForged("form")
            signed = {k: v for k, v in told.items() if v and k not in ("sign", "sign_type")}
            self._verify(get_sign_content(signed).encode(), told.get("sign", ""))
            return self._notice(told)
        except (ValueError, KeyError) as error:
            raise NoticeForged(f"unreadable: {type(error).__name__}") from error

    def _notice(self, told: dict[str, str]) -> Notice:
        """A paid trade, a refund of one, or both: a refund is told on the payment's address, and the
        second TRADE_SUCCESS of a trade is no second payment."""
        mine = (told["app_id"], told["seller_id"]) == (self.config.appid, self.config.pid)
        trade = _trade(told, paid_field="gmt_payment", mine=mine)
        refund = None
        if "gmt_refund" in told and told.get("out_biz_no"):
            # `refund_fee` is the sum of all refunds so far: it cannot be compared with this one.
            refund = RefundTold(out_refund_no=told["out_biz_no"], state=RefundState.SUCCEEDED)
        return Notice(
            id=told["notify_id"],
            kind=told["trade_status"] + (".REFUND" if refund else ""),
            reference=refund.out_refund_no if refund else told["out_trade_no"],
            content=msgspec.json.encode(told).decode(),
            trade=trade,
            refund=refund,
            refund_of=told["out_trade_no"],
            mine=mine,
        )


def _describe(model: Any, order: Order) -> None:
    model.out_trade_no = order.out_trade_no
    model.total_amount = yuan(order.amount_fen)
    model.subject = order.description
    model.time_expire = order.expires_at.astimezone(clock.LOCAL).strftime("%Y-%m-%d %H:%M:%S")


def _trade(told: dict[str, Any], *, paid_field: str, mine: bool = True) -> Trade | None:
    state = TRADE_STATES.get(str(told.get("trade_status")))
    if state is None:
        return None
    if state is TradeState.CLOSED and told.get(paid_field):
        state = TradeState.PAID  # closed by its full refund, not unpaid
    return Trade(
        out_trade_no=str(told["out_trade_no"]),
        state=state,
        amount_fen=fen(told["total_amount"]) if told.get("total_amount") else None,
        transaction_id=told.get("trade_no"),
        mine=mine,
    )


def _outcome(told: dict[str, Any]) -> Outcome[dict[str, Any]]:
    code, sub_code = str(told.get("code")), str(told.get("sub_code", ""))
    if code == DONE:
        return Success(told)
    if code == CALL_LIMITED:
        return Rejected(TOO_OFTEN, sub_code)
    if code in REFUSED and sub_code and sub_code not in NOT_KNOWN:
        return Rejected(REFUSALS.get(sub_code, sub_code.lower()), sub_code)
    return Unknown(f"{code} {sub_code}")
