"""Calling to the window and handing over: checked four ways, by batch, once."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import asyncpg
import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_value
from app.kernel.errors import DomainError, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.orders.executing import hand_over_prescription, mark_ready, prescription_row
from app.orders.tables import DispenseStatus
from app.pharmacy import rules
from app.pharmacy.events import PrescriptionDispensed, PrescriptionReady
from app.pharmacy.tables import Check4
from app.pharmacy.waiting import join_window, leave_window, ticket_status
from app.queueing.calling import call_ticket
from app.queueing.joining import rejoin_queue
from app.queueing.tables import TicketStatus


class NoWindowOpen(DomainError):
    code = "no_window_open"
    message = "没有可以叫号的发药窗口，请先在科室设置中开放窗口。"


class NotReviewed(DomainError):
    code = "prescription_not_reviewed"
    message = "处方不在待发药状态（未审核、已发药、退回或退费），不能叫号。请刷新列表。"


class ChecksMissing(Invalid):
    code = "four_checks_missing"
    message = "四查十对尚未全部确认：请核对处方、药品、配伍禁忌和用药合理性。"


class BatchesDiffer(Invalid):
    code = "batches_differ"
    message = "请为处方中的每一种药品各填写一个批号和有效期。"


class BatchExpired(Invalid):
    code = "batch_expired"
    message = "药品已过有效期，不能发放。请更换批次并隔离过期药品。"


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The package that one line is served from."""

    line_id: UUID
    batch_number: str
    expires_on: date


@action
async def call_to_window(actor: Actor, *, prescription_id: UUID) -> UUID:
    """Call the patient to the prescription's window, or once more."""
    row = await prescription_row(actor, prescription_id=prescription_id)
    if row["dispense"] not in (DispenseStatus.TO_PREPARE, DispenseStatus.READY):
        raise NotReviewed(prescription_id=prescription_id)
    ticket_id = row["ticket_id"] or await join_window(actor, prescription_id=prescription_id)
    if ticket_id is None:
        raise NoWindowOpen(prescription_id=prescription_id)
    if await ticket_status(ticket_id) in (TicketStatus.MISSED, TicketStatus.REGISTERED):
        await rejoin_queue(actor, ticket_id=ticket_id)
    await call_ticket(actor, ticket_id=ticket_id)
    called = await mark_ready(actor, prescription_id=prescription_id)
    await emit(
        actor,
        PrescriptionReady(
            prescription_id=prescription_id,
            encounter_id=row["encounter_id"],
            person_id=row["person_id"],
            window_id=called["window_id"],
            number=called["number"],
        ),
    )
    return prescription_id


@action
async def dispense(
    actor: Actor, *, prescription_id: UUID, checks: Sequence[Check4], batches: Sequence[Batch]
) -> UUID:
    """Hand the drugs over. Orders and billing each let exactly one through: a second window, a refund at
    the same moment, find it gone."""
    row = await prescription_row(actor, prescription_id=prescription_id)
    if rules.unchecked(checks):
        raise ChecksMissing(prescription_id=prescription_id)
    lines = await _lines(prescription_id)
    if sorted(batch.line_id for batch in batches) != sorted(lines) or not all(
        batch.batch_number.strip() for batch in batches
    ):
        raise BatchesDiffer(prescription_id=prescription_id)
    today = await clock.today()
    if any(rules.is_expired(batch.expires_on, today=today) for batch in batches):
        raise BatchExpired(prescription_id=prescription_id)
    await hand_over_prescription(actor, prescription_id=prescription_id)
    await _keep(actor, row, checks, batches, lines)
    await leave_window(actor, ticket_id=row["ticket_id"])
    await emit(
        actor,
        PrescriptionDispensed(
            prescription_id=prescription_id,
            encounter_id=row["encounter_id"],
            person_id=row["person_id"],
        ),
    )
    return prescription_id


async def _lines(prescription_id: UUID) -> dict[UUID, asyncpg.Record]:
    rows = await fetch(
        "SELECT id, quantity FROM prescription_line WHERE prescription_id = $1", prescription_id
    )
    return {row["id"]: row for row in rows}


async def _keep(
    actor: Actor,
    row: asyncpg.Record,
    checks: Sequence[Check4],
    batches: Sequence[Batch],
    lines: Mapping[UUID, asyncpg.Record],
) -> None:
    dispensing_id = await fetch_value(
        "INSERT INTO dispensing (id, prescription_id, window_id, checks, dispensed_by, dispensed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        new_id(),
        row["id"],
        row["window_id"],
        sorted({str(check) for check in checks}),
        actor.id,
        await clock.now(),
    )
    for batch in batches:
        await fetch_value(
            "INSERT INTO dispensed_line (id, dispensing_id, line_id, batch_number, expires_on, quantity)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            new_id(),
            dispensing_id,
            batch.line_id,
            batch.batch_number.strip()[:40],
            batch.expires_on,
            lines[batch.line_id]["quantity"],
        )
