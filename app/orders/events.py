"""What orders tell. Ids only: what was ordered or found is fetched by who may see it."""

from uuid import UUID

import msgspec

from app.kernel.events import Lane, fact


@fact(kind="orders.submitted", aggregate="order_submission", key="submission_id")
class OrdersSubmitted(msgspec.Struct, frozen=True):
    submission_id: UUID
    encounter_id: UUID
    person_id: UUID
    bill_id: UUID


@fact(kind="orders.paid", aggregate="order_submission", key="submission_id")
class OrdersPaid(msgspec.Struct, frozen=True):
    """The orders of a submission may be carried out."""

    submission_id: UUID
    encounter_id: UUID
    person_id: UUID


@fact(kind="order.stopped", aggregate="clinical_order", key="order_id")
class OrderStopped(msgspec.Struct, frozen=True):
    order_id: UUID
    encounter_id: UUID
    person_id: UUID


@fact(kind="report.read", aggregate="report", key="report_id")
class ReportRead(msgspec.Struct, frozen=True):
    """The patient's side opened a report for the first time."""

    report_id: UUID
    person_id: UUID


@fact(kind="critical_value.confirmed", aggregate="critical_value", key="critical_value_id", lane=Lane.URGENT)
class CriticalValueConfirmed(msgspec.Struct, frozen=True):
    critical_value_id: UUID
    report_id: UUID
    encounter_id: UUID
    person_id: UUID
    ordered_by: UUID | None


@fact(
    kind="critical_value.acknowledged", aggregate="critical_value", key="critical_value_id", lane=Lane.URGENT
)
class CriticalValueAcknowledged(msgspec.Struct, frozen=True):
    critical_value_id: UUID
    report_id: UUID
    person_id: UUID
