"""Money that came when its bill could not take it: revived by who owns the subject, or sent back once."""

from uuid import UUID

import asyncpg

from app.billing import postings
from app.billing.charges import locked_bill, told_of
from app.billing.deposits import add_receipt
from app.billing.events import BillPaid
from app.billing.refunds import ask_refund
from app.billing.tables import ATTEMPT_FLOW, BILL_FLOW, AttemptStatus, BillKind, BillStatus, RefundReason
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.kernel.errors import DomainError
from app.kernel.events import emit
from app.kernel.ids import new_id

UNDECIDED_MINUTES_MAX = 10
UNDECIDED_MAX = 50


class NothingLate(DomainError):
    code = "nothing_late"
    message = "没有待处理的超时付款，请刷新后查看。"


@action
async def revive_bill(actor: Actor, *, bill_id: UUID) -> None:
    """Let a bill that was paid late be paid: what it was for could be had again. Call it in the same
    transaction that takes it again."""
    bill = await locked_bill(bill_id)
    waiting = await _waiting_attempts(bill_id)
    if bill["status"] != BillStatus.EXPIRED or not waiting:
        raise NothingLate(bill_id=bill_id)
    first, *others = waiting
    await _charge_again(actor, bill)
    await release(actor, bill, first)
    for attempt in others:
        await give_back(actor, bill, attempt, RefundReason.TWICE)


async def _waiting_attempts(bill_id: UUID) -> list[asyncpg.Record]:
    return await fetch(
        "SELECT * FROM attempt WHERE bill_id = $1 AND in_suspense ORDER BY paid_at, id FOR UPDATE", bill_id
    )


async def _charge_again(actor: Actor, bill: asyncpg.Record) -> None:
    await fetch(
        "UPDATE charge SET fulfilment = 'pending' WHERE bill_id = $1 AND fulfilment = 'void'", bill["id"]
    )
    if bill["kind"] != BillKind.DEPOSIT:
        await postings.charged(
            actor, key=f"bill_revived:{bill['id']}", subject_id=bill["id"], amount_fen=bill["amount_fen"]
        )


async def release(actor: Actor, bill: asyncpg.Record, attempt: asyncpg.Record) -> None:
    """Apply money from suspense to its bill, which is paid by it."""
    await ATTEMPT_FLOW.move(
        attempt["id"], AttemptStatus.SUCCEEDED, only_from=AttemptStatus.SUCCEEDED_LATE, in_suspense=False
    )
    await postings.released(
        actor,
        attempt_id=attempt["id"],
        into=into_account(bill),
        subject_id=into_subject(bill),
        amount_fen=attempt["amount_fen"],
    )
    await settle_bill(actor, bill, attempt)


def into_account(bill: asyncpg.Record) -> str:
    return postings.DEPOSITS if bill["kind"] == BillKind.DEPOSIT else postings.RECEIVABLE


def into_subject(bill: asyncpg.Record) -> UUID:
    return bill["encounter_id"] if bill["kind"] == BillKind.DEPOSIT else bill["id"]


async def settle_bill(actor: Actor, bill: asyncpg.Record, attempt: asyncpg.Record) -> None:
    """The bill is paid. A deposit's money is written down as a receipt of its stay."""
    now = await clock.now()
    await BILL_FLOW.move(bill["id"], BillStatus.PAID, paid_at=now, ended_at=now)
    if bill["kind"] == BillKind.DEPOSIT:
        await add_receipt(bill, attempt["id"], now)
    await emit(actor, BillPaid(**told_of(bill), amount_fen=bill["amount_fen"]))


@action
async def refund_late(actor: Actor, *, bill_id: UUID) -> None:
    """Send the late money of a bill back. Once, however often it is called."""
    bill = await locked_bill(bill_id)
    for attempt in await _waiting_attempts(bill_id):
        await give_back(actor, bill, attempt, RefundReason.LATE)


async def give_back(
    actor: Actor, bill: asyncpg.Record, attempt: asyncpg.Record, reason: RefundReason
) -> None:
    """Return all of an attempt's money: once, since the key is the attempt's."""
    await ask_refund(
        actor,
        refund_id=new_id(),
        bill=bill,
        attempt=attempt,
        amount_fen=attempt["amount_fen"],
        reason=reason,
        once_key=f"unwanted:{attempt['id']}",
    )


async def refund_undecided() -> int:
    """Sweep: late money about which nobody has decided goes back."""
    actor = system("sweeper")
    bills = await _undecided(actor)
    for bill_id in bills:
        await refund_late(actor, bill_id=bill_id)
    return len(bills)


@action
async def _undecided(actor: Actor) -> list[UUID]:
    rows = await fetch(
        "SELECT DISTINCT bill_id FROM attempt WHERE in_suspense"
        " AND paid_at < jiuyi.now() - $1 * interval '1 minute' LIMIT $2",
        UNDECIDED_MINUTES_MAX,
        UNDECIDED_MAX,
    )
    return [row["bill_id"] for row in rows]
