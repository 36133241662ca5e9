"""What is charged: prices from the catalogue, one rounding per line, bills opened, ended and fulfilled."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from app.billing.tables import BillKind
from app.kernel.actor import Actor
from app.kernel.database import action


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is charged: an item of the price list, how much of it, and the row that asks for it."""

    item_id: UUID
    source_id: UUID
    quantity: Decimal = Decimal(1)


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
    raise NotImplementedError


@action
async def cancel_bill(actor: Actor, *, bill_id: UUID) -> None:
    """Give up an unpaid bill. Money that still arrives goes back by itself."""
    raise NotImplementedError


@action
async def expire_bill(actor: Actor, *, bill_id: UUID) -> bool:
    """End an unpaid bill because what it was for is gone. False where it is paid or over already.

    Money that still arrives is told as BillPaidLate.
    """
    raise NotImplementedError


@action
async def add_charge(
    actor: Actor, *, person_id: UUID, encounter_id: UUID, source_kind: str, line: Line
) -> UUID | None:
    """Charge one line to a stay, without a bill yet. None where the source was charged before."""
    raise NotImplementedError


@action
async def charge_fulfil(actor: Actor, *, source_id: UUID) -> None:
    """Take the charge of `source_id` for execution: paid (or a stay's), and not being refunded."""
    raise NotImplementedError
