"""What is stored of an alert: the alert itself, every step of its life, and the ladder it climbs."""

from enum import StrEnum

from piccolo.columns import (
    UUID,
    Boolean,
    ForeignKey,
    Integer,
    SmallInt,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.kernel.flow import Flow
from app.organization.tables import Bed, Department, Staff, Ward
from app.patients.tables import Person


class AlertKind(StrEnum):
    NURSE_CALL = "nurse_call"
    CRITICAL_VALUE = "critical_value"
    CONTACT_LOST = "contact_lost"  # a nurse station stopped answering: a technical alarm to its ward


class AlertLevel(StrEnum):
    """How pressing it is: each level has a ladder of its own."""

    CRITICAL = "critical"
    URGENT = "urgent"
    NORMAL = "normal"


class AlertTarget(StrEnum):
    """Who must answer while the alert stands on a rung."""

    ASSIGNED = "assigned"  # the one nurse (or the doctor who ordered)
    UNIT = "unit"  # all nurses of the ward (or the department's staff)
    CHARGE_NURSE = "charge_nurse"
    DUTY_DOCTOR = "duty_doctor"


class AlertStatus(StrEnum):
    RAISED = "raised"
    DELIVERED = "delivered"  # a device has it
    DISPLAYED = "displayed"  # a screen shows it
    ACCEPTED = "accepted"  # a person has it
    HANDLED = "handled"
    CANCELLED = "cancelled"  # it has become pointless, e.g. the stay ended


class Alert(Table, tablename="alert"):
    """Something that somebody must acknowledge before its deadline, or it climbs."""

    id = UUID(primary_key=True)
    kind = Varchar(length=20, choices=AlertKind)
    level = Varchar(length=10, choices=AlertLevel)
    status = Varchar(length=10, choices=AlertStatus, default=AlertStatus.RAISED)
    ward_id = ForeignKey(references=Ward, null=True, default=None)
    department_id = ForeignKey(references=Department, null=True, default=None)  # where no ward is concerned
    bed_id = ForeignKey(references=Bed, null=True, default=None)
    person_id = ForeignKey(references=Person, null=True, default=None, index=True)
    text = Varchar(length=80)  # what the ward's screen may say: never a diagnosis or a value
    subject_id = UUID(null=True, default=None)  # the stay, report or device it speaks of
    once_key = Varchar(length=120, null=True, default=None)  # one open alert for each
    assignee_id = ForeignKey(references=Staff, null=True, default=None)  # whom it goes to first
    rung = SmallInt(default=0)
    escalations = Integer(default=0)
    raised_at = Timestamptz()
    ack_deadline = Timestamptz()
    accepted_by = ForeignKey(references=Staff, null=True, default=None)
    accepted_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)

    alert_one_unit = Check("num_nonnulls(ward_id, department_id) = 1")
    alert_accepted_by_somebody = Check(
        "status NOT IN ('accepted', 'handled') OR (accepted_by IS NOT NULL AND accepted_at IS NOT NULL)"
    )


ALERT_FLOW = Flow(
    Alert.status,
    {
        AlertStatus.RAISED: {
            AlertStatus.DELIVERED,
            AlertStatus.DISPLAYED,
            AlertStatus.ACCEPTED,
            AlertStatus.CANCELLED,
        },
        AlertStatus.DELIVERED: {AlertStatus.DISPLAYED, AlertStatus.ACCEPTED, AlertStatus.CANCELLED},
        AlertStatus.DISPLAYED: {AlertStatus.ACCEPTED, AlertStatus.CANCELLED},
        AlertStatus.ACCEPTED: {AlertStatus.HANDLED, AlertStatus.CANCELLED},
        AlertStatus.HANDLED: set(),
        AlertStatus.CANCELLED: set(),
    },
)


class AlertStepKind(StrEnum):
    RAISED = "raised"
    REPEATED = "repeated"  # raised again while it was open
    DELIVERED = "delivered"
    DISPLAYED = "displayed"
    ESCALATED = "escalated"
    ACCEPTED = "accepted"
    HANDLED = "handled"
    CANCELLED = "cancelled"


class AlertStep(Table, tablename="alert_step"):
    """One step of an alert's life, never changed: who or which device, when, on which rung."""

    id = UUID(primary_key=True)
    alert_id = ForeignKey(references=Alert, index=True)
    kind = Varchar(length=10, choices=AlertStepKind)
    at = Timestamptz()
    actor_kind = Varchar(length=12)
    actor_id = UUID(null=True, default=None)
    device_id = UUID(null=True, default=None)
    rung = SmallInt()
    escalation = Integer()
    note = Text(default="")


class AlertRung(Table, tablename="alert_rung"):
    """The ladder as data: on this rung of this level, who is told and how long they have."""

    id = UUID(primary_key=True)
    level = Varchar(length=10, choices=AlertLevel)
    rung = SmallInt()
    target = Varchar(length=16, choices=AlertTarget)
    wait_seconds = Integer()
    outside = Boolean(default=False)  # also by telephone or SMS

    alert_rung_once = Unique(["level", "rung"])
    alert_rung_waits = Check("wait_seconds BETWEEN 10 AND 3600")


TABLES: list[type[Table]] = [Alert, AlertStep, AlertRung]
