"""What has become of an attempt? Asked again and again, ever more slowly, until its channel has said so."""

import asyncio
from contextlib import suppress
from typing import assert_never
from uuid import UUID

import msgspec
import structlog

from app.billing.arrivals import book_payment
from app.billing.channel import (
    ABSENT,
    ALREADY_CLOSED,
    ALREADY_PAID,
    Channel,
    Outcome,
    Rejected,
    Success,
    Trade,
    TradeState,
    Unknown,
)
from app.billing.channels import ChannelAway, channel
from app.billing.payments import claim_order, look_later, move_attempt, send_order
from app.billing.rules import (
    PAYABLE,
    QR_GRACE,
    SUBMISSION_SECONDS_MAX,
    NextStep,
    Told,
    look_again_seconds,
    next_step,
)
from app.billing.tables import LIVE_ATTEMPT, AttemptStatus, BillStatus, ChannelName, PayMethod
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch, fetch_one, query

log = structlog.get_logger()

SWEEP_MAX = 50
AT_ONCE_MAX = 8
ASKED_SECONDS_LEAST = 2  # a phone that polls does not make us poll the channel faster
ASKED_SECONDS_MAX = 4.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A live attempt as far as its next step depends on it."""

    id: UUID
    out_trade_no: str
    channel: ChannelName
    merchant: str
    method: PayMethod
    status: AttemptStatus
    looks: int
    over: bool
    past_end: bool
    ready: bool


async def sweep_attempts() -> int:
    """Sweep: look at every attempt whose time to look has come. Returns how many it looked at."""
    due = await take_due(system("sweeper"))
    free = asyncio.Semaphore(AT_ONCE_MAX)

    async def look(attempt_id: UUID) -> None:
        async with free:
            await resolve_attempt(attempt_id=attempt_id, cause="sweep")

    looks = await asyncio.gather(*(look(attempt_id) for attempt_id in due), return_exceptions=True)
    for attempt_id, failure in zip(due, looks, strict=True):
        if failure is not None:  # one attempt's trouble must not keep the others from being looked at
            log.error("attempt_look_failed", attempt_id=str(attempt_id), exc_info=failure)
    return len(due)


@action
async def take_due(actor: Actor) -> list[UUID]:
    """Claim attempts by moving their next look: a crash meanwhile only delays it."""
    rows = await fetch(
        "UPDATE attempt SET look_at = now() + $2 * interval '1 second', looked_at = now(),"
        " looks = looks + 1 WHERE id IN (SELECT id FROM attempt WHERE status = ANY($1) AND NOT alarmed"
        "   AND look_at <= now() ORDER BY look_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id",
        [str(s) for s in LIVE_ATTEMPT],
        SUBMISSION_SECONDS_MAX * 2,
        SWEEP_MAX,
    )
    return [row["id"] for row in rows]


async def refresh_attempt(*, attempt_id: UUID) -> None:
    """Ask the channel now, if nobody has a moment ago. For somebody who waits: bounded, no refusal."""
    if await take_for_asking(system("query"), attempt_id=attempt_id):
        with suppress(TimeoutError):
            async with asyncio.timeout(ASKED_SECONDS_MAX):
                await resolve_attempt(attempt_id=attempt_id, cause="query")


@action
async def take_for_asking(actor: Actor, *, attempt_id: UUID) -> bool:
    row = await fetch_one(
        "UPDATE attempt SET looked_at = now() WHERE id = $1 AND status = ANY($2) AND NOT alarmed"
        " AND coalesce(looked_at, created_at) < now() - $3 * interval '1 second' RETURNING id",
        attempt_id,
        [str(s) for s in LIVE_ATTEMPT if s is not AttemptStatus.CREATED],
        ASKED_SECONDS_LEAST,
    )
    return row is not None


async def resolve_attempt(*, attempt_id: UUID, cause: str) -> None:
    """One look: ask what the channel knows, and take the step that follows from it."""
    actor = system(cause)
    standing = await _standing(actor, attempt_id=attempt_id)
    if standing is None:
        return
    try:
        adapter = channel(standing.channel)
    except ChannelAway:
        log.error("pay_channel_unavailable", channel=str(standing.channel))
        return
    if standing.status is AttemptStatus.CREATED:
        # Its sender died before it sent anything, or the channel would know it.
        told, trade = Told.ABSENT, None
    else:
        told, trade = _read(await adapter.query(standing.out_trade_no))
    await _step(actor, adapter, standing, told, trade, cause)


@query
async def _standing(actor: Actor, *, attempt_id: UUID) -> Standing | None:
    row = await fetch_one(
        "SELECT a.*, b.status AS bill_status FROM attempt a JOIN bill b ON b.id = a.bill_id"
        " WHERE a.id = $1 AND a.status = ANY($2) AND NOT a.alarmed",
        attempt_id,
        [str(s) for s in LIVE_ATTEMPT],
    )
    if row is None:
        return None
    now = await clock.now()
    return Standing(
        id=row["id"],
        out_trade_no=row["out_trade_no"],
        channel=ChannelName(row["channel"]),
        merchant=row["merchant"],
        method=PayMethod(row["method"]),
        status=AttemptStatus(row["status"]),
        looks=row["looks"],
        over=BillStatus(row["bill_status"]) not in PAYABLE or row["expires_at"] <= now,
        past_end=row["expires_at"] + QR_GRACE <= now,
        ready=row["code_url"] is not None or row["pay_params"] is not None,
    )


def _read(outcome: Outcome[Trade]) -> tuple[Told, Trade | None]:
    match outcome:
        case Success(trade):
            match trade.state:
                case TradeState.PAID:
                    return Told.PAID, trade
                case TradeState.UNPAID:
                    return Told.UNPAID, trade
                case TradeState.CLOSED:
                    return Told.CLOSED, trade
                case _:
                    assert_never(trade.state)
        case Rejected(code):
            return (Told.ABSENT if code == ABSENT else Told.NOTHING), None
        case Unknown():
            return Told.NOTHING, None
        case _:
            assert_never(outcome)


async def _step(
    actor: Actor, adapter: Channel, standing: Standing, told: Told, trade: Trade | None, cause: str
) -> None:
    step = next_step(
        told=told,
        status=standing.status,
        method=standing.method,
        over=standing.over,
        past_end=standing.past_end,
        ready=standing.ready,
    )
    match step:
        case NextStep.BOOK:
            assert trade is not None
            await book_payment(
                actor, name=standing.channel, merchant=standing.merchant, trade=trade, cause=cause
            )
        case NextStep.ORDER:
            order = await claim_order(actor, attempt_id=standing.id, first=False, cause=cause)
            if order is not None:
                await send_order(actor, attempt_id=standing.id, order=order, cause=cause)
        case NextStep.CLOSE:
            await _close(actor, adapter, standing, cause)
        case NextStep.END:
            await end_attempt(actor, attempt_id=standing.id, cause=cause)
        case NextStep.WAIT:
            await note_waiting(actor, standing=standing, cause=cause)
        case NextStep.DOUBT:
            await note_doubt(actor, standing=standing, cause=cause)
        case _:
            assert_never(step)


async def _close(actor: Actor, adapter: Channel, standing: Standing, cause: str) -> None:
    """Close at the channel first. A payer may be faster: then it is paid, and we book it."""
    outcome = await adapter.close(standing.out_trade_no)
    match outcome:
        case Success():
            await end_attempt(actor, attempt_id=standing.id, cause=cause)
        case Rejected(code) if code == ALREADY_CLOSED:
            await end_attempt(actor, attempt_id=standing.id, cause=cause)
        case Rejected(code) if code == ALREADY_PAID:
            told, trade = _read(await adapter.query(standing.out_trade_no))
            settled = told in (Told.PAID, Told.CLOSED)
            await _step(actor, adapter, standing, told if settled else Told.NOTHING, trade, cause)
        case Rejected() | Unknown():
            await note_doubt(actor, standing=standing, cause=cause)
        case _:
            assert_never(outcome)


@action
async def end_attempt(actor: Actor, *, attempt_id: UUID, cause: str) -> None:
    """Nobody can pay it any more."""
    await move_attempt(actor, attempt_id, AttemptStatus.CLOSED, cause=cause)


@action
async def note_waiting(actor: Actor, *, standing: Standing, cause: str) -> None:
    """It stands and waits for its payer; an attempt in doubt is none any more."""
    if standing.ready and standing.status is not AttemptStatus.AWAITING_PAYER:
        await move_attempt(actor, standing.id, AttemptStatus.AWAITING_PAYER, cause=cause)
    await look_later(standing.id, look_again_seconds(standing.looks))


@action
async def note_doubt(actor: Actor, *, standing: Standing, cause: str) -> None:
    """Nothing was learnt. What was on its way is unknown now; what waits for its payer goes on waiting."""
    if standing.status is AttemptStatus.SUBMITTED:
        await move_attempt(actor, standing.id, AttemptStatus.UNKNOWN, cause=cause)
    await look_later(standing.id, look_again_seconds(standing.looks))
