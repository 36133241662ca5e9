"""Where channels tell us: raw bytes first, verified, applied, and acknowledged only after the commit."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Response, Router, post
from prometheus_client import Counter

from app.billing.channel import NoticeForged
from app.billing.channels import channel
from app.billing.notices import accept_notice
from app.billing.tables import ChannelName
from app.kernel.actor import system
from app.kernel.http import AnyRequest

log = structlog.get_logger()

NOTICES = Counter("jiuyi_pay_notices", "Payment notices by what came of them.", ["channel", "outcome"])


@post("/wechat", permission="public", status_code=HTTPStatus.OK)
async def hear_wechat(request: AnyRequest) -> Response[Any]:
    if await _heard(ChannelName.WECHAT, request):
        return Response({"code": "SUCCESS", "message": "成功"}, status_code=HTTPStatus.OK)
    return Response({"code": "FAIL", "message": "验签失败"}, status_code=HTTPStatus.UNAUTHORIZED)


@post("/alipay", permission="public", status_code=HTTPStatus.OK)
async def hear_alipay(request: AnyRequest) -> Response[Any]:
    """Alipay counts exactly these seven bytes as heard, and repeats on anything else."""
    if await _heard(ChannelName.ALIPAY, request):
        return Response(b"success", media_type="text/plain", status_code=HTTPStatus.OK)
    return Response(b"failure", media_type="text/plain", status_code=HTTPStatus.UNAUTHORIZED)


async def _heard(name: ChannelName, request: AnyRequest) -> bool:
    """Whether it was genuine. A database that is away raises: the channel then tells us again."""
    body = await request.body()
    adapter = channel(name)
    try:
        notice = await adapter.read_notice(request.headers, body)
    except NoticeForged as error:
        NOTICES.labels(str(name), "forged").inc()
        log.error("pay_notice_forged", channel=str(name), why=str(error))
        return False
    outcome = await accept_notice(system("notice"), name=name, merchant=adapter.merchant, notice=notice)
    NOTICES.labels(str(name), str(outcome)).inc()
    return True


router = Router(path="/pay/notify", route_handlers=[hear_wechat, hear_alipay], tags=["pay"])
