"""The terminal at a bed: unlock, today's fees, the deposit, the call button.

A terminal signs in as a device; the patient's session rides beside it in the header `Bedside-Session`.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from app.alerts.queries import alert_view
from app.billing.payments import submit_attempt
from app.inpatient.bedside import (
    IDLE,
    PROOF_LASTS,
    BedsideStay,
    lock_bedside,
    prove_bedside,
    require_fresh_proof,
    unlock_bedside,
    use_bedside,
)
from app.inpatient.calling import call_nurse
from app.inpatient.queries import (
    BedsideView,
    DepositView,
    FeesOfDay,
    bedside_view,
    deposit_of_stay,
    fees_of_day,
)
from app.inpatient.top_ups import start_top_up, top_up
from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX, AnyRequest
from app.kernel.idempotency import Command, once
from bedside_terminal.qr import qr_svg

SESSION_HEADER = "Bedside-Session"
AMOUNT_FEN_MIN = 1
AMOUNT_FEN_MAX = 5_000_000
CALL_WORDS = {
    "accepted": "护士已收到呼叫，正在赶来。",
    "displayed": "护士站已显示您的呼叫，请稍候。",
}
CALL_SENT = "已呼叫护士，请稍候。"


class Unlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wristband: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    id_last6: Annotated[str, msgspec.Meta(min_length=6, max_length=6)]


class Unlocked(msgspec.Struct, frozen=True, kw_only=True):
    session: str
    expires_in: int  # seconds of rest after which it locks by itself
    stay: BedsideView


class SessionReply(msgspec.Struct, frozen=True, kw_only=True):
    expires_at: datetime
    proved_until: datetime  # until when money and results need no new proof
    stay: BedsideView


class Locked(msgspec.Struct, frozen=True):
    locked: bool = True


class StartTopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount_fen: Annotated[int, msgspec.Meta(ge=AMOUNT_FEN_MIN, le=AMOUNT_FEN_MAX)]
    channel: Literal["wechat_native", "alipay_qr"]


class TopUpReply(msgspec.Struct, frozen=True, kw_only=True):
    """`paid` is the truth; what the QR shows and what the payer's phone says are not."""

    attempt_id: UUID
    status: str
    paid: bool
    amount_fen: int
    expires_at: datetime
    code_url: str | None
    qr_svg: str | None


class NurseCall(msgspec.Struct, frozen=True, kw_only=True):
    alert_id: UUID
    status: str
    raised_at: datetime
    words: str


async def open_session(request: AnyRequest, actor: NamedDependency[Actor]) -> BedsideStay:
    """The dependency `stay`: whose terminal this is now. Using it keeps it open for another 90 seconds."""
    return await use_bedside(actor, token=request.headers.get(SESSION_HEADER, ""))


@post("/unlock", permission="bedside.unlock", status_code=200)
async def unlock(actor: NamedDependency[Actor], data: JSONBody[Unlock]) -> Unlocked:
    """Open the terminal by its own bed's wristband and the last 6 of the ID."""
    opened = await unlock_bedside(actor, wristband=data.wristband, id_last6=data.id_last6)
    return Unlocked(
        session=opened.token,
        expires_in=int(IDLE.total_seconds()),
        stay=await bedside_view(actor, admission_id=opened.admission_id),
    )


@get("/session", permission="bedside.read", dependencies={"stay": Provide(open_session)})
async def read_session(actor: NamedDependency[Actor], stay: NamedDependency[BedsideStay]) -> SessionReply:
    return await _session(actor, stay)


@post("/prove", permission="bedside.prove", status_code=200)
async def prove(request: AnyRequest, actor: NamedDependency[Actor], data: JSONBody[Unlock]) -> SessionReply:
    """Wristband and digits again, before money or results. Repeating it proves again: it needs no key."""
    token = request.headers.get(SESSION_HEADER, "")
    stay = await prove_bedside(actor, token=token, wristband=data.wristband, id_last6=data.id_last6)
    return await _session(actor, stay)


async def _session(actor: Actor, stay: BedsideStay) -> SessionReply:
    return SessionReply(
        expires_at=stay.expires_at,
        proved_until=stay.proved_at + PROOF_LASTS,
        stay=await bedside_view(actor, admission_id=stay.admission_id),
    )


@post("/lock", permission="bedside.lock", status_code=200)
async def lock(actor: NamedDependency[Actor], asked: NamedDependency[Command]) -> Locked:
    await once(asked, lock_bedside, actor)
    return Locked()


@get("/fees/today", permission="bedside.read", dependencies={"stay": Provide(open_session)})
async def read_fees(
    actor: NamedDependency[Actor],
    stay: NamedDependency[BedsideStay],
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = PAGE_MAX,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> FeesOfDay:
    return await fees_of_day(actor, encounter_id=stay.encounter_id, limit=limit, after=after)


@get("/deposit", permission="bedside.read", dependencies={"stay": Provide(open_session)})
async def read_deposit(actor: NamedDependency[Actor], stay: NamedDependency[BedsideStay]) -> DepositView:
    return await deposit_of_stay(actor, encounter_id=stay.encounter_id)


@post("/deposit/top-ups", permission="bedside.pay", dependencies={"stay": Provide(open_session)})
async def start(
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    stay: NamedDependency[BedsideStay],
    data: JSONBody[StartTopUp],
) -> TopUpReply:
    """A dynamic QR that anybody may pay; the deposit goes back to whoever did. Wants a fresh proof."""
    require_fresh_proof(stay)
    attempt_id = await once(
        asked,
        start_top_up,
        actor,
        encounter_id=stay.encounter_id,
        amount_fen=data.amount_fen,
        method=data.channel,
    )
    # Asked before the channel is: a key kept from another patient's session must not reach their attempt.
    await top_up(actor, encounter_id=stay.encounter_id, attempt_id=attempt_id)
    await submit_attempt(actor, attempt_id=attempt_id)
    return await _top_up(actor, stay, attempt_id)


@get("/top-ups/{attempt_id:uuid}", permission="bedside.read", dependencies={"stay": Provide(open_session)})
async def read_top_up(
    actor: NamedDependency[Actor], stay: NamedDependency[BedsideStay], attempt_id: FromPath[UUID]
) -> TopUpReply:
    return await _top_up(actor, stay, attempt_id)


async def _top_up(actor: Actor, stay: BedsideStay, attempt_id: UUID) -> TopUpReply:
    known = await top_up(actor, encounter_id=stay.encounter_id, attempt_id=attempt_id)
    return TopUpReply(
        attempt_id=known.attempt_id,
        status=known.status,
        paid=known.paid,
        amount_fen=known.amount_fen,
        expires_at=known.expires_at,
        code_url=known.code_url,
        qr_svg=None if known.code_url is None else qr_svg(known.code_url),
    )


@post("/nurse-calls", permission="nurse_call.raise")
async def call(actor: NamedDependency[Actor], asked: NamedDependency[Command]) -> NurseCall:
    """Call the nurse, locked or not; pressed again, it is the same call."""
    alert_id = await once(asked, call_nurse, actor)
    alert = await alert_view(actor, alert_id=alert_id)
    return NurseCall(
        alert_id=alert_id,
        status=alert.status,
        raised_at=alert.raised_at,
        words=CALL_WORDS.get(alert.status, CALL_SENT),
    )


router = Router(
    path="/api/bedside/v1",
    route_handlers=[
        unlock,
        read_session,
        prove,
        lock,
        read_fees,
        read_deposit,
        start,
        read_top_up,
        call,
    ],
)
