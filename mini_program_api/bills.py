"""What is owed and was paid: lines, split and the exact total, for the persons an account may see."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.billing.queries import BillSummary, BillView, ChargeView, bill_view, bills_seen_by
from app.kernel.actor import Actor
from app.kernel.money import yuan

KIND_NAMES = {"registration": "挂号费", "outpatient": "门诊费用", "deposit": "住院预交金"}


class BillReply(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` is the same money as `amount_fen`, written in yuan for a screen."""

    id: UUID
    person_id: UUID
    kind: str
    kind_name: str
    subject_kind: str
    subject_id: UUID
    status: str
    amount_fen: int
    amount: str
    refunded_fen: int
    expires_at: datetime | None
    opened_at: datetime
    paid_at: datetime | None


class Bills(msgspec.Struct, frozen=True, kw_only=True):
    """`next` is what to pass as `after` for the page behind; null at the end."""

    items: list[BillReply]
    next: UUID | None


class LineReply(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    quantity: str
    unit_price: str
    amount_fen: int
    amount: str
    fulfilment: str


class SplitReply(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays how much; the three parts are the bill's amount."""

    insurance_pool_fen: int
    insurance_account_fen: int
    self_pay_fen: int


class RefundReply(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    reason: str
    status: str
    amount_fen: int
    requested_at: datetime


class BillDetail(BillReply, frozen=True, kw_only=True):
    lines: list[LineReply]
    split: SplitReply
    refunds: list[RefundReply]


@get("/bills", permission="bill.read")
async def list_bills(
    actor: NamedDependency[Actor],
    person_id: Annotated[UUID | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Bills:
    """Of one person, or of everybody the account may see."""
    bills = await bills_seen_by(actor, person_id=person_id, limit=limit, before=after)
    more = bills[-1].id if len(bills) == limit else None
    return Bills(items=[reply(bill) for bill in bills], next=more)


@get("/bills/{bill_id:uuid}", permission="bill.read")
async def read_bill(bill_id: FromPath[UUID], actor: NamedDependency[Actor]) -> BillDetail:
    return detail(await bill_view(actor, bill_id=bill_id))


def reply(bill: BillSummary) -> BillReply:
    return BillReply(
        id=bill.id,
        person_id=bill.person_id,
        kind=bill.kind,
        kind_name=KIND_NAMES[bill.kind],
        subject_kind=bill.subject_kind,
        subject_id=bill.subject_id,
        status=bill.status,
        amount_fen=bill.amount_fen,
        amount=yuan(bill.amount_fen),
        refunded_fen=bill.refunded_fen,
        expires_at=bill.expires_at,
        opened_at=bill.opened_at,
        paid_at=bill.paid_at,
    )


def detail(bill: BillView) -> BillDetail:
    return BillDetail(
        **msgspec.structs.asdict(reply(bill)),
        lines=[line_reply(line) for line in bill.lines],
        split=SplitReply(insurance_pool_fen=0, insurance_account_fen=0, self_pay_fen=bill.amount_fen),
        refunds=[
            RefundReply(
                id=refund.id,
                reason=refund.reason,
                status=refund.status,
                amount_fen=refund.amount_fen,
                requested_at=refund.requested_at,
            )
            for refund in bill.refunds
        ],
    )


def line_reply(line: ChargeView) -> LineReply:
    return LineReply(
        name=line.name,
        quantity=f"{line.quantity.normalize():f}",
        unit_price=unit_price(line.unit_price_micro_yuan),
        amount_fen=line.amount_fen,
        amount=yuan(line.amount_fen),
        fulfilment=line.fulfilment,
    )


def unit_price(micro_yuan: int) -> str:
    """Two decimals, or as many of the six as the price has."""
    text = f"{micro_yuan // 1_000_000}.{micro_yuan % 1_000_000:06d}"
    whole, decimals = text.split(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


router = Router(path="/api/mini-program/v1", route_handlers=[list_bills, read_bill])
