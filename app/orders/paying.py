"""The financial side of orders: what payment opens, what its failure ends, and how money goes back."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.billing.events import BillExpired, BillPaid, RefundRequested, RefundSucceeded
from app.billing.refunds import request_refund
from app.billing.tables import RefundReason
from app.identity.roles import StaffRole
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_value
from app.kernel.errors import DomainError
from app.kernel.events import Event, emit
from app.orders.events import OrdersPaid, OrderStopped
from app.orders.placing import order_row
from app.orders.tables import (
    DISPENSE_FLOW,
    ORDER_FLOW,
    PAYMENT_FLOW,
    DispenseStatus,
    OrderKind,
    OrderStatus,
    PaymentStatus,
)
from app.patients.access import relate
from app.patients.tables import CareReason

SUBJECT = "orders"
# How long the departments that carry an order out may see its patient: a result may be corrected later.
CARRIERS = {
    OrderKind.LAB: (StaffRole.TECHNICIAN, CareReason.ORDER, timedelta(days=30)),
    OrderKind.DRUG: (StaffRole.PHARMACIST, CareReason.DISPENSING, timedelta(days=3)),
}
STOPPABLE = (OrderStatus.SIGNED, OrderStatus.VERIFIED, OrderStatus.ACTIVE)


class OrderNotStoppable(DomainError):
    code = "order_not_stoppable"
    message = "该医嘱尚未缴费，或已执行、已终止，不能停止退费。"


async def make_executable(actor: Actor, fact: BillPaid, event: Event) -> None:
    """A submission's bill was paid: laboratory orders may be collected, prescriptions go to review."""
    if fact.subject_kind != SUBJECT:
        return
    orders = await _orders_of(fact.subject_id)
    for order in orders:
        if await PAYMENT_FLOW.try_move(order["id"], PaymentStatus.PAID) is None:
            continue
        if order["kind"] == OrderKind.LAB:
            await ORDER_FLOW.move(order["id"], OrderStatus.ACTIVE, only_from=OrderStatus.SIGNED)
        else:
            await DISPENSE_FLOW.move(order["id"], DispenseStatus.TO_REVIEW)
    for kind in sorted({OrderKind(order["kind"]) for order in orders}):
        await _open_to_carriers(actor, fact.person_id, kind)
    await emit(
        actor,
        OrdersPaid(
            submission_id=fact.subject_id, encounter_id=orders[0]["encounter_id"], person_id=fact.person_id
        ),
    )


async def _orders_of(submission_id: UUID) -> Sequence[asyncpg.Record]:
    return await fetch(
        "SELECT * FROM clinical_order WHERE submission_id = $1 ORDER BY id FOR UPDATE", submission_id
    )


async def _open_to_carriers(actor: Actor, person_id: UUID, kind: OrderKind) -> None:
    role, reason, span = CARRIERS[kind]
    departments = await fetch(
        "SELECT DISTINCT department_id FROM staff WHERE role = $1 AND active AND department_id IS NOT NULL"
        " ORDER BY department_id",
        str(role),
    )
    until = await clock.now() + span
    for department in departments:
        await relate(
            actor,
            person_id=person_id,
            department_id=department["department_id"],
            reason=reason,
            until=until,
        )


async def cancel_when_expired(actor: Actor, fact: BillExpired, event: Event) -> None:
    """Nobody paid in time: the orders are over. Later money goes back by itself."""
    if fact.subject_kind != SUBJECT:
        return
    now = await clock.now()
    for order in await _orders_of(fact.subject_id):
        if order["status"] == OrderStatus.SIGNED and order["payment"] == PaymentStatus.UNPAID:
            await ORDER_FLOW.move(order["id"], OrderStatus.CANCELLED, ended_at=now, end_reason="逾期未缴费")
            if order["kind"] == OrderKind.DRUG:
                await DISPENSE_FLOW.move(order["id"], DispenseStatus.CANCELLED)


async def follow_refund(actor: Actor, fact: RefundRequested, event: Event) -> None:
    """A cashier asked for money back without the doctor: what lost its charges is not carried out."""
    if fact.subject_kind != SUBJECT or fact.reason != RefundReason.REQUESTED:
        return
    for order in await _orders_of(fact.subject_id):
        if order["payment"] == PaymentStatus.PAID and await _lost_its_charges(order["id"]):
            await PAYMENT_FLOW.move(order["id"], PaymentStatus.REFUNDING, refund_id=fact.refund_id)
            await _end(actor, order, "收费处退费")


async def _lost_its_charges(order_id: UUID) -> bool:
    return await fetch_value(
        "SELECT bool_or(fulfilment = 'refunded') FROM charge WHERE source_id = ANY($1)",
        await charge_sources(order_id),
    )


async def note_refund(actor: Actor, fact: RefundSucceeded, event: Event) -> None:
    """The channel gave the money back: so say the orders."""
    if fact.subject_kind != SUBJECT:
        return
    orders = await fetch("SELECT id FROM clinical_order WHERE refund_id = $1 ORDER BY id", fact.refund_id)
    for order in orders:
        await PAYMENT_FLOW.try_move(order["id"], PaymentStatus.REFUNDED)


@action
async def stop_order(actor: Actor, *, order_id: UUID, reason: str) -> UUID:
    """Stop a paid order before it is carried out and give its money back.

    Billing's charge decides against whoever carries it out at the same moment: one of the two is refused.
    """
    order = await order_row(actor, order_id=order_id)
    if order["payment"] != PaymentStatus.PAID or order["status"] not in STOPPABLE:
        raise OrderNotStoppable(order_id=order_id)
    await _end(actor, order, reason[:200])
    await give_money_back(actor, order_id=order_id)
    return order_id


async def _end(actor: Actor, order: asyncpg.Record, reason: str) -> None:
    await ORDER_FLOW.move(
        order["id"],
        OrderStatus.STOPPED,
        only_from=OrderStatus(order["status"]),
        ended_at=await clock.now(),
        end_reason=reason,
    )
    if order["kind"] == OrderKind.DRUG:
        await DISPENSE_FLOW.move(order["id"], DispenseStatus.CANCELLED)
    await emit(
        actor,
        OrderStopped(order_id=order["id"], encounter_id=order["encounter_id"], person_id=order["person_id"]),
    )


@action
async def give_money_back(actor: Actor, *, order_id: UUID) -> None:
    """Ask billing for the order's charges, none of them carried out."""
    bill_id = await fetch_value(
        "SELECT s.bill_id FROM clinical_order o JOIN order_submission s ON s.id = o.submission_id"
        " WHERE o.id = $1",
        order_id,
    )
    refund_id = await request_refund(actor, bill_id=bill_id, source_ids=await charge_sources(order_id))
    await PAYMENT_FLOW.move(order_id, PaymentStatus.REFUNDING, refund_id=refund_id)
    if refund_id is None:
        await PAYMENT_FLOW.move(order_id, PaymentStatus.REFUNDED)


async def charge_sources(order_id: UUID) -> list[UUID]:
    """What the order's charges were made for: its lines, or itself."""
    rows = await fetch(
        "SELECT id FROM prescription_line WHERE prescription_id = $1 ORDER BY position", order_id
    )
    return [row["id"] for row in rows] or [order_id]
