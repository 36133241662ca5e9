"""Carrying orders out: the steps of laboratory and pharmacy, and the moment that uses the money."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.billing.charges import charge_fulfil
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one
from app.kernel.errors import DomainError, NotFound
from app.orders import rules
from app.orders.paying import charge_sources, give_money_back
from app.orders.prescribing import PrescriptionNotFound
from app.orders.tables import DISPENSE_FLOW, ORDER_FLOW, DispenseStatus, OrderStatus, PaymentStatus
from app.patients.access import require_may_see


class LabOrderNotFound(NotFound):
    code = "lab_order_not_found"
    message = "没有找到该检验医嘱，请核对条码。"


class OrderUnpaid(DomainError):
    code = "order_unpaid"
    message = "医嘱尚未缴费或正在退费，不能执行。请患者先缴费。"


class PrescriptionExpired(DomainError):
    code = "prescription_expired"
    message = "处方已过有效期，请患者联系开方医师延长有效期或重新开具。"


class PrescriptionNotWaiting(DomainError):
    code = "prescription_not_waiting"
    message = "处方不在这一步骤（可能已被其他窗口处理、已发药、退回或退费），请刷新列表。"


@action
async def begin_lab_orders(actor: Actor, *, order_ids: Sequence[UUID]) -> None:
    """The specimen of these orders is being taken. Their charges are used up by the first attempt."""
    for order_id in sorted(order_ids):
        order = await _paid_order(order_id)
        await ORDER_FLOW.move(order_id, OrderStatus.EXECUTING, only_from=OrderStatus.ACTIVE)
        if not order["charge_used"]:
            await charge_fulfil(actor, source_id=order_id)
            await _mark_used(order_id)


async def _paid_order(order_id: UUID) -> asyncpg.Record:
    order = await fetch_one("SELECT * FROM clinical_order WHERE id = $1 FOR UPDATE", order_id)
    if order is None:
        raise LabOrderNotFound(order_id=order_id)
    if order["payment"] != PaymentStatus.PAID:
        raise OrderUnpaid(order_id=order_id)
    return order


async def _mark_used(order_id: UUID) -> None:
    await fetch_one("UPDATE clinical_order SET charge_used = true WHERE id = $1", order_id)


@action
async def put_back_lab_orders(actor: Actor, *, order_ids: Sequence[UUID]) -> None:
    """The specimen could not be used: its orders wait to be collected again, without being paid again."""
    for order_id in sorted(order_ids):
        await ORDER_FLOW.move(order_id, OrderStatus.ACTIVE, only_from=OrderStatus.EXECUTING)


@action
async def finish_lab_orders(actor: Actor, *, order_ids: Sequence[UUID]) -> None:
    """The report is out."""
    now = await clock.now()
    for order_id in sorted(order_ids):
        await ORDER_FLOW.move(order_id, OrderStatus.DONE, ended_at=now)


@action
async def pass_prescription(actor: Actor, *, prescription_id: UUID) -> None:
    """The pharmacist found nothing against it."""
    row = await prescription_row(actor, prescription_id=prescription_id)
    _require_valid(row, await clock.now())
    await _require_moved(prescription_id, DispenseStatus.TO_PREPARE)
    await ORDER_FLOW.move(prescription_id, OrderStatus.VERIFIED)


@action
async def return_prescription(actor: Actor, *, prescription_id: UUID, reason: str) -> None:
    """The pharmacist sends it back to the doctor: it ends here, and its money goes back."""
    await prescription_row(actor, prescription_id=prescription_id)
    await _require_moved(prescription_id, DispenseStatus.RETURNED)
    await ORDER_FLOW.move(
        prescription_id, OrderStatus.REJECTED, ended_at=await clock.now(), end_reason=reason[:200]
    )
    await give_money_back(actor, order_id=prescription_id)


@action
async def assign_window(
    actor: Actor,
    *,
    prescription_id: UUID,
    window_id: UUID,
    window_name: str,
    number: str,
    ticket_id: UUID,
) -> None:
    """Where the patient will collect it, and under which number."""
    await prescription_row(actor, prescription_id=prescription_id)
    await fetch_one(
        "UPDATE prescription SET window_id = $2, window_name = $3, number = $4, ticket_id = $5 WHERE id = $1",
        prescription_id,
        window_id,
        window_name,
        number,
        ticket_id,
    )


@action
async def mark_ready(actor: Actor, *, prescription_id: UUID) -> asyncpg.Record:
    """The drugs wait at their window. Again: the same, once more."""
    await prescription_row(actor, prescription_id=prescription_id)
    return await _require_moved(prescription_id, DispenseStatus.READY, called_at=await clock.now())


@action
async def hand_over_prescription(actor: Actor, *, prescription_id: UUID) -> None:
    """The drugs leave the house: once, and never those whose money is going back."""
    row = await prescription_row(actor, prescription_id=prescription_id)
    if row["dispense"] in (DispenseStatus.TO_PREPARE, DispenseStatus.READY):
        _require_collectable(row, await clock.now())
    now = await clock.now()
    await _require_moved(prescription_id, DispenseStatus.DISPENSED, dispensed_at=now)
    await ORDER_FLOW.move(prescription_id, OrderStatus.DONE, ended_at=now, only_from=OrderStatus.VERIFIED)
    for source_id in await charge_sources(prescription_id):
        await charge_fulfil(actor, source_id=source_id)
    await _mark_used(prescription_id)


@action
async def prescription_row(actor: Actor, *, prescription_id: UUID) -> asyncpg.Record:
    """The prescription for who may see its patient. Its order is locked first, as everywhere."""
    row = await fetch_one(
        "SELECT p.*, o.person_id, o.encounter_id, o.status, o.payment, o.title, o.signed_at, o.ordered_by"
        " FROM prescription p JOIN clinical_order o ON o.id = p.id WHERE p.id = $1 FOR UPDATE OF o",
        prescription_id,
    )
    if row is None:
        raise PrescriptionNotFound(prescription_id=prescription_id)
    await require_may_see(actor, person_id=row["person_id"])
    return row


async def _require_moved(prescription_id: UUID, end: DispenseStatus, **values: Any) -> asyncpg.Record:
    row = await DISPENSE_FLOW.try_move(prescription_id, end, **values)
    if row is None:
        raise PrescriptionNotWaiting(prescription_id=prescription_id)
    return row


def _require_valid(row: asyncpg.Record, now: datetime) -> None:
    if row["valid_until"] is None or not rules.is_valid(row["valid_until"], now=now):
        raise PrescriptionExpired(prescription_id=row["id"])


def _require_collectable(row: asyncpg.Record, now: datetime) -> None:
    """What a pharmacist accepted in time may be collected until the longest validity ends."""
    if not rules.is_valid(rules.valid_until(row["signed_at"], days=rules.VALID_DAYS_MAX), now=now):
        raise PrescriptionExpired(prescription_id=row["id"])
