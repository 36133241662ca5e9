"""Money back: asked once, submitted until known, and shown as done only when the channel says so."""

from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

import asyncpg

from app.billing import postings
from app.billing.alarms import raise_alarm
from app.billing.channel import RefundState, RefundTold
from app.billing.charges import PAID_BILLS, ChargeTaken, locked_bill, told_of
from app.billing.events import RefundRequested, RefundStuck, RefundSucceeded
from app.billing.rules import out_number, refund_fits
from app.billing.tables import (
    ATTEMPT_FLOW,
    BILL_FLOW,
    FULFILMENT_FLOW,
    REFUND_FLOW,
    AttemptStatus,
    BillKind,
    BillStatus,
    ChannelName,
    Fulfilment,
    NoticeOutcome,
    RefundReason,
    RefundStatus,
)
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Forbidden
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.kernel.jobs import enqueue

SUBMIT_REFUND = "billing.submit_refund"


class BillNotPaid(DomainError):
    code = "bill_not_paid"
    message = "该账单没有可以退的款项，请刷新后查看。"


class RefundTooMuch(DomainError):
    code = "refund_exceeds_paid"
    message = "退款金额超过可退金额，请核对后重新提交。"


class RefundNotHere(Forbidden):
    code = "refund_not_here"
    message = "自助终端不能退款，请到收费窗口办理。"


@action
async def request_refund(
    actor: Actor, *, bill_id: UUID, source_ids: Sequence[UUID] | None = None
) -> UUID | None:
    """Refund a paid bill, whole or the charges of `source_ids`. Nothing fulfilled goes back.

    Returns the refund, or None where nothing was paid for it (a bill of 0).
    """
    if actor.kind is ActorKind.DEVICE:
        raise RefundNotHere(bill_id=bill_id)
    bill = await locked_bill(bill_id)
    if bill["status"] not in PAID_BILLS or bill["kind"] == BillKind.DEPOSIT:
        raise BillNotPaid(bill_id=bill_id)
    amount_fen = await _withdraw_charges(bill_id, source_ids)
    if amount_fen == 0:
        await _end_free_bill(bill)
        return None
    attempt = await fetch_one(
        "SELECT * FROM attempt WHERE bill_id = $1 AND status IN ('succeeded', 'part_refunded') FOR UPDATE",
        bill_id,
    )
    if attempt is None:
        raise BillNotPaid(bill_id=bill_id)
    refund_id = new_id()
    await postings.uncharged(
        actor, key=f"refund_charges:{refund_id}", subject_id=bill_id, amount_fen=amount_fen
    )
    await ask_refund(
        actor,
        refund_id=refund_id,
        bill=bill,
        attempt=attempt,
        amount_fen=amount_fen,
        reason=RefundReason.REQUESTED,
        once_key=f"asked:{refund_id}",
    )
    return refund_id


async def _withdraw_charges(bill_id: UUID, source_ids: Sequence[UUID] | None) -> int:
    """Take the charges from execution for good, and say what they cost."""
    wanted = await fetch(
        "SELECT id, source_id, amount_fen, fulfilment FROM charge WHERE bill_id = $1"
        " AND fulfilment <> 'void' AND ($2::uuid[] IS NULL OR source_id = ANY($2)) ORDER BY id",
        bill_id,
        None if source_ids is None else list(source_ids),
    )
    if source_ids is None:
        wanted = [row for row in wanted if row["fulfilment"] != Fulfilment.REFUNDED]
    elif len(wanted) < len(set(source_ids)):
        raise BillNotPaid(bill_id=bill_id)
    for row in wanted:
        if await FULFILMENT_FLOW.try_move(row["id"], Fulfilment.REFUNDED) is None:
            raise ChargeTaken(source_id=row["source_id"])
    return sum(row["amount_fen"] for row in wanted)


async def _end_free_bill(bill: asyncpg.Record) -> None:
    left = await fetch_value(
        "SELECT count(*) FROM charge WHERE bill_id = $1 AND fulfilment IN ('pending', 'fulfilled')",
        bill["id"],
    )
    if left == 0 and bill["amount_fen"] == 0:
        await BILL_FLOW.move(bill["id"], BillStatus.REFUNDED)


async def ask_refund(
    actor: Actor,
    *,
    refund_id: UUID,
    bill: asyncpg.Record,
    attempt: asyncpg.Record,
    amount_fen: int,
    reason: RefundReason,
    once_key: str,
) -> bool:
    """Owe part of an attempt's money to its payer and have it sent. False where `once_key` did before.

    The caller holds the locks of the bill and the attempt.
    """
    if not refund_fits(
        amount_fen=amount_fen,
        paid_fen=attempt["amount_fen"],
        refunding_fen=attempt["refunding_fen"],
        refunded_fen=attempt["refunded_fen"],
    ):
        raise RefundTooMuch(bill_id=bill["id"], attempt_id=attempt["id"])
    from_suspense = reason in (RefundReason.LATE, RefundReason.TWICE)
    if not await _insert_refund(refund_id, attempt, amount_fen, reason, once_key):
        return False
    await fetch(
        "UPDATE attempt SET refunding_fen = refunding_fen + $2, in_suspense = in_suspense AND NOT $3"
        " WHERE id = $1",
        attempt["id"],
        amount_fen,
        from_suspense,
    )
    await postings.refund_owed(
        actor,
        refund_id=refund_id,
        out_of=postings.SUSPENSE if from_suspense else postings.RECEIVABLE,
        subject_id=attempt["id"] if from_suspense else bill["id"],
        amount_fen=amount_fen,
    )
    await enqueue(
        actor,
        kind=SUBMIT_REFUND,
        arguments={"refund_id": str(refund_id)},
        unique_key=str(refund_id),
    )
    await emit(
        actor,
        RefundRequested(**told_of(bill), refund_id=refund_id, amount_fen=amount_fen, reason=reason),
    )
    return True


async def _insert_refund(
    refund_id: UUID, attempt: asyncpg.Record, amount_fen: int, reason: RefundReason, once_key: str
) -> bool:
    added = await fetch_value(
        "INSERT INTO refund (id, attempt_id, bill_id, out_refund_no, once_key, reason, amount_fen,"
        " from_suspense, status, looks, requested_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'requested', 0, $9)"
        " ON CONFLICT (once_key) DO NOTHING RETURNING id",
        refund_id,
        attempt["id"],
        attempt["bill_id"],
        out_number(refund_id),
        once_key,
        str(reason),
        amount_fen,
        reason in (RefundReason.LATE, RefundReason.TWICE),
        await clock.now(),
    )
    return added is not None


@action
async def settle_refund(actor: Actor, *, refund_id: UUID, told: RefundTold) -> NoticeOutcome:
    """Let what a channel says about a refund count: from an answer, a query or a notice alike."""
    bill_id = await fetch_value("SELECT bill_id FROM refund WHERE id = $1", refund_id)
    bill = await locked_bill(bill_id)
    attempt = await fetch_one(
        "SELECT * FROM attempt WHERE id = (SELECT attempt_id FROM refund WHERE id = $1) FOR UPDATE", refund_id
    )
    refund = await fetch_one("SELECT * FROM refund WHERE id = $1 FOR UPDATE", refund_id)
    assert attempt is not None
    assert refund is not None
    name = ChannelName(attempt["channel"])
    if told.amount_fen is not None and told.amount_fen != refund["amount_fen"]:
        await raise_alarm(
            actor,
            name=name,
            code="refund_amount_differs",
            reference=refund["out_refund_no"],
            attempt_id=attempt["id"],
            amount_fen=told.amount_fen,
        )
        return NoticeOutcome.MISMATCHED
    match told.state:
        case RefundState.PROCESSING:
            moved = await REFUND_FLOW.try_move(refund_id, RefundStatus.PROCESSING)
        case RefundState.SUCCEEDED:
            moved = await _refund_succeeded(actor, bill, attempt, refund, told)
        case RefundState.ABNORMAL:
            moved = await _refund_stuck(actor, bill, attempt, refund, RefundStatus.ABNORMAL)
        case RefundState.CLOSED:
            moved = await _refund_stuck(actor, bill, attempt, refund, RefundStatus.FAILED)
        case _:
            assert_never(told.state)
    return NoticeOutcome.KNOWN if moved is None else NoticeOutcome.APPLIED


async def _refund_succeeded(
    actor: Actor,
    bill: asyncpg.Record,
    attempt: asyncpg.Record,
    refund: asyncpg.Record,
    told: RefundTold,
) -> asyncpg.Record | None:
    if refund["status"] == RefundStatus.REQUESTED:
        return None  # not sent yet: a notice about it cannot be ours
    moved = await REFUND_FLOW.try_move(
        refund["id"],
        RefundStatus.SUCCEEDED,
        ended_at=await clock.now(),
        channel_refund_id=told.channel_refund_id,
    )
    if moved is None:
        return None
    amount_fen = refund["amount_fen"]
    account = postings.clearing(ChannelName(attempt["channel"]), attempt["merchant"])
    await postings.refund_paid(
        actor,
        refund_id=refund["id"],
        attempt_id=attempt["id"],
        from_account=account,
        amount_fen=amount_fen,
    )
    await fetch(
        "UPDATE attempt SET refunding_fen = refunding_fen - $2, refunded_fen = refunded_fen + $2"
        " WHERE id = $1",
        attempt["id"],
        amount_fen,
    )
    whole = attempt["refunded_fen"] + amount_fen == attempt["amount_fen"]
    await ATTEMPT_FLOW.try_move(
        attempt["id"], AttemptStatus.REFUNDED if whole else AttemptStatus.PART_REFUNDED
    )
    if not refund["from_suspense"]:
        await _bill_refunded(bill, amount_fen)
    reason = RefundReason(refund["reason"])
    await emit(
        actor,
        RefundSucceeded(**told_of(bill), refund_id=refund["id"], amount_fen=amount_fen, reason=reason),
    )
    return moved


async def _bill_refunded(bill: asyncpg.Record, amount_fen: int) -> None:
    await fetch("UPDATE bill SET refunded_fen = refunded_fen + $2 WHERE id = $1", bill["id"], amount_fen)
    whole = bill["refunded_fen"] + amount_fen == bill["amount_fen"]
    await BILL_FLOW.try_move(bill["id"], BillStatus.REFUNDED if whole else BillStatus.PART_REFUNDED)


async def _refund_stuck(
    actor: Actor,
    bill: asyncpg.Record,
    attempt: asyncpg.Record,
    refund: asyncpg.Record,
    end: RefundStatus,
) -> asyncpg.Record | None:
    """We go on owing it (refund_payable stands); a person finds the way. FAILED frees the attempt's share
    for another number."""
    moved = await REFUND_FLOW.try_move(refund["id"], end, ended_at=await clock.now())
    if moved is None:
        return None
    if end is RefundStatus.FAILED:
        await fetch(
            "UPDATE attempt SET refunding_fen = refunding_fen - $2 WHERE id = $1",
            attempt["id"],
            refund["amount_fen"],
        )
    await raise_alarm(
        actor,
        name=ChannelName(attempt["channel"]),
        code=f"refund_{end}",
        reference=refund["out_refund_no"],
        attempt_id=attempt["id"],
        amount_fen=refund["amount_fen"],
    )
    reason = RefundReason(refund["reason"])
    await emit(
        actor,
        RefundStuck(**told_of(bill), refund_id=refund["id"], amount_fen=refund["amount_fen"], reason=reason),
    )
    return moved
