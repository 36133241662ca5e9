"""What alerts tell, all on the urgent lane: an alert never waits behind a booking rush."""

from uuid import UUID

import msgspec

from app.kernel.events import Lane, fact


@fact(kind="alert.raised", aggregate="alert", key="alert_id", lane=Lane.URGENT)
class AlertRaised(msgspec.Struct, frozen=True, kw_only=True):
    alert_id: UUID
    ward_id: UUID | None
    department_id: UUID | None
    kind: str
    level: str
    target: str
    escalation: int = 0
    outside: bool = False


@fact(kind="alert.escalated", aggregate="alert", key="alert_id", lane=Lane.URGENT)
class AlertEscalated(msgspec.Struct, frozen=True, kw_only=True):
    """`escalation` counts them; whoever finds nobody listening hands it back to `no_listener`."""

    alert_id: UUID
    ward_id: UUID | None
    department_id: UUID | None
    kind: str
    level: str
    target: str
    escalation: int
    outside: bool


@fact(kind="alert.accepted", aggregate="alert", key="alert_id", lane=Lane.URGENT)
class AlertAccepted(msgspec.Struct, frozen=True, kw_only=True):
    alert_id: UUID
    ward_id: UUID | None
    department_id: UUID | None
    staff_id: UUID


@fact(kind="alert.handled", aggregate="alert", key="alert_id", lane=Lane.URGENT)
class AlertHandled(msgspec.Struct, frozen=True, kw_only=True):
    alert_id: UUID
    ward_id: UUID | None
    department_id: UUID | None
    staff_id: UUID


@fact(kind="alert.cancelled", aggregate="alert", key="alert_id", lane=Lane.URGENT)
class AlertCancelled(msgspec.Struct, frozen=True, kw_only=True):
    alert_id: UUID
    ward_id: UUID | None
    department_id: UUID | None
