"""What a stay's screens show: the ward's list, the bed's terminal, the day's fees and the deposit."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec

from app.billing.deposits import deposit_balance
from app.inpatient.stays import StayNotFound
from app.inpatient.wristbands import wristband_text
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_one, fetch_value, query
from app.kernel.http import PAGE_MAX
from app.kernel.money import yuan
from app.patients.access import require_may_see
from app.patients.masking import Audience, name_for

RECEIPTS_MAX = 50

CATEGORIES = {
    "consultation": "诊察费",
    "lab": "检验费",
    "drug": "药品费",
    "bed": "床位费",
    "nursing": "护理费",
    "treatment": "治疗费",
    "material": "材料费",
}


class StayView(msgspec.Struct, frozen=True, kw_only=True):
    """A stay as its staff read it."""

    admission_id: UUID
    encounter_id: UUID
    person_id: UUID
    admission_no: str
    masked_name: str
    ward_id: UUID
    ward: str
    bed_id: UUID | None
    bed: str | None
    nurse: str | None
    status: str
    admitted_at: datetime
    discharged_at: datetime | None


class BedsideView(msgspec.Struct, frozen=True, kw_only=True):
    """A stay as its own bed's terminal shows it: the name is masked, there is no diagnosis."""

    masked_name: str
    admission_no: str
    ward: str
    bed: str
    admitted_on: date


class FeeLine(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    item: str
    category: str
    unit: str
    quantity: Decimal
    unit_price_micro_yuan: int
    amount_fen: int
    amount_yuan: str


class FeesOfDay(msgspec.Struct, frozen=True, kw_only=True):
    """The day's list; `total_fen` is the day's, `stay_total_fen` the stay's up to and with this day."""

    day: date
    lines: list[FeeLine]
    next: UUID | None  # what to pass as `after` for the next page
    total_fen: int
    stay_total_fen: int
    deposit_balance_fen: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    amount_fen: int
    method: str | None
    received_at: datetime


class DepositView(msgspec.Struct, frozen=True, kw_only=True):
    balance_fen: int
    charged_fen: int
    available_fen: int  # balance less what the stay was charged; below 0 it owes
    receipts: list[Receipt]  # newest first


STAY = (
    "SELECT a.id AS admission_id, a.encounter_id, a.person_id, a.admission_no, p.name, a.ward_id,"
    " w.name AS ward, b.bed_id, bed.label AS bed, s.name AS nurse, a.status, a.admitted_at, a.discharged_at"
    " FROM admission a JOIN person p ON p.id = a.person_id JOIN ward w ON w.id = a.ward_id"
    " LEFT JOIN bed_binding b ON b.admission_id = a.id AND b.to_at IS NULL"
    " LEFT JOIN bed ON bed.id = b.bed_id LEFT JOIN staff s ON s.id = a.nurse_id"
)


@query
async def stay_view(actor: Actor, *, admission_id: UUID) -> StayView:
    return _stay(await _stay_row(actor, admission_id))


async def _stay_row(actor: Actor, admission_id: UUID) -> asyncpg.Record:
    row = await fetch_one(f"{STAY} WHERE a.id = $1", admission_id)
    if row is None:
        raise StayNotFound(admission_id=admission_id)
    await require_may_see(actor, person_id=row["person_id"])
    return row


@query
async def stays_of_ward(actor: Actor, *, ward_id: UUID, limit: int, after: UUID | None) -> list[StayView]:
    """Who lies in the ward now; those whom the asker may not see are left out."""
    rows = await fetch(
        f"{STAY} WHERE a.ward_id = $1 AND a.status = 'in_ward' AND ($2::uuid IS NULL OR a.id > $2)"
        " AND jiuyi.staff_cares_for($3, a.person_id) ORDER BY a.id LIMIT $4",
        ward_id,
        after,
        actor.id,
        min(limit, PAGE_MAX),
    )
    return [_stay(row) for row in rows]


def _stay(row: asyncpg.Record) -> StayView:
    values = dict(row)
    return StayView(masked_name=name_for(Audience.STAFF_BOARD, values.pop("name")), **values)


@query
async def stay_wristband(actor: Actor, *, admission_id: UUID) -> str:
    """The wristband's QR text for a printer, for staff who may see the patient."""
    await stay_view(actor, admission_id=admission_id)
    return await wristband_text(actor, admission_id=admission_id)


@query
async def bedside_view(actor: Actor, *, admission_id: UUID) -> BedsideView:
    row = await _stay_row(actor, admission_id)
    return BedsideView(
        masked_name=name_for(Audience.DISPLAY, row["name"]),
        admission_no=row["admission_no"],
        ward=row["ward"],
        bed=row["bed"] or "",
        admitted_on=clock.local_day(row["admitted_at"]),
    )


# A night's charge is posted after its midnight and still belongs to its day; everything else to the
# day it was charged on.
FEES = (
    "SELECT c.id, c.name AS item, i.kind, i.unit, c.quantity, c.unit_price_micro_yuan, c.amount_fen,"
    " coalesce(d.day, (c.charged_at AT TIME ZONE 'Asia/Shanghai')::date) AS day"
    " FROM charge c JOIN priced_item i ON i.id = c.item_id"
    " LEFT JOIN daily_charge d ON d.id = c.source_id"
    " WHERE c.encounter_id = $1 AND c.fulfilment IN ('pending', 'fulfilled')"
)


@query
async def fees_of_day(
    actor: Actor,
    *,
    encounter_id: UUID,
    day: date | None = None,
    limit: int = PAGE_MAX,
    after: UUID | None = None,
) -> FeesOfDay:
    """What the stay was charged for one day of the hospital's calendar, today by default."""
    await _require_stay(actor, encounter_id)
    day = day or await clock.today()
    limit = max(1, min(limit, PAGE_MAX))
    rows = await fetch(
        f"SELECT * FROM ({FEES}) fee WHERE day = $2 AND ($3::uuid IS NULL OR id > $3)"  # noqa: S608 - a constant
        " ORDER BY id LIMIT $4",
        encounter_id,
        day,
        after,
        limit + 1,
    )
    totals = await fetch_one(
        "SELECT coalesce(sum(amount_fen) FILTER (WHERE day = $2), 0)::bigint AS total_fen,"  # noqa: S608 - a constant
        f" coalesce(sum(amount_fen), 0)::bigint AS stay_total_fen FROM ({FEES}) fee WHERE day <= $2",
        encounter_id,
        day,
    )
    assert totals is not None
    return FeesOfDay(
        day=day,
        lines=[_fee(row) for row in rows[:limit]],
        next=rows[limit - 1]["id"] if len(rows) > limit else None,
        total_fen=totals["total_fen"],
        stay_total_fen=totals["stay_total_fen"],
        deposit_balance_fen=await deposit_balance(actor, encounter_id=encounter_id),
    )


def _fee(row: asyncpg.Record) -> FeeLine:
    return FeeLine(
        id=row["id"],
        item=row["item"],
        category=CATEGORIES[row["kind"]],
        unit=row["unit"],
        quantity=row["quantity"],
        unit_price_micro_yuan=row["unit_price_micro_yuan"],
        amount_fen=row["amount_fen"],
        amount_yuan=yuan(row["amount_fen"]),
    )


@query
async def deposit_of_stay(actor: Actor, *, encounter_id: UUID) -> DepositView:
    await _require_stay(actor, encounter_id)
    balance_fen = await deposit_balance(actor, encounter_id=encounter_id)
    charged = await fetch_one(
        f"SELECT coalesce(sum(amount_fen), 0)::bigint AS fen FROM ({FEES}) fee",  # noqa: S608 - a constant
        encounter_id,
    )
    assert charged is not None
    rows = await fetch(
        "SELECT r.id, r.amount_fen, t.method, r.received_at FROM deposit_receipt r"
        " LEFT JOIN attempt t ON t.id = r.attempt_id WHERE r.encounter_id = $1"
        " ORDER BY r.received_at DESC, r.id DESC LIMIT $2",
        encounter_id,
        RECEIPTS_MAX,
    )
    return DepositView(
        balance_fen=balance_fen,
        charged_fen=charged["fen"],
        available_fen=balance_fen - charged["fen"],
        receipts=[Receipt(**dict(row)) for row in rows],
    )


async def _require_stay(actor: Actor, encounter_id: UUID) -> None:
    row = await fetch_one("SELECT person_id FROM admission WHERE encounter_id = $1", encounter_id)
    if row is None:
        raise StayNotFound(encounter_id=encounter_id)
    await require_may_see(actor, person_id=row["person_id"])


@query
async def bed_of_stay(actor: Actor, *, encounter_id: UUID) -> UUID | None:
    """The bed where the stay's patient lies now; None once discharged. For the bed's terminal."""
    return await fetch_value(
        "SELECT b.bed_id FROM bed_binding b JOIN admission a ON a.id = b.admission_id"
        " WHERE a.encounter_id = $1 AND b.to_at IS NULL",
        encounter_id,
    )
