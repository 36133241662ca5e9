"""Tubes on their way: labelled, taken, sent, received, or rejected and taken again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app.encounters.queries import encounter
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.laboratory.events import SpecimenCollected, SpecimenRejected
from app.laboratory.rules import Tube, barcode, tubes
from app.laboratory.tables import SPECIMEN_FLOW, RejectReason, SpecimenStatus
from app.orders.critical import withdraw_criticals
from app.orders.executing import begin_lab_orders, put_back_lab_orders
from app.patients.access import may_see

ATTEMPTS_MAX = 5


class NothingToLabel(DomainError):
    code = "nothing_to_label"
    message = "没有可以打印条码的检验项目：可能尚未缴费，或条码已打印。"


class SpecimenNotFound(NotFound):
    code = "specimen_not_found"
    message = "没有找到该标本，请核对条码。"


class SpecimenMoved(DomainError):
    code = "specimen_not_in_step"
    message = "标本不在这一步骤（可能已被处理），请刷新后核对。"


class OrdersStopped(DomainError):
    code = "specimen_orders_stopped"
    message = "该标本的检验项目已停止或退费，请不要采集，并作废条码。"


class TooManyAttempts(DomainError):
    code = "too_many_attempts"
    message = f"该标本已采集 {ATTEMPTS_MAX} 次仍不合格，请联系检验科主任处理。"


@action
async def label_specimens(actor: Actor, *, encounter_id: UUID) -> UUID:
    """Print one barcode for every tube that the visit's paid orders need. Returns the visit."""
    visit = await encounter(actor, encounter_id=encounter_id)
    # Lock first, look then: a second hand at the printer sees what the first one labelled.
    await fetch("SELECT id FROM clinical_order WHERE encounter_id = $1 ORDER BY id FOR UPDATE", encounter_id)
    orders = await fetch(
        "SELECT o.id, r.specimen_kind, r.container FROM clinical_order o JOIN lab_request r ON r.id = o.id"
        " WHERE o.encounter_id = $1 AND o.status = 'active' AND o.payment = 'paid' AND NOT EXISTS"
        " (SELECT FROM specimen_order s WHERE s.order_id = o.id AND s.live) ORDER BY o.id",
        encounter_id,
    )
    if not orders:
        raise NothingToLabel(encounter_id=encounter_id)
    wanted = tubes((o["id"], Tube(o["specimen_kind"], o["container"])) for o in orders)
    for tube, order_ids in wanted.items():
        await _label(actor, encounter_id, visit.person_id, tube, order_ids)
    return encounter_id


async def _label(
    actor: Actor,
    encounter_id: UUID,
    person_id: UUID,
    tube: Tube,
    order_ids: Sequence[UUID],
    recollects: asyncpg.Record | None = None,
) -> UUID:
    specimen_id = await fetch_value(
        "INSERT INTO specimen (id, barcode, encounter_id, person_id, specimen_kind, container, status,"
        " attempt, recollects_id, labelled_by, labelled_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'labelled', $7, $8, $9, $10) RETURNING id",
        new_id(),
        barcode(await fetch_value("SELECT nextval('specimen_number')")),
        encounter_id,
        person_id,
        tube.specimen_kind,
        tube.container,
        1 if recollects is None else recollects["attempt"] + 1,
        None if recollects is None else recollects["id"],
        actor.id,
        await clock.now(),
    )
    for order_id in order_ids:
        await fetch_value(
            "INSERT INTO specimen_order (id, specimen_id, order_id, live) VALUES ($1, $2, $3, true)",
            new_id(),
            specimen_id,
            order_id,
        )
    return specimen_id


@action
async def collect_specimen(actor: Actor, *, specimen_id: UUID) -> UUID:
    """The blood is drawn: from here its orders are carried out and their money is used."""
    specimen = await specimen_row(actor, specimen_id=specimen_id)
    order_ids = await orders_in(specimen_id)
    if await _stopped(order_ids):
        raise OrdersStopped(specimen_id=specimen_id)
    await begin_lab_orders(actor, order_ids=order_ids)
    await _step(specimen_id, SpecimenStatus.COLLECTED, collected_by=actor.id, collected_at=await clock.now())
    await emit(
        actor,
        SpecimenCollected(
            specimen_id=specimen_id,
            encounter_id=specimen["encounter_id"],
            person_id=specimen["person_id"],
        ),
    )
    return specimen_id


async def _stopped(order_ids: Sequence[UUID]) -> bool:
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM clinical_order WHERE id = ANY($1)"
        " AND (status = 'stopped' OR payment <> 'paid'))",
        order_ids,
    )


@action
async def discard_label(actor: Actor, *, specimen_id: UUID) -> UUID:
    """Throw a printed barcode away before anything was taken; what still stands may be labelled anew."""
    await specimen_row(actor, specimen_id=specimen_id)
    await _step(specimen_id, SpecimenStatus.DISCARDED)
    await _end_tube(specimen_id)
    return specimen_id


@action
async def send_specimen(actor: Actor, *, specimen_id: UUID) -> UUID:
    """It is on its way to the laboratory."""
    await specimen_row(actor, specimen_id=specimen_id)
    await _step(specimen_id, SpecimenStatus.IN_TRANSIT, sent_at=await clock.now())
    return specimen_id


@action
async def receive_specimen(actor: Actor, *, specimen_id: UUID) -> UUID:
    """The laboratory has it and found it usable: its own time begins."""
    await specimen_row(actor, specimen_id=specimen_id)
    await _step(specimen_id, SpecimenStatus.RECEIVED, received_by=actor.id, received_at=await clock.now())
    return specimen_id


@action
async def reject_specimen(actor: Actor, *, specimen_id: UUID, reason: RejectReason) -> UUID:
    """It cannot be used. A new tube of the next attempt is labelled for the same orders."""
    specimen = await specimen_row(actor, specimen_id=specimen_id)
    if specimen["attempt"] >= ATTEMPTS_MAX:
        raise TooManyAttempts(specimen_id=specimen_id)
    order_ids = await orders_in(specimen_id)
    await _step(
        specimen_id,
        SpecimenStatus.REJECTED,
        rejected_by=actor.id,
        rejected_at=await clock.now(),
        reject_reason=str(reason),
    )
    await put_back_lab_orders(actor, order_ids=order_ids)
    await _end_tube(specimen_id)
    for report in await fetch("SELECT id FROM lab_report WHERE specimen_id = $1", specimen_id):
        await withdraw_criticals(actor, report_id=report["id"])
    again_id = await _label(
        actor,
        specimen["encounter_id"],
        specimen["person_id"],
        Tube(specimen["specimen_kind"], specimen["container"]),
        order_ids,
        recollects=specimen,
    )
    await emit(
        actor,
        SpecimenRejected(
            specimen_id=specimen_id,
            recollect_id=again_id,
            encounter_id=specimen["encounter_id"],
            person_id=specimen["person_id"],
        ),
    )
    return again_id


async def _end_tube(specimen_id: UUID) -> None:
    await fetch_value("UPDATE specimen_order SET live = false WHERE specimen_id = $1", specimen_id)


async def _step(specimen_id: UUID, end: SpecimenStatus, **values: Any) -> None:
    if await SPECIMEN_FLOW.try_move(specimen_id, end, **values) is None:
        raise SpecimenMoved(specimen_id=specimen_id)


@action
async def specimen_row(actor: Actor, *, specimen_id: UUID) -> asyncpg.Record:
    """The tube, for who may see its patient; held until the transaction ends."""
    row = await fetch_one("SELECT * FROM specimen WHERE id = $1 FOR UPDATE", specimen_id)
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise SpecimenNotFound(specimen_id=specimen_id)
    return row


async def orders_in(specimen_id: UUID) -> list[UUID]:
    rows = await fetch(
        "SELECT order_id FROM specimen_order WHERE specimen_id = $1 AND live ORDER BY order_id", specimen_id
    )
    return [row["order_id"] for row in rows]
