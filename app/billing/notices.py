"""Genuine notices: kept and applied in one transaction, once each, in whatever order they come."""

from uuid import UUID

from app.billing.alarms import raise_alarm
from app.billing.arrivals import book_payment
from app.billing.channel import Notice, TradeState
from app.billing.payments import move_attempt
from app.billing.refunds import settle_refund
from app.billing.tables import AttemptStatus, ChannelName, NoticeOutcome
from app.kernel.actor import Actor
from app.kernel.crypto import encrypt
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.ids import new_id

# Of the outcomes of a notice's parts the gravest is the notice's.
GRAVITY = (NoticeOutcome.NOTED, NoticeOutcome.KNOWN, NoticeOutcome.APPLIED, NoticeOutcome.MISMATCHED)


@action
async def accept_notice(actor: Actor, *, name: ChannelName, merchant: str, notice: Notice) -> NoticeOutcome:
    """Inbox row, state, book and facts commit together; only then may the channel be told that we have it."""
    row_id = new_id()
    kept = await fetch_value(
        "INSERT INTO pay_notice (id, channel, notice_id, kind, reference, content, outcome)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'noted')"
        " ON CONFLICT ON CONSTRAINT pay_notice_once DO NOTHING RETURNING id",
        row_id,
        str(name),
        notice.id,
        notice.kind[:40],
        notice.reference[:64],
        encrypt(notice.content, context=f"pay_notice.content.{row_id}"),
    )
    if kept is None:
        return NoticeOutcome.KNOWN
    outcomes = [
        await _payment_part(actor, name, merchant, notice),
        await _refund_part(actor, name, notice),
    ]
    outcome = max(outcomes, key=GRAVITY.index)
    await fetch("UPDATE pay_notice SET outcome = $2 WHERE id = $1", row_id, str(outcome))
    return outcome


async def _payment_part(actor: Actor, name: ChannelName, merchant: str, notice: Notice) -> NoticeOutcome:
    trade = notice.trade
    if trade is None:
        return NoticeOutcome.NOTED
    if trade.state is TradeState.PAID:
        return await book_payment(actor, name=name, merchant=merchant, trade=trade, cause="notice")
    if trade.state is TradeState.CLOSED and trade.mine:
        attempt_id = await fetch_value(
            "SELECT id FROM attempt WHERE out_trade_no = $1 AND channel = $2", trade.out_trade_no, str(name)
        )
        if attempt_id is not None and await _close_sent(actor, attempt_id):
            return NoticeOutcome.APPLIED
    return NoticeOutcome.NOTED


async def _close_sent(actor: Actor, attempt_id: UUID) -> bool:
    return await move_attempt(actor, attempt_id, AttemptStatus.CLOSED, cause="notice")


async def _refund_part(actor: Actor, name: ChannelName, notice: Notice) -> NoticeOutcome:
    """A refund of ours is settled. Any other is kept and alarmed, and makes us look at its payment:
    a refund told before its payment must not be all that we know of it."""
    told = notice.refund
    if told is None:
        return NoticeOutcome.NOTED
    row = await fetch_one(
        "SELECT r.id, a.out_trade_no FROM refund r JOIN attempt a ON a.id = r.attempt_id"
        " WHERE r.out_refund_no = $1 AND a.channel = $2",
        told.out_refund_no,
        str(name),
    )
    if row is not None and notice.mine and row["out_trade_no"] == notice.refund_of:
        return await settle_refund(actor, refund_id=row["id"], told=told)
    await fetch(
        "UPDATE attempt SET look_at = now() WHERE out_trade_no = $1 AND look_at > now()", notice.refund_of
    )
    await raise_alarm(
        actor,
        name=name,
        code="refund_not_ours",
        reference=told.out_refund_no,
        amount_fen=told.amount_fen,
    )
    return NoticeOutcome.MISMATCHED
