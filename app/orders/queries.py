"""Orders, prescriptions and reports as staff and patients read them."""

from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor, ActorKind
from app.kernel.database import fetch, fetch_one, query
from app.orders.critical import CriticalValueNotFound
from app.orders.placing import OrderNotFound
from app.orders.prescribing import PrescriptionNotFound
from app.orders.tables import (
    CriticalStatus,
    DispenseStatus,
    Frequency,
    OrderKind,
    OrderStatus,
    PaymentStatus,
    PrescriptionMark,
)
from app.patients.access import may_see, require_may_see
from app.patients.queries import PersonView, person_view

S = TypeVar("S", bound=msgspec.Struct)

LIST_MAX = 100

FREQUENCY_NAMES = {
    Frequency.ST: "立即一次",
    Frequency.QD: "每日一次",
    Frequency.BID: "每日两次",
    Frequency.TID: "每日三次",
    Frequency.QID: "每日四次",
    Frequency.QN: "每晚一次",
    Frequency.QOD: "隔日一次",
    Frequency.FIVE_A_DAY: "每日五次",
    Frequency.Q72H: "每三日一次",
    Frequency.QW: "每周一次",
    Frequency.PRN: "必要时",
}
MARK_NAMES = {
    PrescriptionMark.ORDINARY: "",
    PrescriptionMark.EMERGENCY: "急诊",
    PrescriptionMark.PAEDIATRIC: "儿科",
    PrescriptionMark.NARCOTIC: "麻、精一",
    PrescriptionMark.PSYCHOTROPIC2: "精二",
    PrescriptionMark.TOXIC: "毒",
}


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a visit at the doctor's desk."""

    id: UUID
    kind: OrderKind
    title: str
    status: OrderStatus
    payment: PaymentStatus
    submission_id: UUID | None
    ordered_by: UUID
    ordered_at: datetime
    signed_at: datetime | None
    end_reason: str


class SubmissionView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    encounter_id: UUID
    bill_id: UUID | None
    order_ids: list[UUID]
    submitted_at: datetime


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    spec: str
    dose: str
    route: str
    frequency: str
    days: int
    quantity: Decimal


class PrescriptionView(msgspec.Struct, frozen=True, kw_only=True):
    """A prescription as the doctor and the pharmacist see it."""

    id: UUID
    encounter_id: UUID
    person: PersonView
    mark: str
    status: OrderStatus
    payment: PaymentStatus
    dispense: DispenseStatus
    longer_reason: str
    forced_reason: str
    diagnoses: list[str]
    valid_until: datetime | None
    window_id: UUID | None
    window: str
    number: str
    end_reason: str
    lines: list[LineView]


class PatientPrescription(msgspec.Struct, frozen=True, kw_only=True):
    """The same on the phone: what to take, where to fetch it, how far it is."""

    id: UUID
    person_id: UUID
    prescribed_at: datetime | None
    state: DispenseStatus
    payment: PaymentStatus
    window: str
    number: str
    valid_until: datetime | None
    lines: list[LineView]


class ReportHeader(msgspec.Struct, frozen=True, kw_only=True):
    """That there is a report. `needs_handover`: its content waits for the doctor's word."""

    id: UUID
    person_id: UUID
    title: str
    version: int
    released_at: datetime
    read: bool
    needs_handover: bool


class CriticalValueView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    report_id: UUID
    person_id: UUID
    test_name: str
    status: CriticalStatus
    flagged_at: datetime
    confirmed_at: datetime | None
    acknowledged_at: datetime | None
    handled_at: datetime | None


@query
async def orders_of(actor: Actor, *, encounter_id: UUID) -> list[OrderView]:
    """The visit's orders, oldest first."""
    rows = await fetch(
        "SELECT * FROM clinical_order WHERE encounter_id = $1 ORDER BY id LIMIT $2", encounter_id, LIST_MAX
    )
    if rows:
        await require_may_see(actor, person_id=rows[0]["person_id"])
    return [_as(OrderView, row) for row in rows]


@query
async def order_view(actor: Actor, *, order_id: UUID) -> OrderView:
    row = await fetch_one("SELECT * FROM clinical_order WHERE id = $1", order_id)
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise OrderNotFound(order_id=order_id)
    return _as(OrderView, row)


@query
async def submission_view(actor: Actor, *, submission_id: UUID) -> SubmissionView:
    row = await fetch_one(
        "SELECT s.*, (SELECT array_agg(o.id ORDER BY o.id) FROM clinical_order o"
        " WHERE o.submission_id = s.id) AS order_ids FROM order_submission s WHERE s.id = $1",
        submission_id,
    )
    assert row is not None
    await require_may_see(actor, person_id=row["person_id"])
    return _as(SubmissionView, row)


PRESCRIPTION = (
    "SELECT p.*, o.encounter_id, o.person_id, o.status, o.payment, o.signed_at, o.end_reason,"
    " p.window_name AS window, p.dispense AS state, o.signed_at AS prescribed_at"
    " FROM prescription p JOIN clinical_order o ON o.id = p.id"
)


@query
async def prescription_view(actor: Actor, *, prescription_id: UUID) -> PrescriptionView:
    row = await fetch_one(f"{PRESCRIPTION} WHERE p.id = $1", prescription_id)
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise PrescriptionNotFound(prescription_id=prescription_id)
    return await _prescription(actor, row)


@query
async def pharmacy_queue(
    actor: Actor, *, window_id: UUID | None = None, limit: int = 50, after: UUID | None = None
) -> list[PrescriptionView]:
    """Paid prescriptions that wait, oldest first; only patients whom the asking pharmacist may see."""
    rows = await fetch(
        f"{PRESCRIPTION} WHERE p.dispense IN ('to_review', 'to_prepare', 'ready')"
        " AND ($1::uuid IS NULL OR p.window_id = $1) AND ($2::uuid IS NULL OR p.id > $2)"
        " AND jiuyi.staff_cares_for($3, o.person_id) ORDER BY p.id LIMIT $4",
        window_id,
        after,
        actor.id,
        min(limit, LIST_MAX),
    )
    return [await _prescription(actor, row) for row in rows]


async def _prescription(actor: Actor, row: asyncpg.Record) -> PrescriptionView:
    diagnoses = await fetch(
        "SELECT name FROM diagnosis WHERE encounter_id = $1 ORDER BY recorded_at, id", row["encounter_id"]
    )
    return _as(
        PrescriptionView,
        row,
        person=await person_view(actor, person_id=row["person_id"]),
        mark=MARK_NAMES[PrescriptionMark(row["mark"])],
        diagnoses=[diagnosis["name"] for diagnosis in diagnoses],
        lines=await _lines(row["id"]),
    )


async def _lines(prescription_id: UUID) -> list[LineView]:
    rows = await fetch(
        "SELECT * FROM prescription_line WHERE prescription_id = $1 ORDER BY position", prescription_id
    )
    return [_as(LineView, row, frequency=FREQUENCY_NAMES[Frequency(row["frequency"])]) for row in rows]


REPORT = (
    "SELECT o.*, o.read_at IS NOT NULL AS read, jiuyi.needs_handover(o.id) AS needs_handover FROM report o"
)

# A phone asks for one person or for all whom its account may read.
READABLE = (
    "o.person_id IN (SELECT jiuyi.persons_read_by($1))"
    " AND ($2::uuid IS NULL OR o.person_id IN (SELECT jiuyi.same_person($2)))"
    " AND ($3::uuid IS NULL OR o.id < $3)"
)


@query
async def prescriptions_for_account(
    actor: Actor, *, person_id: UUID | None = None, limit: int = 20, after: UUID | None = None
) -> list[PatientPrescription]:
    """Signed prescriptions, newest first."""
    await _require_asked(actor, person_id)
    rows = await fetch(
        f"{PRESCRIPTION} WHERE {READABLE} AND o.signed_at IS NOT NULL ORDER BY o.id DESC LIMIT $4",
        actor.id,
        person_id,
        after,
        min(limit, LIST_MAX),
    )
    return [_as(PatientPrescription, row, lines=await _lines(row["id"])) for row in rows]


@query
async def reports_for_account(
    actor: Actor, *, person_id: UUID | None = None, limit: int = 20, after: UUID | None = None
) -> list[ReportHeader]:
    """Released reports, newest first. Headers only."""
    await _require_asked(actor, person_id)
    rows = await fetch(
        f"{REPORT} WHERE {READABLE} AND o.status = 'released' ORDER BY o.id DESC LIMIT $4",
        actor.id,
        person_id,
        after,
        min(limit, LIST_MAX),
    )
    return [_as(ReportHeader, row) for row in rows]


async def _require_asked(actor: Actor, person_id: UUID | None) -> None:
    assert actor.kind is ActorKind.ACCOUNT
    if person_id is not None:
        await require_may_see(actor, person_id=person_id)


@query
async def critical_values(actor: Actor, *, limit: int = 50) -> list[CriticalValueView]:
    """Confirmed dangerous values that wait for somebody who may see their patient, oldest first."""
    rows = await fetch(
        "SELECT * FROM critical_value WHERE status IN ('confirmed', 'acknowledged')"
        " AND jiuyi.staff_cares_for($1, person_id) ORDER BY confirmed_at, id LIMIT $2",
        actor.id,
        min(limit, LIST_MAX),
    )
    return [_as(CriticalValueView, row) for row in rows]


@query
async def critical_value(actor: Actor, *, critical_value_id: UUID) -> CriticalValueView:
    row = await fetch_one("SELECT * FROM critical_value WHERE id = $1", critical_value_id)
    if row is None or not await may_see(actor, person_id=row["person_id"]):
        raise CriticalValueNotFound(critical_value_id=critical_value_id)
    return _as(CriticalValueView, row)


def _as(struct: type[S], row: asyncpg.Record, **more: object) -> S:
    """The struct's fields from the row of the same names; `more` stands for what the row has not."""
    fields = {name: row[name] for name in struct.__struct_fields__ if name not in more}
    return msgspec.convert(fields | more, struct)


@query
async def last_prescribed(actor: Actor, *, person_id: UUID) -> dict[PrescriptionMark, datetime]:
    """When the person was last given each colour of prescription. The caller has decided who may know."""
    rows = await fetch(
        "SELECT p.mark, max(o.signed_at) AS at FROM prescription p JOIN clinical_order o ON o.id = p.id"
        " WHERE o.person_id IN (SELECT jiuyi.same_person($1)) AND o.signed_at IS NOT NULL GROUP BY p.mark",
        person_id,
    )
    return {PrescriptionMark(row["mark"]): row["at"] for row in rows}
