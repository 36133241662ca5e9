"""What is charged: prices from the catalogue, one rounding per line, bills opened, ended and fulfilled."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.billing import postings
from app.billing.events import BillCancelled, BillExpired, BillOpened, BillPaid
from app.billing.rules import PAYABLE
from app.billing.tables import (
    BILL_FLOW,
    FULFILMENT_FLOW,
    LIVE_ATTEMPT,
    BillKind,
    BillStatus,
    Fulfilment,
)
from app.catalog.queries import price_of
from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import action, execute_many, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Invalid, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.kernel.money import MICRO_YUAN_PER_FEN, line_amount_fen

LINES_MAX = 200
EXPIRE_MAX = 200


class BillNotFound(NotFound):
    code = "bill_not_found"
    message = "没有找到该账单，请返回账单列表重新选择。"


class TooManyLines(Invalid):
    code = "too_many_lines"
    message = f"一张账单最多 {LINES_MAX} 个项目，请分开提交。"


class SourceChargedAlready(DomainError):
    code = "source_charged_already"
    message = "该项目已经计费，请刷新后查看原账单。"


class BillPaidAlready(DomainError):
    code = "bill_paid_already"
    message = "该账单已经支付，不能直接取消，请申请退款。"


class ChargeNotPaid(DomainError):
    code = "charge_not_paid"
    message = "该项目尚未缴费，请先完成缴费。"


class ChargeTaken(DomainError):
    """Execution and refund met: the other one was first."""

    code = "charge_taken"
    message = "该项目已执行或已退费，请刷新后查看。"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is charged: an item of the price list, how much of it, and the row that asks for it.

    `agreed_fen` is the unit price that our own row promised earlier, as a hold does with its fee; without
    it today's price counts.
    """

    item_id: UUID
    source_id: UUID
    quantity: Decimal = Decimal(1)
    agreed_fen: int | None = None


class Priced(msgspec.Struct, frozen=True):
    """A line with its price: the agreed one, or today's."""

    line: Line
    name: str
    unit_price_micro_yuan: int

    @property
    def amount_fen(self) -> int:
        return line_amount_fen(unit_price_micro_yuan=self.unit_price_micro_yuan, quantity=self.line.quantity)


@action
async def open_bill(
    actor: Actor,
    *,
    person_id: UUID,
    kind: BillKind,
    subject_kind: str,
    subject_id: UUID,
    lines: Sequence[Line],
    expires_at: datetime | None = None,
    encounter_id: UUID | None = None,
) -> UUID:
    """Charge the lines at today's prices and owe their sum. A sum of 0 is paid at once."""
    assert kind is not BillKind.DEPOSIT, "a deposit is no charge: open_deposit_top_up"
    if len(lines) > LINES_MAX:
        raise TooManyLines(subject_id=subject_id)
    priced = [await _priced(actor, line) for line in lines]
    amount_fen = sum(p.amount_fen for p in priced)
    bill = await insert_bill(
        actor,
        person_id=person_id,
        encounter_id=encounter_id,
        kind=kind,
        subject_kind=subject_kind,
        subject_id=subject_id,
        amount_fen=amount_fen,
        expires_at=expires_at,
    )
    await _insert_charges(bill, priced)
    await postings.charged(actor, key=f"bill:{bill['id']}", subject_id=bill["id"], amount_fen=amount_fen)
    if amount_fen == 0:
        now = await clock.now()
        await BILL_FLOW.move(bill["id"], BillStatus.PAID, paid_at=now, ended_at=now)
        await emit(actor, BillPaid(**told_of(bill), amount_fen=0))
    return bill["id"]


async def _priced(actor: Actor, line: Line) -> Priced:
    price = await price_of(actor, item_id=line.item_id)
    if line.agreed_fen is None:
        return Priced(line, price.name, price.unit_price_micro_yuan)
    return Priced(line, price.name, line.agreed_fen * MICRO_YUAN_PER_FEN)


async def insert_bill(
    actor: Actor,
    *,
    person_id: UUID,
    encounter_id: UUID | None,
    kind: BillKind,
    subject_kind: str,
    subject_id: UUID,
    amount_fen: int,
    expires_at: datetime | None,
) -> asyncpg.Record:
    bill = await fetch_one(
        "INSERT INTO bill (id, person_id, encounter_id, kind, subject_kind, subject_id, status,"
        " amount_fen, refunded_fen, expires_at, opened_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, 0, $8, $9) RETURNING *",
        new_id(),
        person_id,
        encounter_id,
        str(kind),
        subject_kind,
        subject_id,
        amount_fen,
        expires_at,
        await clock.now(),
    )
    assert bill is not None
    await emit(actor, BillOpened(**told_of(bill), amount_fen=amount_fen))
    return bill


async def _insert_charges(bill: asyncpg.Record, priced: Sequence[Priced]) -> None:
    sources = [p.line.source_id for p in priced]
    charged = await fetch_value(
        "SELECT source_id FROM charge WHERE source_id = ANY($1) AND fulfilment <> 'void' LIMIT 1", sources
    )
    if charged is not None or len(set(sources)) < len(sources):
        raise SourceChargedAlready(source_id=charged)
    await execute_many(
        f"{INSERT_CHARGE}",
        [
            _charge_row(
                p,
                bill_id=bill["id"],
                person_id=bill["person_id"],
                encounter_id=bill["encounter_id"],
                source_kind=bill["subject_kind"],
                at=bill["opened_at"],
            )
            for p in priced
        ],
    )


INSERT_CHARGE = (
    "INSERT INTO charge (id, bill_id, person_id, encounter_id, item_id, name, quantity,"
    " unit_price_micro_yuan, amount_fen, source_kind, source_id, fulfilment, charged_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', $12)"
)


def _charge_row(
    priced: Priced,
    *,
    bill_id: UUID | None,
    person_id: UUID,
    encounter_id: UUID | None,
    source_kind: str,
    at: datetime,
) -> tuple[object, ...]:
    return (
        new_id(),
        bill_id,
        person_id,
        encounter_id,
        priced.line.item_id,
        priced.name,
        priced.line.quantity,
        priced.unit_price_micro_yuan,
        priced.amount_fen,
        source_kind,
        priced.line.source_id,
        at,
    )


@action
async def add_charge(
    actor: Actor, *, person_id: UUID, encounter_id: UUID, source_kind: str, line: Line
) -> UUID | None:
    """Charge one line to a stay, without a bill yet. None where the source was charged before."""
    priced = await _priced(actor, line)
    row = _charge_row(
        priced,
        bill_id=None,
        person_id=person_id,
        encounter_id=encounter_id,
        source_kind=source_kind,
        at=await clock.now(),
    )
    charge_id = await fetch_value(
        f"{INSERT_CHARGE} ON CONFLICT (source_id) WHERE fulfilment <> 'void' DO NOTHING RETURNING id", *row
    )
    if charge_id is not None:
        await postings.charged(
            actor, key=f"charge:{charge_id}", subject_id=encounter_id, amount_fen=priced.amount_fen
        )
    return charge_id


@action
async def charge_fulfil(actor: Actor, *, source_id: UUID) -> None:
    """Take the charge of `source_id` for execution: paid (or a stay's), and not being refunded."""
    row = await fetch_one(
        "SELECT c.id, b.status FROM charge c LEFT JOIN bill b ON b.id = c.bill_id"
        " WHERE c.source_id = $1 AND c.fulfilment <> 'void'",
        source_id,
    )
    if row is None or row["status"] not in (None, *PAID_BILLS):
        raise ChargeNotPaid(source_id=source_id)
    if await FULFILMENT_FLOW.try_move(row["id"], Fulfilment.FULFILLED) is None:
        raise ChargeTaken(source_id=source_id)


PAID_BILLS = (BillStatus.PAID, BillStatus.PART_REFUNDED)


async def locked_bill(bill_id: UUID) -> asyncpg.Record:
    """The bill, locked: always first, then attempts, then refunds."""
    bill = await fetch_one("SELECT * FROM bill WHERE id = $1 FOR UPDATE", bill_id)
    if bill is None:
        raise BillNotFound(bill_id=bill_id)
    return bill


def told_of(bill: asyncpg.Record) -> dict[str, Any]:
    """What every fact about a bill says."""
    return {
        "bill_id": bill["id"],
        "kind": BillKind(bill["kind"]),
        "subject_kind": bill["subject_kind"],
        "subject_id": bill["subject_id"],
        "person_id": bill["person_id"],
        "encounter_id": bill["encounter_id"],
    }


@action
async def cancel_bill(actor: Actor, *, bill_id: UUID) -> None:
    """Give up an unpaid bill. Money that still arrives goes back by itself."""
    bill = await locked_bill(bill_id)
    if bill["status"] == BillStatus.CANCELLED:
        return
    if bill["status"] in PAID_BILLS:
        raise BillPaidAlready(bill_id=bill_id)
    await BILL_FLOW.move(bill_id, BillStatus.CANCELLED, ended_at=await clock.now())
    await _end_unpaid(actor, bill)
    await emit(actor, BillCancelled(**told_of(bill)))


@action
async def expire_bill(actor: Actor, *, bill_id: UUID) -> bool:
    """End an unpaid bill because what it was for is gone. False where it is paid or over already.

    Money that still arrives is told as BillPaidLate.
    """
    bill = await locked_bill(bill_id)
    if bill["status"] not in PAYABLE:
        return False
    await BILL_FLOW.move(bill_id, BillStatus.EXPIRED, ended_at=await clock.now())
    await _end_unpaid(actor, bill)
    await emit(actor, BillExpired(**told_of(bill)))
    return True


async def _end_unpaid(actor: Actor, bill: asyncpg.Record) -> None:
    """Nothing is owed any more, and orders still open at channels are closed at the sweeper's next look."""
    await fetch(
        "UPDATE charge SET fulfilment = 'void' WHERE bill_id = $1 AND fulfilment = 'pending'", bill["id"]
    )
    if bill["kind"] != BillKind.DEPOSIT:
        await postings.uncharged(
            actor, key=f"bill_ended:{bill['id']}", subject_id=bill["id"], amount_fen=bill["amount_fen"]
        )
    await look_at_attempts_now(bill["id"])


async def look_at_attempts_now(bill_id: UUID) -> None:
    await fetch(
        "UPDATE attempt SET look_at = now() WHERE bill_id = $1 AND status = ANY($2) AND look_at > now()",
        bill_id,
        [str(s) for s in LIVE_ATTEMPT if s != "created"],
    )


async def expire_bills() -> int:
    """Sweep: end bills whose time is up, once no attempt of theirs can still be paid."""
    actor = system("sweeper")
    expired = 0
    for bill_id in await _bills_over(actor):
        expired += await expire_bill(actor, bill_id=bill_id)
    return expired


@action
async def _bills_over(actor: Actor) -> list[UUID]:
    rows = await fetch(
        "SELECT id FROM bill b WHERE status IN ('open', 'locked', 'paying') AND expires_at <= jiuyi.now()"
        " AND NOT EXISTS (SELECT FROM attempt a WHERE a.bill_id = b.id AND a.status = ANY($1))"
        " ORDER BY expires_at LIMIT $2",
        [str(s) for s in LIVE_ATTEMPT],
        EXPIRE_MAX,
    )
    return [row["id"] for row in rows]
