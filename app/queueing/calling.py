"""Joining, calling, starting, missing and finishing: what moves a ticket."""

from datetime import datetime
from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action
from app.queueing.tables import PriorityClass


@action
async def department_queue(actor: Actor, *, department_id: UUID, staff_id: UUID | None = None) -> UUID:
    """The id of a department's queue, or of its doctor's; made at the first use."""
    raise NotImplementedError


@action
async def window_queue(actor: Actor, *, window_id: UUID) -> UUID:
    """The id of a service window's queue; made at the first use."""
    raise NotImplementedError


@action
async def join_queue(
    actor: Actor,
    *,
    queue_id: UUID,
    person_id: UUID,
    subject_kind: str,
    subject_id: UUID,
    encounter_id: UUID | None = None,
    room_id: UUID | None = None,
    planned_at: datetime | None = None,
    seq_no: int = 0,
    late: bool = False,
    priority: PriorityClass | None = None,
    priority_reason: str = "",
) -> UUID:
    """Give a ticket, or the one this subject has already."""
    raise NotImplementedError


@action
async def call_next(actor: Actor, *, room_id: UUID) -> UUID:
    """Call the next patient to a room, by the queue's rules. The ticket's id."""
    raise NotImplementedError


@action
async def call_next_at_window(actor: Actor, *, window_id: UUID) -> UUID:
    """Call the next ticket of a service window's queue. The ticket's id."""
    raise NotImplementedError


@action
async def call_ticket(actor: Actor, *, ticket_id: UUID) -> UUID:
    """Call one waiting ticket of a service window out of turn: what the pharmacist has ready."""
    raise NotImplementedError


@action
async def recall(actor: Actor, *, ticket_id: UUID) -> UUID:
    """Call again the ticket that is called now: the same call_id, the next repeat_no."""
    raise NotImplementedError


@action
async def finish_ticket(actor: Actor, *, ticket_id: UUID, out_for_test: bool = False) -> UUID:
    """Finish a ticket that is in consultation, or called to a service window."""
    raise NotImplementedError
