"""gateway.do: one door for every method; it checks, acts, signs, and may be told to fail."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from litestar import Litestar, Request, Response, get, route
from litestar.datastructures import State
from litestar.params import FromQuery

from app.kernel.clock import wall
from simulators import keys
from simulators.alipay import bills, charging, closing, refunds, trades
from simulators.alipay.calls import Call, biz_content
from simulators.alipay.paying import lapse
from simulators.alipay.platform import Alipay
from simulators.alipay.refusals import (
    Refusal,
    Unsigned,
    call_limited,
    invalid,
    missing,
    unknown,
)
from simulators.alipay.wording import from_local, rendered, sign_content
from simulators.faults import Act, Fault, Moment, Part, Struck, bad_gateway, strike
from simulators.people import Errand, redeem_code

OK = {"code": "10000", "msg": "Success"}
CLOCKS_MAY_DIFFER = timedelta(hours=24)
TOKEN_LIFE_S = 1_296_000
LOGIN = "alipay.system.oauth.token"

Method = Callable[[Alipay, Call], dict[str, Any]]


def oauth_token(platform: Alipay, call: Call) -> dict[str, Any]:
    """Whose login code this is; it works once. A success carries no `code` field."""
    if call.params.get("grant_type") != "authorization_code":
        raise invalid("isv.grant-type-invalid", "grant_type 参数不正确")
    payer = redeem_code(platform.store, call.params.get("code", ""), Errand.LOGIN)
    if payer is None:
        raise invalid("isv.code-invalid", "授权码code无效")
    return {
        "user_id": payer.id,
        "open_id": payer.second_id,
        "access_token": f"authusrB{secrets.token_hex(16)}",
        "expires_in": TOKEN_LIFE_S,
        "refresh_token": f"authusrB{secrets.token_hex(16)}",
        "re_expires_in": TOKEN_LIFE_S * 2,
        "auth_start": f"{wall():%Y-%m-%d %H:%M:%S}",
    }


METHODS: dict[str, Method] = {
    "alipay.trade.create": trades.create,
    "alipay.trade.precreate": trades.precreate,
    "alipay.trade.pay": charging.charge,
    "alipay.trade.query": trades.query,
    "alipay.trade.close": closing.close,
    "alipay.trade.cancel": closing.cancel,
    "alipay.trade.refund": refunds.refund,
    "alipay.trade.fastpay.refund.query": refunds.refund_query,
    bills.METHOD: bills.query_download_url,
    LOGIN: oauth_token,
}


@route("/gateway.do", http_method=["GET", "POST"], status_code=200)
async def gateway(request: Request[Any, Any, State]) -> Response[bytes]:
    platform: Alipay = request.app.state.platform
    params = await _params(request)
    method = params.get("method", "")
    taken = platform.faults.take(Part.REPLY, endpoint=method, text=str(params))
    fault = await strike(taken, Moment.BEFORE, request)
    try:
        _check_caller(platform, params)
        name = f"{method.replace('.', '_')}_response"
        try:
            _refuse_for(fault)
            _check_signature(platform, params)
            content = await _act(platform, method, params, str(request.base_url).rstrip("/"))
        except Refusal as refusal:
            content = refusal.as_json()
            name = "error_response" if method == LOGIN else name
        fault = await strike(taken, Moment.AFTER, request)
        if fault is not None and fault.act == Act.ERROR:
            content = unknown().as_json()
        return _signed(platform, name, content, fault)
    except Unsigned as unsigned:
        text = rendered({"error_response": unsigned.refusal.as_json()})
        return Response(text.encode(), media_type="text/html;charset=utf-8")


@get(bills.DOWNLOAD)
async def bill_file(request: Request[Any, Any, State], token: FromQuery[str] = "") -> Response[bytes]:
    """The zip of a bill: no signature either way, the address is the secret."""
    platform: Alipay = request.app.state.platform
    taken = platform.faults.take(Part.REPLY, endpoint="bill_file", text=str(request.url))
    await strike(taken, Moment.BEFORE, request)
    content = bills.opened(platform, token, await platform.now())
    await strike(taken, Moment.AFTER, request)
    if content is None:
        page = "<html><body>下载链接已失效，请重新获取</body></html>"
        return Response(page.encode(), status_code=403, media_type="text/html;charset=utf-8")
    return Response(content, media_type="application/octet-stream")


def app(platform: Alipay) -> Litestar:
    return Litestar(
        [gateway, bill_file],
        state=State({"platform": platform}),
        exception_handlers={Struck: bad_gateway},
        openapi_config=None,
        logging_config=None,
    )


async def _params(request: Request[Any, Any, State]) -> dict[str, str]:
    """Common parameters may stand in the address, business ones in the form: they are one set."""
    query = request.scope["query_string"].decode("ascii", errors="replace")
    body = (await request.body()).decode("ascii", errors="replace")
    pairs = [*parse_qsl(query, keep_blank_values=True), *parse_qsl(body, keep_blank_values=True)]
    return dict(pairs)


def _check_caller(platform: Alipay, params: dict[str, str]) -> None:
    if not params.get("app_id"):
        raise Unsigned(missing("isv.missing-app-id", "缺少AppID参数"))
    if params["app_id"] != platform.identity.appid:
        raise Unsigned(invalid("isv.invalid-app-id", "无效的AppID参数"))
    if not params.get("method"):
        raise Unsigned(missing("isv.missing-method", "缺少方法名参数"))
    if params["method"] not in METHODS:
        raise Unsigned(invalid("isv.invalid-method", "不存在的方法名"))


def _check_signature(platform: Alipay, params: dict[str, str]) -> None:
    if params.get("sign_type") != "RSA2":
        raise invalid("isv.invalid-signature-type", "无效的签名类型，须为RSA2")
    if not params.get("sign"):
        raise missing("isv.missing-signature", "缺少签名参数")
    if params.get("charset", "").lower() != "utf-8":
        raise invalid("isv.invalid-charset", "字符集错误，须为utf-8")
    try:
        sent = from_local(params.get("timestamp", ""))
    except ValueError as error:
        raise invalid("isv.invalid-timestamp", "非法的时间戳参数") from error
    if abs(wall() - sent) > CLOCKS_MAY_DIFFER:
        raise invalid("isv.invalid-timestamp", "非法的时间戳参数")
    message = sign_content(params, without=("sign",))
    if not keys.verifies(platform.merchant_public, message.encode(), params["sign"]):
        raise invalid("isv.invalid-signature", "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配")


async def _act(platform: Alipay, method: str, params: dict[str, str], base_url: str) -> dict[str, Any]:
    now = await platform.now()
    lapse(platform, now)
    call = Call(params, biz_content(params.get("biz_content", "")), now, base_url)
    with platform.store.transaction():
        told = METHODS[method](platform, call)
    return told if method == LOGIN else {**OK, **told}


def _refuse_for(fault: Fault | None) -> None:
    if fault is not None and fault.act == Act.ERROR:
        raise unknown()
    if fault is not None and fault.act == Act.BUSY:
        raise call_limited("调用频次超过限制")


def _signed(platform: Alipay, name: str, content: dict[str, Any], fault: Fault | None) -> Response[bytes]:
    how = fault.name if fault is not None else ""
    inner = rendered(content)
    key = keys.stranger() if how == "forged_reply" else platform.key
    signature = keys.sign(key, inner.encode())
    if how == "tampered_reply":
        inner = inner.replace('":"', '": "', 1)
    text = f'{{"{name}":{inner},"sign":"{signature}"}}'
    if how == "unsigned_reply":
        text = f'{{"{name}":{inner}}}'
    return Response(text.encode(), media_type="text/html;charset=utf-8")
