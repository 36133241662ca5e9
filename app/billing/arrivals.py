"""Money arrives: from a notice, a query or an order's answer alike, and counts once per attempt."""

from typing import assert_never

import asyncpg

from app.billing import postings
from app.billing.alarms import raise_alarm
from app.billing.channel import Trade
from app.billing.charges import locked_bill, look_at_attempts_now, told_of
from app.billing.deposits import stay_is_open
from app.billing.events import BillPaidInVain, BillPaidLate
from app.billing.late import give_back, into_account, into_subject, revive_bill, settle_bill
from app.billing.payments import tell_move
from app.billing.rules import Arrival, arrival
from app.billing.tables import (
    ATTEMPT_FLOW,
    LIVE_ATTEMPT,
    AttemptStatus,
    BillKind,
    BillStatus,
    ChannelName,
    NoticeOutcome,
    RefundReason,
)
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one
from app.kernel.events import emit

PAID_ATTEMPTS = {
    AttemptStatus.SUCCEEDED,
    AttemptStatus.SUCCEEDED_LATE,
    AttemptStatus.PART_REFUNDED,
    AttemptStatus.REFUNDED,
}


@action
async def book_payment(
    actor: Actor, *, name: ChannelName, merchant: str, trade: Trade, cause: str
) -> NoticeOutcome:
    """Let a paid order count: state, book and fact in this one transaction, or an alarm where it differs."""
    found = await fetch_one(
        "SELECT id, bill_id FROM attempt WHERE out_trade_no = $1 AND channel = $2",
        trade.out_trade_no,
        str(name),
    )
    if not trade.mine:
        # Not our merchant or application: no money of ours moved, whatever it says.
        return await _mismatch(actor, name, trade, "merchant_differs", found)
    if found is None:
        await _keep_unmatched(actor, name, merchant, trade)
        return await _mismatch(actor, name, trade, "order_unknown", found)
    bill = await locked_bill(found["bill_id"])
    attempt = await fetch_one("SELECT * FROM attempt WHERE id = $1 FOR UPDATE", found["id"])
    assert attempt is not None
    if attempt["status"] in PAID_ATTEMPTS:
        return await _paid_before(actor, name, trade, attempt)
    if trade.amount_fen != attempt["amount_fen"] or merchant != attempt["merchant"]:
        return await _other_amount(actor, name, merchant, trade, attempt)
    await _take(actor, bill, attempt, trade, cause)
    return NoticeOutcome.APPLIED


async def _mismatch(
    actor: Actor, name: ChannelName, trade: Trade, code: str, attempt: asyncpg.Record | None
) -> NoticeOutcome:
    await raise_alarm(
        actor,
        name=name,
        code=code,
        reference=trade.out_trade_no,
        attempt_id=None if attempt is None else attempt["id"],
        amount_fen=trade.amount_fen,
    )
    return NoticeOutcome.MISMATCHED


async def _keep_unmatched(actor: Actor, name: ChannelName, merchant: str, trade: Trade) -> None:
    """The money is there, so the book must show it, even while nobody knows whose it is."""
    if trade.amount_fen is None or trade.transaction_id is None:
        return
    await postings.open_clearing(actor, channel=name, merchant=merchant)
    await postings.received_unmatched(
        actor,
        channel=name,
        transaction_id=trade.transaction_id,
        from_account=postings.clearing(name, merchant),
        amount_fen=trade.amount_fen,
    )


async def _paid_before(
    actor: Actor, name: ChannelName, trade: Trade, attempt: asyncpg.Record
) -> NoticeOutcome:
    if trade.transaction_id in (None, attempt["transaction_id"]):
        return NoticeOutcome.KNOWN
    return await _mismatch(actor, name, trade, "transaction_differs", attempt)


async def _other_amount(
    actor: Actor, name: ChannelName, merchant: str, trade: Trade, attempt: asyncpg.Record
) -> NoticeOutcome:
    """Genuine, of our order, and another sum than we asked for: kept in suspense, applied by a person."""
    await _keep_unmatched(actor, name, merchant, trade)
    await fetch("UPDATE attempt SET alarmed = true, look_at = NULL WHERE id = $1", attempt["id"])
    return await _mismatch(actor, name, trade, "amount_differs", attempt)


async def _take(
    actor: Actor, bill: asyncpg.Record, attempt: asyncpg.Record, trade: Trade, cause: str
) -> None:
    how = arrival(BillStatus(bill["status"]), BillKind(bill["kind"]))
    if how is Arrival.REVIVES and not await stay_is_open(bill["encounter_id"]):
        how = Arrival.RETURNS
    in_time = how is Arrival.SETTLES and attempt["status"] in LIVE_ATTEMPT
    first = AttemptStatus.SUCCEEDED if in_time else AttemptStatus.SUCCEEDED_LATE
    attempt = await ATTEMPT_FLOW.move(
        attempt["id"],
        first,
        transaction_id=trade.transaction_id,
        paid_at=await clock.now(),
        look_at=None,
        in_suspense=how in (Arrival.REVIVES, Arrival.ASKS, Arrival.RETURNS),
    )
    await tell_move(actor, attempt["id"], bill["id"], first, cause=cause)
    suspended = how is not Arrival.SETTLES
    await postings.received(
        actor,
        attempt_id=attempt["id"],
        from_account=postings.clearing(ChannelName(attempt["channel"]), attempt["merchant"]),
        into=postings.SUSPENSE if suspended else into_account(bill),
        subject_id=attempt["id"] if suspended else into_subject(bill),
        amount_fen=attempt["amount_fen"],
    )
    match how:
        case Arrival.SETTLES:
            await _settle(actor, bill, attempt)
        case Arrival.REVIVES:
            await revive_bill(actor, bill_id=bill["id"])
        case Arrival.ASKS:
            await emit(actor, BillPaidLate(**told_of(bill), amount_fen=attempt["amount_fen"]))
        case Arrival.RETURNS:
            await _return(actor, bill, attempt)
        case _:
            assert_never(how)


async def _settle(actor: Actor, bill: asyncpg.Record, attempt: asyncpg.Record) -> None:
    """The bill takes it, even where this attempt was closed here before the money came."""
    await ATTEMPT_FLOW.try_move(
        attempt["id"], AttemptStatus.SUCCEEDED, only_from=AttemptStatus.SUCCEEDED_LATE
    )
    await settle_bill(actor, bill, attempt)
    await look_at_attempts_now(bill["id"])


async def _return(actor: Actor, bill: asyncpg.Record, attempt: asyncpg.Record) -> None:
    late = bill["status"] in (BillStatus.EXPIRED, BillStatus.CANCELLED)
    reason = RefundReason.LATE if late else RefundReason.TWICE
    told = BillPaidInVain(**told_of(bill), amount_fen=attempt["amount_fen"], reason=reason)
    await emit(actor, told)
    await give_back(actor, bill, attempt, reason)
