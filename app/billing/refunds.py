"""Money back: asked once, submitted until known, and shown as done only when the channel says so."""

from collections.abc import Sequence
from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action


@action
async def request_refund(
    actor: Actor, *, bill_id: UUID, source_ids: Sequence[UUID] | None = None
) -> UUID | None:
    """Refund a paid bill, whole or the charges of `source_ids`. Nothing fulfilled goes back.

    Returns the refund, or None where nothing was paid for it (a bill of 0).
    """
    raise NotImplementedError
