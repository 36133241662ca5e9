"""Paying a bill: an attempt with its own number, ordered at a channel outside of any transaction."""

import asyncio
from typing import assert_never
from uuid import UUID

import asyncpg
import msgspec

from app.billing import postings
from app.billing.channel import (
    ALREADY_CLOSED,
    ALREADY_PAID,
    TOO_OFTEN,
    Offer,
    Order,
    Outcome,
    Rejected,
    Success,
    Unknown,
)
from app.billing.channels import channel
from app.billing.charges import locked_bill
from app.billing.events import AttemptMoved
from app.billing.late import refund_late, revive_bill
from app.billing.rules import (
    BY_ACCOUNT,
    CHANNEL_OF,
    LOOK_AFTER_SECONDS,
    PAYABLE,
    SUBMISSION_SECONDS_MAX,
    attempt_ends_at,
    out_number,
)
from app.billing.tables import (
    ATTEMPT_FLOW,
    BILL_FLOW,
    LIVE_ATTEMPT,
    AttemptStatus,
    BillKind,
    BillStatus,
    ChannelName,
    PayMethod,
)
from app.identity.queries import account_subject
from app.identity.roles import Platform
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind
from app.kernel.crypto import decrypt, encrypt
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import require_may_act_for
from app.patients.tables import Scope

__all__ = ["refund_late", "revive_bill", "start_attempt", "submit_attempt"]

OTHERS_OFFER_SECONDS_MAX = 3.0
OTHERS_OFFER_LOOK_SECONDS = 0.1
DESCRIPTIONS = {
    BillKind.REGISTRATION: "预约挂号费",
    BillKind.OUTPATIENT: "门诊费用",
    BillKind.DEPOSIT: "住院预交金",
}
# The order exists in some form: only asking tells in which.
ASK_FIRST = {ALREADY_PAID, ALREADY_CLOSED, TOO_OFTEN, "out_trade_no_used"}


class BillNotPayable(DomainError):
    code = "bill_not_payable"
    message = "该账单已支付、已取消或已超时，请刷新账单后再操作。"


class TooLateToPay(DomainError):
    code = "too_late_to_pay"
    message = "该账单的支付时间即将结束，不能再发起支付，请重新预约或开单。"


class PaymentInProgress(DomainError):
    code = "payment_in_progress"
    message = "该账单正在用同一渠道的另一种方式支付，请先完成那次支付，或等它超时后再试。"


class NoPayer(Invalid):
    code = "no_payer"
    message = "当前登录账号不能使用这种支付方式，请换用对应平台的小程序登录后支付。"


@action
async def start_attempt(actor: Actor, *, bill_id: UUID, method: PayMethod) -> UUID:
    """Open an attempt, or find the live one of this method. Then call `submit_attempt`, outside.

    The payer of wechat_jsapi and alipay_mini is the acting account's login on that platform.
    """
    bill = await locked_bill(bill_id)
    await require_may_act_for(actor, person_id=bill["person_id"], scope=Scope.PAY)
    if bill["status"] not in PAYABLE:
        raise BillNotPayable(bill_id=bill_id)
    payer = await _payer(actor, method)
    live = await _live_attempt(bill_id, CHANNEL_OF[method])
    if live is not None:
        if live["method"] != method or _payer_of(live) != payer:
            raise PaymentInProgress(bill_id=bill_id, attempt_id=live["id"])
        return live["id"]
    ends_at = attempt_ends_at(now=await clock.now(), bill_expires_at=bill["expires_at"])
    if ends_at is None:
        raise TooLateToPay(bill_id=bill_id)
    attempt_id = await _insert_attempt(bill, method, payer, ends_at)
    name = CHANNEL_OF[method]
    await postings.open_clearing(actor, channel=name, merchant=channel(name).merchant)
    await BILL_FLOW.try_move(bill_id, BillStatus.PAYING)
    await tell_move(actor, attempt_id, bill_id, AttemptStatus.CREATED, cause="api")
    return attempt_id


async def _payer(actor: Actor, method: PayMethod) -> str | None:
    if method not in BY_ACCOUNT:
        return None
    if actor.kind is not ActorKind.ACCOUNT or actor.id is None:
        raise NoPayer(method=method)
    platform = Platform(CHANNEL_OF[method])
    subject = await account_subject(actor, account_id=actor.id, platform=platform)
    if subject is None:
        raise NoPayer(method=method)
    return subject


async def _live_attempt(bill_id: UUID, name: ChannelName) -> asyncpg.Record | None:
    return await fetch_one(
        "SELECT * FROM attempt WHERE bill_id = $1 AND channel = $2 AND status = ANY($3)",
        bill_id,
        str(name),
        [str(s) for s in LIVE_ATTEMPT],
    )


async def _insert_attempt(
    bill: asyncpg.Record, method: PayMethod, payer: str | None, ends_at: object
) -> UUID:
    attempt_id = new_id()
    name = CHANNEL_OF[method]
    return await fetch_value(
        "INSERT INTO attempt (id, bill_id, out_trade_no, channel, method, merchant, amount_fen, payer,"
        " status, expires_at, look_at, looks, refunding_fen, refunded_fen, in_suspense, alarmed)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'created', $9, now() + $10 * interval '1 second',"
        " 0, 0, 0, false, false) RETURNING id",
        attempt_id,
        bill["id"],
        out_number(attempt_id),
        str(name),
        str(method),
        channel(name).merchant,
        bill["amount_fen"],
        None if payer is None else encrypt(payer, context=_payer_place(attempt_id)),
        ends_at,
        SUBMISSION_SECONDS_MAX,
    )


def _payer_place(attempt_id: UUID) -> str:
    return f"attempt.payer.{attempt_id}"


def _payer_of(attempt: asyncpg.Record) -> str | None:
    if attempt["payer"] is None:
        return None
    return decrypt(attempt["payer"], context=_payer_place(attempt["id"]))


async def tell_move(
    actor: Actor, attempt_id: UUID, bill_id: UUID, status: AttemptStatus, *, cause: str
) -> None:
    moved = AttemptMoved(attempt_id=attempt_id, bill_id=bill_id, status=status, cause=cause)
    await emit(actor, moved)


async def submit_attempt(actor: Actor, *, attempt_id: UUID) -> None:
    """Order at the channel, outside any transaction. Afterwards `attempt_view` has what to show.

    Of several callers one orders; the others wait a little for what it gets.
    """
    order = await claim_order(actor, attempt_id=attempt_id, first=True, cause="api")
    if order is None:
        await _wait_for_offer(actor, attempt_id)
    else:
        await send_order(actor, attempt_id=attempt_id, order=order, cause="api")


async def send_order(actor: Actor, *, attempt_id: UUID, order: Order, cause: str) -> None:
    outcome = await channel(CHANNEL_OF[order.method]).order(order)
    await record_order(actor, attempt_id=attempt_id, outcome=outcome, cause=cause)


@action
async def claim_order(actor: Actor, *, attempt_id: UUID, first: bool, cause: str) -> Order | None:
    """Mark the attempt as sent before it is sent; None where somebody else sends it or it is over.

    `first` takes only what was never sent. Later orders repeat the number with the same parameters.
    """
    sources = [AttemptStatus.CREATED] if first else list(LIVE_ATTEMPT)
    row = await fetch_one(
        "UPDATE attempt a SET look_at = now() + $3 * interval '1 second',"
        " status = CASE WHEN a.status = 'created' THEN 'submitted' ELSE a.status END"
        " FROM attempt before, bill b WHERE a.id = $1 AND before.id = a.id AND b.id = a.bill_id"
        " AND a.status = ANY($2) RETURNING a.*, before.status AS before, b.kind",
        attempt_id,
        [str(s) for s in sources],
        SUBMISSION_SECONDS_MAX,
    )
    if row is None:
        return None
    if row["before"] == AttemptStatus.CREATED:
        await tell_move(actor, attempt_id, row["bill_id"], AttemptStatus.SUBMITTED, cause=cause)
    return Order(
        out_trade_no=row["out_trade_no"],
        method=PayMethod(row["method"]),
        description=DESCRIPTIONS[BillKind(row["kind"])],
        amount_fen=row["amount_fen"],
        expires_at=row["expires_at"],
        payer=_payer_of(row),
    )


@action
async def record_order(actor: Actor, *, attempt_id: UUID, outcome: Outcome[Offer], cause: str) -> None:
    """Write down what the channel answered. What a notice wrote meanwhile stands."""
    match outcome:
        case Success(offer):
            await fetch(
                "UPDATE attempt SET code_url = $2, pay_params = $3 WHERE id = $1",
                attempt_id,
                offer.code_url,
                None if offer.pay_params is None else msgspec.json.encode(offer.pay_params).decode(),
            )
            await move_attempt(actor, attempt_id, AttemptStatus.AWAITING_PAYER, cause=cause)
            await look_later(attempt_id, LOOK_AFTER_SECONDS[0])
        case Rejected(code) if code in ASK_FIRST:
            await move_attempt(actor, attempt_id, AttemptStatus.UNKNOWN, cause=cause)
            await look_later(attempt_id, LOOK_AFTER_SECONDS[0] if code == TOO_OFTEN else 0)
        case Rejected():
            await move_attempt(actor, attempt_id, AttemptStatus.FAILED, cause=cause)
        case Unknown():
            await move_attempt(actor, attempt_id, AttemptStatus.UNKNOWN, cause=cause)
            await look_later(attempt_id, LOOK_AFTER_SECONDS[0])
        case _:
            assert_never(outcome)


async def move_attempt(actor: Actor, attempt_id: UUID, end: AttemptStatus, *, cause: str) -> bool:
    """Move and tell, where the attempt is in a status that leads there."""
    moved = await ATTEMPT_FLOW.try_move(attempt_id, end)
    if moved is not None:
        await tell_move(actor, attempt_id, moved["bill_id"], end, cause=cause)
    return moved is not None


async def look_later(attempt_id: UUID, seconds: int) -> None:
    """When the sweeper looks next: after `seconds`, or just after the attempt's end if that is sooner."""
    await fetch(
        "UPDATE attempt SET look_at = least(now() + $2 * interval '1 second',"
        " CASE WHEN expires_at > jiuyi.now()"
        "   THEN now() + (expires_at - jiuyi.now()) + interval '1 second' END)"
        " WHERE id = $1 AND status = ANY($3)",
        attempt_id,
        seconds,
        [str(s) for s in LIVE_ATTEMPT],
    )


async def _wait_for_offer(actor: Actor, attempt_id: UUID) -> None:
    """Give the caller who orders a moment, so that repeats are answered alike."""
    for _ in range(int(OTHERS_OFFER_SECONDS_MAX / OTHERS_OFFER_LOOK_SECONDS)):
        if await _status(actor, attempt_id=attempt_id) is not AttemptStatus.SUBMITTED:
            return
        await asyncio.sleep(OTHERS_OFFER_LOOK_SECONDS)


@query
async def _status(actor: Actor, *, attempt_id: UUID) -> AttemptStatus:
    return AttemptStatus(await fetch_value("SELECT status FROM attempt WHERE id = $1", attempt_id))
