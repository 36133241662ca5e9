"""The front machine's one door: it checks, acts, signs, and may be told to fail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.datastructures import State

from simulators.faults import Act, Fault, Moment, Part, Struck, bad_gateway, strike
from simulators.insurance_bureau import envelope, signing_in
from simulators.insurance_bureau.calls import Call
from simulators.insurance_bureau.envelope import Answer
from simulators.insurance_bureau.exchanges import carried_out, person_of
from simulators.insurance_bureau.persons import check_area
from simulators.insurance_bureau.platform import CALL_PATH, Bureau
from simulators.insurance_bureau.refusals import OK, Refusal, busy, ill_formed, unknown
from simulators.insurance_bureau.transactions import TRANSACTIONS


@post([CALL_PATH, CALL_PATH + "/{asked:str}"], status_code=200)
async def call(request: Request[Any, Any, State]) -> Response[bytes]:
    platform: Bureau = request.app.state.platform
    body, asked = await request.body(), request.path_params.get("asked", "")
    try:
        raw = envelope.parsed(body)
    except Refusal as refusal:
        return _sent(platform, _refused(refusal), None)
    endpoint = asked or str(raw.get("infno", ""))
    taken = platform.faults.take(Part.REPLY, endpoint=endpoint, text=envelope.legible(platform, raw))
    fault = await strike(taken, Moment.BEFORE, request)
    try:
        answer = await _answered(platform, raw, asked, fault)
    except Refusal as refusal:
        answer = _refused(refusal)
    fault = await strike(taken, Moment.AFTER, request)
    if fault is not None and fault.act == Act.ERROR:
        answer = _refused(unknown())
    return _sent(platform, answer, fault)


def app(platform: Bureau) -> Litestar:
    return Litestar(
        [call],
        state=State({"platform": platform}),
        exception_handlers={Struck: bad_gateway},
        openapi_config=None,
        logging_config=None,
    )


async def _answered(platform: Bureau, raw: Mapping[str, Any], asked: str, fault: Fault | None) -> Answer:
    now = await platform.now()
    _refuse_for(platform, fault, now)
    head, content = envelope.opened(platform, raw, asked)
    transaction = TRANSACTIONS.get(head["infno"])
    if transaction is None:
        raise ill_formed("infno", "交易编号不存在或未开通")
    call = Call(head["infno"], head["msgid"], head, content, now)
    if transaction.needs_sign_no:
        signing_in.check(platform, call)
    check_area(platform, call, person_of(call))
    return Answer(OK, "", carried_out(platform, transaction, call))


def _refuse_for(platform: Bureau, fault: Fault | None, now: datetime) -> None:
    if fault is None:
        return
    if fault.act == Act.ERROR:
        raise unknown()
    if fault.act == Act.BUSY:
        raise busy()
    if fault.name == "sign_in_expired":
        signing_in.end_all(platform, now)


def _refused(refusal: Refusal) -> Answer:
    return Answer(refusal.infcode, refusal.err_msg, None)


def _sent(platform: Bureau, answer: Answer, fault: Fault | None) -> Response[bytes]:
    name = fault.name if fault is not None else ""
    return Response(envelope.closed(platform, answer, name), media_type="application/json; charset=utf-8")
