"""Bills, payments and books as screens need them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.billing import postings
from app.billing.charges import BillNotFound
from app.billing.tables import (
    AttemptStatus,
    BillKind,
    BillStatus,
    ChannelName,
    Fulfilment,
    PayMethod,
    RefundReason,
    RefundStatus,
)
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, fetch_value, query
from app.kernel.errors import NotFound
from app.patients.access import may_act_for, may_follow
from app.patients.queries import bound_persons
from app.patients.tables import Scope
from app.traces.showing import note_shown

PAGE_MAX = 100
STAY_CHARGES_MAX = 5000


class AttemptNotFound(NotFound):
    code = "payment_not_found"
    message = "没有找到该笔支付，请返回账单重新发起。"


class ChargeView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    source_id: UUID
    source_kind: str
    name: str
    quantity: Decimal
    unit_price_micro_yuan: int
    amount_fen: int
    fulfilment: Fulfilment
    charged_at: datetime


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    reason: RefundReason
    status: RefundStatus
    amount_fen: int
    requested_at: datetime


class BillSummary(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    kind: BillKind
    subject_kind: str
    subject_id: UUID
    status: BillStatus
    amount_fen: int
    refunded_fen: int
    expires_at: datetime | None
    opened_at: datetime
    paid_at: datetime | None


class BillView(BillSummary, frozen=True, kw_only=True):
    lines: list[ChargeView]
    refunds: list[RefundView]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    bill_id: UUID
    status: AttemptStatus
    channel: ChannelName
    method: PayMethod
    amount_fen: int
    expires_at: datetime
    code_url: str | None
    pay_params: dict[str, Any] | None


@query
async def bills_seen_by(
    actor: Actor, *, person_id: UUID | None = None, limit: int = 20, before: UUID | None = None
) -> list[BillSummary]:
    """The bills of one person, or of all whom the account may see, newest first; `before` is the last
    id of the page above."""
    seen = [person_id] if person_id else [person.id for person in await bound_persons(actor)]
    seen = [each for each in seen if await may_act_for(actor, person_id=each, scope=Scope.PAY)]
    rows = await fetch(
        "SELECT * FROM bill WHERE person_id = ANY($1) AND ($2::uuid IS NULL OR id < $2)"
        " ORDER BY id DESC LIMIT $3",
        seen,
        before,
        min(limit, PAGE_MAX),
    )
    return [_summary(row) for row in rows]


@query
async def has_unpaid_bill(actor: Actor, *, person_id: UUID) -> bool:
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM bill WHERE person_id IN (SELECT jiuyi.same_person($1))"
        " AND status IN ('open', 'locked', 'paying'))",
        person_id,
    )


def _summary(row: asyncpg.Record) -> BillSummary:
    return msgspec.convert(dict(row), BillSummary)


@query
async def bill_view(actor: Actor, *, bill_id: UUID) -> BillView:
    """A bill for who may pay it; a stranger hears that there is none.

    Its lines tell of drugs and tests: they are for who follows the person.
    """
    row = await fetch_one("SELECT * FROM bill WHERE id = $1", bill_id)
    if row is None or not await may_act_for(actor, person_id=row["person_id"], scope=Scope.PAY):
        raise BillNotFound(bill_id=bill_id)
    note_shown(row["person_id"])
    follows = await may_follow(actor, person_id=row["person_id"])
    lines = await fetch("SELECT * FROM charge WHERE bill_id = $1 AND $2 ORDER BY id", bill_id, follows)
    refunds = await fetch("SELECT * FROM refund WHERE bill_id = $1 ORDER BY id", bill_id)
    return msgspec.convert(
        {
            **dict(row),
            "lines": [dict(line) for line in lines],
            "refunds": [dict(refund) for refund in refunds],
        },
        BillView,
    )


@query
async def attempt_view(actor: Actor, *, attempt_id: UUID) -> AttemptView:
    """An attempt, for who may pay for the person of its bill."""
    row = await fetch_one(
        "SELECT a.*, b.person_id FROM attempt a JOIN bill b ON b.id = a.bill_id WHERE a.id = $1", attempt_id
    )
    if row is None or not await may_act_for(actor, person_id=row["person_id"], scope=Scope.PAY):
        raise AttemptNotFound(payment_id=attempt_id)
    note_shown(row["person_id"])
    params = row["pay_params"]
    return msgspec.convert(
        {**dict(row), "pay_params": None if params is None else msgspec.json.decode(params)}, AttemptView
    )


@query
async def stay_charges(actor: Actor, *, encounter_id: UUID) -> list[ChargeView]:
    """Everything charged to a stay, newest first; the caller picks its day by `charged_at`."""
    rows = await fetch(
        "SELECT * FROM charge WHERE encounter_id = $1 AND fulfilment NOT IN ('void', 'refunded')"
        " ORDER BY id DESC LIMIT $2",
        encounter_id,
        STAY_CHARGES_MAX,
    )
    return [msgspec.convert(dict(row), ChargeView) for row in rows]


class AccountTotal(msgspec.Struct, frozen=True, kw_only=True):
    """One account of the book: debits, credits, and debits minus credits."""

    account: str
    name: str
    debit_fen: int
    credit_fen: int
    balance_fen: int


class ChannelTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What came in through a channel and went back, by our book."""

    channel: str
    merchant: str
    paid_fen: int
    refunded_fen: int
    net_fen: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    balanced: bool
    channels: list[ChannelTotal]
    accounts: list[AccountTotal]
    refunding_fen: int
    suspense_fen: int
    alarms_open: int


@query
async def books(actor: Actor) -> Books:
    """The whole book in totals: what a channel's own statement is compared with."""
    rows = await fetch(
        "SELECT a.code, a.name,"
        " coalesce(sum(l.amount_fen) FILTER (WHERE l.amount_fen > 0), 0)::bigint AS debit,"
        " coalesce(-sum(l.amount_fen) FILTER (WHERE l.amount_fen < 0), 0)::bigint AS credit"
        " FROM ledger_account a LEFT JOIN journal_leg l ON l.account = a.code"
        " GROUP BY a.code, a.name ORDER BY a.code"
    )
    accounts = [
        AccountTotal(
            account=row["code"],
            name=row["name"],
            debit_fen=row["debit"],
            credit_fen=row["credit"],
            balance_fen=row["debit"] - row["credit"],
        )
        for row in rows
    ]
    by_code = {total.account: total for total in accounts}
    alarms = await fetch_one("SELECT count(*) AS open FROM pay_alarm WHERE settled_at IS NULL")
    assert alarms is not None
    return Books(
        balanced=sum(total.balance_fen for total in accounts) == 0,
        channels=[_channel_total(total) for total in accounts if postings.is_clearing(total.account)],
        accounts=accounts,
        refunding_fen=-by_code[postings.REFUND_PAYABLE].balance_fen,
        suspense_fen=-by_code[postings.SUSPENSE].balance_fen,
        alarms_open=alarms["open"],
    )


def _channel_total(total: AccountTotal) -> ChannelTotal:
    _, name, merchant = total.account.split(":", 2)
    return ChannelTotal(
        channel=name,
        merchant=merchant,
        paid_fen=total.debit_fen,
        refunded_fen=total.credit_fen,
        net_fen=total.balance_fen,
    )


@query
async def last_paid(actor: Actor, *, person_id: UUID) -> datetime | None:
    """When money last moved for the person. The caller has decided who may know."""
    return await fetch_value(
        "SELECT max(greatest(b.paid_at, r.ended_at)) FROM bill b LEFT JOIN refund r ON r.bill_id = b.id"
        " WHERE b.person_id IN (SELECT jiuyi.same_person($1)) AND b.paid_at IS NOT NULL",
        person_id,
    )
