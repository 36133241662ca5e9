"""Placing orders: drafted one by one, signed together, paid by one bill."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from app.billing.charges import Line, cancel_bill, open_bill
from app.billing.tables import BillKind
from app.catalog.queries import lab_panel
from app.encounters.visiting import open_row
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.orders import rules
from app.orders.events import OrdersSubmitted
from app.orders.prescribing import insert_order, screen_again
from app.orders.tables import (
    DISPENSE_FLOW,
    ORDER_FLOW,
    DispenseStatus,
    OrderKind,
    OrderStatus,
    PaymentStatus,
)
from app.patients.access import require_may_see

ORDERS_PER_SUBMISSION_MAX = 20


class OrderNotFound(NotFound):
    code = "order_not_found"
    message = "没有找到该医嘱，请返回列表核对。"


class NothingToSubmit(DomainError):
    code = "nothing_to_submit"
    message = "没有待提交的医嘱，请先开立检验或处方。"


class TooManyOrders(DomainError):
    code = "too_many_orders"
    message = f"一次最多提交 {ORDERS_PER_SUBMISSION_MAX} 条医嘱，请分次提交。"


class PanelOrdered(DomainError):
    code = "panel_ordered"
    message = "本次就诊已开立该检验项目，尚未完成。如需复查，请在结果报告后再开。"


class SubmissionNotFound(NotFound):
    code = "submission_not_found"
    message = "没有找到这次提交的医嘱，请返回列表核对。"


class SubmissionPaid(DomainError):
    code = "submission_paid"
    message = "医嘱已缴费，不能整单撤回。请对未执行的项目逐项停止并退费。"


@action
async def order_panel(actor: Actor, *, encounter_id: UUID, panel_id: UUID) -> UUID:
    """Draft a laboratory order for one panel."""
    encounter = await open_row(actor, encounter_id=encounter_id)
    panel = await lab_panel(actor, panel_id=panel_id)
    if await _is_ordered(encounter_id, panel_id):
        raise PanelOrdered(encounter_id=encounter_id, panel_id=panel_id)
    order_id = await insert_order(actor, kind=OrderKind.LAB, encounter=encounter, title=panel.name)
    await fetch_value(
        "INSERT INTO lab_request (id, panel_id, item_id, specimen_kind, container)"
        " VALUES ($1, $2, $3, $4, $5)",
        order_id,
        panel.id,
        panel.item_id,
        panel.specimen_kind,
        panel.container,
    )
    return order_id


async def _is_ordered(encounter_id: UUID, panel_id: UUID) -> bool:
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM lab_request r JOIN clinical_order o ON o.id = r.id"
        " WHERE o.encounter_id = $1 AND r.panel_id = $2"
        " AND o.status IN ('draft', 'signed', 'active', 'executing'))",
        encounter_id,
        panel_id,
    )


@action
async def cancel_draft(actor: Actor, *, order_id: UUID) -> UUID:
    """Drop an order that nobody signed yet."""
    order = await order_row(actor, order_id=order_id)
    await ORDER_FLOW.move(
        order_id, OrderStatus.CANCELLED, only_from=OrderStatus.DRAFT, ended_at=await clock.now()
    )
    if order["kind"] == OrderKind.DRUG:
        await DISPENSE_FLOW.move(order_id, DispenseStatus.CANCELLED)
    return order_id


@action
async def order_row(actor: Actor, *, order_id: UUID) -> asyncpg.Record:
    """The order for who may see its patient."""
    row = await fetch_one("SELECT * FROM clinical_order WHERE id = $1", order_id)
    if row is None:
        raise OrderNotFound(order_id=order_id)
    await require_may_see(actor, person_id=row["person_id"])
    return row


@action
async def submit_orders(actor: Actor, *, encounter_id: UUID) -> UUID:
    """Sign all drafts of the visit and open one bill with a line for every charge."""
    encounter = await open_row(actor, encounter_id=encounter_id)
    drafts = await _lock_drafts(encounter_id)
    now = await clock.now()
    submission_id = new_id()
    await fetch_value(
        "INSERT INTO order_submission (id, encounter_id, person_id, submitted_by, submitted_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        submission_id,
        encounter_id,
        encounter["person_id"],
        actor.id,
        now,
    )
    for draft in drafts:
        await _sign(actor, draft, submission_id, now)
    bill_id = await open_bill(
        actor,
        person_id=encounter["person_id"],
        kind=BillKind.OUTPATIENT,
        subject_kind="orders",
        subject_id=submission_id,
        lines=await _charge_lines(submission_id),
        # What is unpaid at the end of the day is written anew: so the law says of prescriptions.
        expires_at=rules.payable_until(now),
        encounter_id=encounter_id,
    )
    await fetch_value("UPDATE order_submission SET bill_id = $2 WHERE id = $1", submission_id, bill_id)
    await emit(
        actor,
        OrdersSubmitted(
            submission_id=submission_id,
            encounter_id=encounter_id,
            person_id=encounter["person_id"],
            bill_id=bill_id,
        ),
    )
    return submission_id


async def _lock_drafts(encounter_id: UUID) -> Sequence[asyncpg.Record]:
    drafts = await fetch(
        "SELECT * FROM clinical_order WHERE encounter_id = $1 AND status = 'draft'"
        " ORDER BY id LIMIT $2 FOR UPDATE",
        encounter_id,
        ORDERS_PER_SUBMISSION_MAX + 1,
    )
    if not drafts:
        raise NothingToSubmit(encounter_id=encounter_id)
    if len(drafts) > ORDERS_PER_SUBMISSION_MAX:
        raise TooManyOrders(encounter_id=encounter_id)
    return drafts


async def _sign(actor: Actor, draft: asyncpg.Record, submission_id: UUID, now: datetime) -> None:
    if draft["kind"] == OrderKind.DRUG:
        await screen_again(actor, order=draft)
        await fetch_value(
            "UPDATE prescription SET valid_until = $2 WHERE id = $1", draft["id"], rules.valid_until(now)
        )
    await ORDER_FLOW.move(draft["id"], OrderStatus.SIGNED, signed_at=now, submission_id=submission_id)


async def _charge_lines(submission_id: UUID) -> list[Line]:
    """One line per charge: a panel by its order's id, a drug by its prescription line's."""
    rows = await fetch(
        "SELECT r.item_id, 1::numeric AS quantity, o.id AS source_id, o.id AS order_id, 0 AS position"
        " FROM clinical_order o JOIN lab_request r ON r.id = o.id WHERE o.submission_id = $1"
        " UNION ALL SELECT l.item_id, l.quantity, l.id, o.id, l.position"
        " FROM clinical_order o JOIN prescription_line l ON l.prescription_id = o.id"
        " WHERE o.submission_id = $1 ORDER BY order_id, position",
        submission_id,
    )
    return [
        Line(item_id=row["item_id"], quantity=row["quantity"], source_id=row["source_id"]) for row in rows
    ]


@action
async def withdraw_submission(actor: Actor, *, submission_id: UUID) -> UUID:
    """Take signed orders back while nobody paid: the bill is cancelled with them."""
    row = await fetch_one("SELECT * FROM order_submission WHERE id = $1 FOR UPDATE", submission_id)
    if row is None:
        raise SubmissionNotFound(submission_id=submission_id)
    await require_may_see(actor, person_id=row["person_id"])
    orders = await fetch("SELECT * FROM clinical_order WHERE submission_id = $1 ORDER BY id", submission_id)
    if any(order["payment"] != PaymentStatus.UNPAID for order in orders):
        raise SubmissionPaid(submission_id=submission_id)
    await cancel_bill(actor, bill_id=row["bill_id"])
    now = await clock.now()
    for order in orders:
        if order["status"] == OrderStatus.SIGNED:
            await ORDER_FLOW.move(order["id"], OrderStatus.CANCELLED, ended_at=now)
            if order["kind"] == OrderKind.DRUG:
                await DISPENSE_FLOW.move(order["id"], DispenseStatus.CANCELLED)
    return submission_id
