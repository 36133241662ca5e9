"""Bills and payments as screens need them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from app.billing.tables import AttemptStatus, BillKind, BillStatus, ChannelName, Fulfilment, PayMethod
from app.kernel.actor import Actor
from app.kernel.database import query


class ChargeView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    source_id: UUID
    name: str
    quantity: Decimal
    unit_price_micro_yuan: int
    amount_fen: int
    fulfilment: Fulfilment
    charged_at: datetime


class BillView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    kind: BillKind
    subject_kind: str
    subject_id: UUID
    status: BillStatus
    amount_fen: int
    refunded_fen: int
    expires_at: datetime | None
    opened_at: datetime
    paid_at: datetime | None
    lines: list[ChargeView]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    bill_id: UUID
    status: AttemptStatus
    channel: ChannelName
    method: PayMethod
    amount_fen: int
    expires_at: datetime
    code_url: str | None
    pay_params: dict[str, Any] | None


@query
async def bill_view(actor: Actor, *, bill_id: UUID) -> BillView:
    raise NotImplementedError


@query
async def attempt_view(actor: Actor, *, attempt_id: UUID) -> AttemptView:
    raise NotImplementedError


@query
async def stay_charges(actor: Actor, *, encounter_id: UUID) -> list[ChargeView]:
    """Everything charged to a stay, newest first; the caller picks its day by `charged_at`."""
    raise NotImplementedError
