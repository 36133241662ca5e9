"""The platform's HTTP face: every call passes one gate that checks, acts, signs, and may fail."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import HttpMethod, Litestar, Request, Response
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from app.kernel.clock import wall
from simulators import keys
from simulators.faults import Act, Armed, Fault, Moment, Part, Struck, bad_gateway, strike
from simulators.wechat_pay import (
    abnormal_refunds,
    bills,
    certificates,
    charging,
    closing,
    mini_program,
    mixed_orders,
    mixed_refunds,
    refunds,
    security_echo,
    subscribing,
    trades,
)
from simulators.wechat_pay.calls import Call, Reply
from simulators.wechat_pay.platform import WechatPay
from simulators.wechat_pay.refusals import Refusal, frequency_limited, system_error
from simulators.wechat_pay.signing import (
    STALE_BY_S,
    check_request,
    choose_signer,
    signature_headers,
)

Endpoint = Callable[[WechatPay, Call], Reply]
REQUEST_ID_CODES = {"OUT_TRADE_NO_USED": 268498688, "NOT_FOUND": 268529515, "ALREADY_EXISTS": 268512536}

GET, POST = HttpMethod.GET, HttpMethod.POST
PAY = "/v3/pay/transactions"
REFUNDS = "/v3/refund/domestic/refunds"
MIXED = "/v3/med-ins"
ENDPOINTS: tuple[tuple[HttpMethod, str, str, Endpoint], ...] = (
    (POST, f"{PAY}/jsapi", "jsapi", trades.place_jsapi),
    (POST, f"{PAY}/native", "native", trades.place_native),
    (POST, f"{PAY}/codepay", "codepay", charging.charge),
    (POST, f"{PAY}/out-trade-no/{{out_trade_no:str}}/reverse", "reverse", charging.reverse),
    (GET, f"{PAY}/out-trade-no/{{out_trade_no:str}}", "query", trades.query_by_out_trade_no),
    (GET, f"{PAY}/id/{{transaction_id:str}}", "query", trades.query_by_transaction),
    (POST, f"{PAY}/out-trade-no/{{out_trade_no:str}}/close", "close", closing.close),
    (POST, REFUNDS, "refund", refunds.accept),
    (GET, f"{REFUNDS}/{{out_refund_no:str}}", "refund_query", refunds.query),
    (
        POST,
        f"{REFUNDS}/{{refund_id:str}}/apply-abnormal-refund",
        "abnormal_refund",
        abnormal_refunds.apply,
    ),
    (POST, f"{MIXED}/orders", "med_ins_order", mixed_orders.place),
    (
        GET,
        f"{MIXED}/orders/mix-trade-no/{{mix_trade_no:str}}",
        "med_ins_query",
        mixed_orders.query_by_mix_trade_no,
    ),
    (
        GET,
        f"{MIXED}/orders/out-trade-no/{{out_trade_no:str}}",
        "med_ins_query",
        mixed_orders.query_by_out_trade_no,
    ),
    (POST, f"{MIXED}/refunds/notify", "med_ins_refund_notify", mixed_refunds.notify),
    (GET, "/v3/certificates", "certificates", certificates.download),
    (POST, "/v3/security/echo", "security_echo", security_echo.echo),
    (GET, "/v3/bill/tradebill", "tradebill", bills.trade_bill),
    (GET, "/v3/bill/fundflowbill", "fundflowbill", bills.fund_flow_bill),
    (GET, bills.DOWNLOAD, "billdownload", bills.download),
)
MINI_PROGRAM: tuple[tuple[HttpMethod, str, str, mini_program.Answer], ...] = (
    (GET, "/sns/jscode2session", "jscode2session", mini_program.code_to_session),
    (POST, "/cgi-bin/stable_token", "stable_token", mini_program.stable_token),
    (POST, "/wxa/business/getuserphonenumber", "getuserphonenumber", mini_program.phone_number),
    (POST, "/cgi-bin/message/subscribe/send", "subscribe_send", subscribing.send_message),
)


def app(platform: WechatPay) -> Litestar:
    handlers = [
        *(_handler(verb, path, name, act) for verb, path, name, act in ENDPOINTS),
        *(_mini_handler(verb, path, name, act) for verb, path, name, act in MINI_PROGRAM),
    ]
    return Litestar(
        handlers,
        state=State({"platform": platform}),
        exception_handlers={Struck: bad_gateway},
        openapi_config=None,
        logging_config=None,
    )


def _handler(verb: HttpMethod, path: str, name: str, act: Endpoint) -> HTTPRouteHandler:
    async def answer(request: Request[Any, Any, State]) -> Response[bytes]:
        platform: WechatPay = request.app.state.platform
        body = await request.body()
        taken = platform.faults.take(
            Part.REPLY, endpoint=name, text=_target(request) + body.decode(errors="replace")
        )
        fault = await strike(taken, Moment.BEFORE, request)
        now = await platform.now()
        known = platform.ring.public_key_id()
        try:
            known = choose_signer(platform, request.headers, now)
            _refuse_for(fault)
            reply = act(platform, _checked(platform, request, body, known, now))
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.as_json())
        fault = await strike(taken, Moment.AFTER, request)
        try:
            _refuse_for(fault)
        except Refusal as refusal:
            reply = Reply(refusal.status, refusal.as_json())
        serial = platform.ring.signs_for(known, now)
        return _signed(platform, reply, serial, fault, at=wall() + _skew(taken))

    return HTTPRouteHandler(path, http_method=verb, name=f"{name} {path}")(answer)


def _checked(
    platform: WechatPay, request: Request[Any, Any, State], body: bytes, known: str, now: datetime
) -> Call:
    """The call, once its signature has been believed."""
    check_request(
        platform,
        method=request.method,
        target=_target(request),
        body=body,
        authorization=request.headers.get("authorization", ""),
    )
    return Call(
        body=body,
        path=request.path_params,
        query=request.query_params,
        signer=known,
        named_key=request.headers.get("wechatpay-serial", ""),
        client=request.headers.get("user-agent", ""),
        base_url=str(request.base_url).rstrip("/"),
        now=now,
    )


def _refuse_for(fault: Fault | None) -> None:
    if fault is not None and fault.act == Act.ERROR:
        raise system_error()
    if fault is not None and fault.act == Act.BUSY:
        raise frequency_limited("请求过于频繁，请稍后重试")


def _skew(taken: tuple[Fault, Armed] | None) -> timedelta:
    """How far the platform's clock is off when it stamps this reply."""
    if taken is None:
        return timedelta(0)
    fault, armed = taken
    by = {"stale_reply": -STALE_BY_S, "clock_ahead": armed.seconds, "clock_behind": -armed.seconds}
    return timedelta(seconds=by.get(fault.name, 0))


def _signed(
    platform: WechatPay, reply: Reply, serial: str, fault: Fault | None, *, at: datetime
) -> Response[bytes]:
    name = fault.name if fault is not None else ""
    if reply.raw is not None:
        return Response(reply.raw, status_code=reply.status, media_type="text/plain")
    body = b"" if reply.content is None else msgspec.json.encode(reply.content)
    key = keys.stranger() if name == "forged_reply" else platform.ring.key(serial)
    headers = {} if name == "unsigned_reply" else signature_headers(serial, key, body, at)
    code = REQUEST_ID_CODES.get((reply.content or {}).get("code", ""), 0)
    headers["Request-ID"] = f"{secrets.token_hex(16).upper()}-{code}"
    if name == "tampered_reply":
        body = body.replace(b":", b": ", 1)
    return Response(body, status_code=reply.status, headers=headers, media_type="application/json")


def _mini_handler(verb: HttpMethod, path: str, name: str, act: mini_program.Answer) -> HTTPRouteHandler:
    async def answer(request: Request[Any, Any, State]) -> Response[bytes]:
        platform: WechatPay = request.app.state.platform
        body = await request.body()
        taken = platform.faults.take(
            Part.REPLY, endpoint=name, text=_target(request) + body.decode(errors="replace")
        )
        fault = await strike(taken, Moment.BEFORE, request)
        try:
            _mini_refuse_for(fault)
            told = act(platform, mini_program.MiniCall(request.query_params, body, await platform.now()))
            _mini_refuse_for(await strike(taken, Moment.AFTER, request))
        except mini_program.MiniProgramRefusal as refusal:
            told = {"errcode": refusal.errcode, "errmsg": refusal.errmsg}
        return Response(msgspec.json.encode(told), status_code=200, media_type="application/json")

    return HTTPRouteHandler(path, http_method=verb, name=name)(answer)


def _mini_refuse_for(fault: Fault | None) -> None:
    if fault is not None and fault.act == Act.ERROR:
        raise mini_program.MiniProgramRefusal(-1, "system error")
    if fault is not None and fault.act == Act.BUSY:
        raise mini_program.MiniProgramRefusal(45011, "api minute-quota reach limit")


def _target(request: Request[Any, Any, State]) -> str:
    """Path and query as the client sent and signed them."""
    query = request.scope["query_string"].decode()
    path = request.scope["raw_path"].decode()
    return f"{path}?{query}" if query else path
