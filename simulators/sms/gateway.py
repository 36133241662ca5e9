"""The service's HTTP face: one address, the action in the parameters or in a header."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, Request, Response, route
from litestar.datastructures import State

from simulators.faults import Act, Fault, Moment, Part, Struck, bad_gateway, strike
from simulators.sms import reports, sending
from simulators.sms.platform import Sms
from simulators.sms.refusals import (
    Declined,
    Refusal,
    internal_error,
    throttled,
    unknown_action,
    unknown_version,
)
from simulators.sms.signing import Wire, check

VERSION = "2017-05-25"
FORM = "application/x-www-form-urlencoded"

Action = Callable[[Sms, Mapping[str, str], datetime], dict[str, Any]]
ACTIONS: Mapping[str, Action] = {"SendSms": sending.send, "QuerySendDetails": reports.details}


@route("/", http_method=["GET", "POST"], status_code=200)
async def gateway(request: Request[Any, Any, State]) -> Response[bytes]:
    platform: Sms = request.app.state.platform
    wire = await _wire(request)
    given = {**wire.query, **wire.form}
    name = given.get("Action") or wire.headers.get("x-acs-action", "")
    taken = platform.faults.take(Part.REPLY, endpoint=name, text=str(given))
    fault = await strike(taken, Moment.BEFORE, request)
    now = await platform.now()
    try:
        _refuse_for(fault)
        told = _act(platform, wire, given, now)
        _refuse_for(await strike(taken, Moment.AFTER, request))
    except Declined as declined:
        told = {"Code": declined.code, "Message": declined.message}
    except Refusal as refusal:
        return _reply(refusal.status, _error(request, refusal))
    return _reply(200, told)


def app(platform: Sms) -> Litestar:
    return Litestar(
        [gateway],
        state=State({"platform": platform}),
        exception_handlers={Struck: bad_gateway},
        openapi_config=None,
        logging_config=None,
    )


async def _wire(request: Request[Any, Any, State]) -> Wire:
    body = await request.body()
    is_form = request.headers.get("content-type", "").startswith(FORM)
    text = body.decode(errors="replace") if is_form else ""
    query = request.scope["query_string"].decode(errors="replace")
    return Wire(
        method=request.method,
        path=request.url.path,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        form=dict(parse_qsl(text, keep_blank_values=True)),
        headers=dict(request.headers),
        body=body,
    )


def _act(platform: Sms, wire: Wire, given: Mapping[str, str], now: datetime) -> dict[str, Any]:
    caller = check(platform, wire)
    if caller.version != VERSION:
        raise unknown_version()
    if caller.action not in ACTIONS:
        raise unknown_action()
    with platform.store.transaction():
        told = ACTIONS[caller.action](platform, given, now)
    return {"Code": "OK", "Message": "OK", **told}


def _refuse_for(fault: Fault | None) -> None:
    if fault is not None and fault.act == Act.ERROR:
        raise internal_error()
    if fault is not None and fault.act == Act.BUSY:
        raise throttled()


def _error(request: Request[Any, Any, State], refusal: Refusal) -> dict[str, str]:
    return {
        "HostId": request.headers.get("host", ""),
        "Code": refusal.code,
        "Message": refusal.message,
        "Recommend": "",
    }


def _reply(status: int, told: Mapping[str, Any]) -> Response[bytes]:
    number = str(uuid.UUID(bytes=secrets.token_bytes(16))).upper()
    content = msgspec.json.encode({"RequestId": number, **told})
    headers = {"x-acs-request-id": number}
    return Response(content, status_code=status, headers=headers, media_type="application/json")
