"""The platform's HTTP face: one address for each service, one gate for all."""

import secrets
from datetime import datetime
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from litestar.params import FromPath

from simulators.faults import Act, Fault, Moment, Part, Struck, bad_gateway, strike
from simulators.fiscal_invoice import picture
from simulators.fiscal_invoice.calls import SERVICES
from simulators.fiscal_invoice.envelope import opened, refused, sealed, text_within, told
from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.refusals import Refusal, busy, system_error, unknown_service


@post("/medical-web/api/medical/{service:str}", status_code=200)
async def gateway(request: Request[Any, Any, State], service: FromPath[str]) -> Response[bytes]:
    platform: FiscalInvoice = request.app.state.platform
    body = await request.body()
    taken = platform.faults.take(Part.REPLY, endpoint=service, text=text_within(body))
    fault = await strike(taken, Moment.BEFORE, request)
    now = await platform.now()
    try:
        _refuse_for(fault)
        message = _act(platform, service, body, now)
        fault = await strike(taken, Moment.AFTER, request)
        _refuse_for(fault)
    except Refusal as refusal:
        message = refused(refusal)
    return _signed(platform, message, fault)


def app(platform: FiscalInvoice) -> Litestar:
    return Litestar(
        [gateway, *picture.HANDLERS],
        state=State({"platform": platform}),
        exception_handlers={Struck: bad_gateway},
        openapi_config=None,
        logging_config=None,
    )


def _act(platform: FiscalInvoice, service: str, body: bytes, now: datetime) -> bytes:
    data = opened(platform, body)
    if service not in SERVICES:
        raise unknown_service()
    with platform.store.transaction():
        return told(SERVICES[service](platform, data, now))


def _refuse_for(fault: Fault | None) -> None:
    if fault is not None and fault.act == Act.ERROR:
        raise system_error()
    if fault is not None and fault.act == Act.BUSY:
        raise busy()


def _signed(platform: FiscalInvoice, message: bytes, fault: Fault | None) -> Response[bytes]:
    how = fault.name if fault is not None else ""
    key = secrets.token_hex(13) if how == "forged_reply" else platform.identity.app_key
    reply = sealed(platform, message, key)
    if how == "tampered_reply":
        reply["noise"] = reply["noise"][::-1]
    if how == "unsigned_reply":
        reply["sign"] = ""
    return Response(msgspec.json.encode(reply), media_type="application/json")
