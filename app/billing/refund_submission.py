"""Sending refunds: a job per refund, under its one number, until the channel says how it ended."""

from typing import assert_never
from uuid import UUID

import asyncpg

from app.billing.alarms import raise_alarm
from app.billing.channel import (
    ABSENT,
    NOT_ENOUGH,
    TOO_OFTEN,
    Outcome,
    RefundOrder,
    RefundState,
    RefundTold,
    Rejected,
    Success,
    Unknown,
)
from app.billing.channels import channel
from app.billing.refunds import settle_refund
from app.billing.rules import REFUND_APART_SECONDS, out_number, refund_look_again_seconds
from app.billing.tables import REFUND_FLOW, ChannelName, RefundReason, RefundStatus
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.jobs import JobRun, RetryLater, fence

POOR_SECONDS = 300  # the merchant account cannot pay yet: an alarm stands, and we try again
REASON_TEXT = {
    RefundReason.LATE: "超时支付退款",
    RefundReason.TWICE: "重复支付退款",
    RefundReason.REQUESTED: "退费",
    RefundReason.DEPOSIT: "预交金退款",
}


async def submit_refund(run: JobRun) -> None:
    """Job: bring one refund to its end. What may have been done already is asked about first."""
    actor = system("job")
    refund_id = UUID(run.arguments["refund_id"])
    row = await claim_refund(actor, refund_id=refund_id)
    if row is None:
        return
    name = ChannelName(row["channel"])
    order = RefundOrder(
        out_trade_no=row["out_trade_no"],
        out_refund_no=row["out_refund_no"],
        amount_fen=row["amount_fen"],
        paid_fen=row["paid_fen"],
        reason=REASON_TEXT[RefundReason(row["reason"])],
    )
    outcome = await _send(name, order, first=row["before"] == RefundStatus.REQUESTED)
    pause = await record_refund(actor, refund_id=refund_id, outcome=outcome, name=name, run=run)
    if pause is not None:
        raise RetryLater(pause)


@action
async def claim_refund(actor: Actor, *, refund_id: UUID) -> asyncpg.Record | None:
    """Mark it as sent before it is sent, and tell in what state it was found. None where it is over."""
    return await fetch_one(
        "WITH before AS (SELECT id, status FROM refund WHERE id = $1 FOR UPDATE),"
        " marked AS (UPDATE refund r SET looks = looks + 1,"
        "   status = CASE WHEN r.status = 'requested' THEN 'submitted' ELSE r.status END"
        "   FROM before WHERE r.id = before.id"
        "   AND r.status IN ('requested', 'submitted', 'unknown', 'processing') RETURNING r.*)"
        " SELECT marked.*, before.status AS before, a.channel, a.out_trade_no, a.amount_fen AS paid_fen"
        " FROM marked JOIN before USING (id) JOIN attempt a ON a.id = marked.attempt_id",
        refund_id,
    )


async def _send(name: ChannelName, order: RefundOrder, *, first: bool) -> Outcome[RefundTold]:
    """Ask for it; where that may have been done before, ask about it first."""
    adapter = channel(name)
    if not first:
        known = await adapter.query_refund(order.out_trade_no, order.out_refund_no)
        if not (isinstance(known, Rejected) and known.code == ABSENT):
            return known
    return await adapter.refund(order)


@action
async def record_refund(
    actor: Actor, *, refund_id: UUID, outcome: Outcome[RefundTold], name: ChannelName, run: JobRun
) -> float | None:
    """Write down what came of it; the seconds after which to look again, or None where it is over."""
    await fence(run)
    looks = await fetch_value("SELECT looks FROM refund WHERE id = $1", refund_id)
    match outcome:
        case Success(told):
            await settle_refund(actor, refund_id=refund_id, told=told)
            over = await fetch_value(
                "SELECT status IN ('succeeded', 'abnormal', 'failed') FROM refund WHERE id = $1", refund_id
            )
            return None if over else refund_look_again_seconds(looks)
        case Rejected(code) if code == TOO_OFTEN:
            await REFUND_FLOW.try_move(refund_id, RefundStatus.UNKNOWN)
            return REFUND_APART_SECONDS[name]
        case Rejected(code) if code == NOT_ENOUGH:
            await REFUND_FLOW.try_move(refund_id, RefundStatus.UNKNOWN)
            await raise_alarm(actor, name=name, code="refund_account_empty", reference=out_number(refund_id))
            return POOR_SECONDS
        case Rejected():
            told = RefundTold(out_refund_no=out_number(refund_id), state=RefundState.CLOSED)
            await settle_refund(actor, refund_id=refund_id, told=told)
            return None
        case Unknown():
            await REFUND_FLOW.try_move(refund_id, RefundStatus.UNKNOWN)
            return refund_look_again_seconds(looks)
        case _:
            assert_never(outcome)
