"""Standing in line at a pharmacy window: from the payment to the hand-over, or until it is off."""

from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_value
from app.kernel.events import Event
from app.orders.events import OrdersPaid, OrderStopped
from app.orders.executing import assign_window, prescription_row
from app.organization.queries import windows_of
from app.organization.tables import WindowKind
from app.pharmacy.rules import WindowLoad, window_for
from app.queueing.calling import finish_ticket
from app.queueing.joining import join_queue, undo_check_in
from app.queueing.queues import window_queue
from app.queueing.tables import TicketStatus

SUBJECT = "prescription"


async def queue_when_paid(actor: Actor, fact: OrdersPaid, event: Event) -> None:
    """The patient's way is known the moment the money is there: which window, which number."""
    rows = await fetch(
        "SELECT p.id FROM prescription p JOIN clinical_order o ON o.id = p.id"
        " WHERE o.submission_id = $1 AND p.dispense = 'to_review' AND p.window_id IS NULL ORDER BY p.id",
        fact.submission_id,
    )
    for row in rows:
        await join_window(actor, prescription_id=row["id"])


@action
async def join_window(actor: Actor, *, prescription_id: UUID, window_id: UUID | None = None) -> UUID | None:
    """Stand in line at the given window or at the one the rule picks. None where no window is open."""
    row = await prescription_row(actor, prescription_id=prescription_id)
    loads = await _loads(actor, row["person_id"])
    window = window_for([w for w in loads if window_id in (None, w.window_id)])
    if window is None:
        return None
    queue_id = await window_queue(actor, window_id=window.window_id)
    ticket_id = await join_queue(
        actor,
        queue_id=queue_id,
        person_id=row["person_id"],
        subject_kind=SUBJECT,
        subject_id=prescription_id,
        encounter_id=row["encounter_id"],
    )
    number = await fetch_value("SELECT number FROM ticket WHERE id = $1", ticket_id)
    await assign_window(
        actor,
        prescription_id=prescription_id,
        window_id=window.window_id,
        window_name=window.name,
        number=number,
        ticket_id=ticket_id,
    )
    return ticket_id


async def _loads(actor: Actor, person_id: UUID) -> list[WindowLoad]:
    windows = await windows_of(actor, kind=WindowKind.PHARMACY)
    rows = await fetch("SELECT * FROM jiuyi.window_loads($1)", person_id)
    load = {row["window_id"]: row for row in rows}
    return [
        WindowLoad(
            window_id=window.id,
            name=window.name,
            waiting=load[window.id]["waiting"] if window.id in load else 0,
            has_patient=window.id in load and load[window.id]["has_patient"],
        )
        for window in windows
    ]


async def leave_when_stopped(actor: Actor, fact: OrderStopped, event: Event) -> None:
    """Its order was stopped: nobody waits for it any more."""
    ticket_id = await fetch_value("SELECT ticket_id FROM prescription WHERE id = $1", fact.order_id)
    await leave_window(actor, ticket_id=ticket_id)


@action
async def leave_window(actor: Actor, *, ticket_id: UUID | None) -> None:
    """Served, or waited for no longer: either way the number leaves the board."""
    if ticket_id is None:
        return
    status = await ticket_status(ticket_id)
    if status in (TicketStatus.CALLED, TicketStatus.IN_CONSULT):
        await finish_ticket(actor, ticket_id=ticket_id)
    elif status == TicketStatus.WAITING:
        await undo_check_in(actor, ticket_id=ticket_id)


async def ticket_status(ticket_id: UUID) -> str | None:
    return await fetch_value("SELECT status FROM ticket WHERE id = $1 FOR UPDATE", ticket_id)
