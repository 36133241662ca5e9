"""Clinical orders and the loops that hang on them: payment, dispensing, report headers, critical values."""

from enum import StrEnum

from piccolo.columns import (
    UUID,
    Array,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    Numeric,
    SmallInt,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.catalog.tables import Drug, LabPanel
from app.encounters.tables import Encounter
from app.kernel.flow import Flow
from app.patients.tables import Person


class OrderKind(StrEnum):
    LAB = "lab"
    DRUG = "drug"


class OrderStatus(StrEnum):
    """The clinical side. What was paid is another matter and stands in PaymentStatus."""

    DRAFT = "draft"
    SIGNED = "signed"
    REJECTED = "rejected"  # by the pharmacist: the doctor writes a new one
    VERIFIED = "verified"  # by the pharmacist
    ACTIVE = "active"  # may be carried out
    EXECUTING = "executing"
    DONE = "done"
    STOPPED = "stopped"  # after signing, before it was carried out
    CANCELLED = "cancelled"  # never paid


class PaymentStatus(StrEnum):
    """The financial side of an order."""

    UNPAID = "unpaid"
    PAID = "paid"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


class DispenseStatus(StrEnum):
    """Where a prescription is between the doctor and the patient's hands."""

    UNPAID = "unpaid"
    TO_REVIEW = "to_review"
    TO_PREPARE = "to_prepare"
    READY = "ready"  # called to its window
    DISPENSED = "dispensed"
    RETURNED = "returned"  # the pharmacist sent it back
    CANCELLED = "cancelled"


class PrescriptionMark(StrEnum):
    """What a paper prescription shows by its colour."""

    ORDINARY = "ordinary"
    EMERGENCY = "emergency"
    PAEDIATRIC = "paediatric"
    NARCOTIC = "narcotic"
    PSYCHOTROPIC2 = "psychotropic2"
    TOXIC = "toxic"


class Frequency(StrEnum):
    ST = "st"
    QD = "qd"
    BID = "bid"
    TID = "tid"
    QID = "qid"
    QN = "qn"
    QOD = "qod"
    FIVE_A_DAY = "5id"
    Q72H = "q72h"
    QW = "qw"
    PRN = "prn"


class ControlledUse(StrEnum):
    """Why somebody may get more of a controlled drug than the ordinary limit."""

    PAIN = "pain"
    ADHD = "adhd"


class OrderSubmission(Table, tablename="order_submission"):
    """The orders a doctor signed at once: one bill."""

    id = UUID(primary_key=True)
    encounter_id = ForeignKey(references=Encounter, index=True)
    person_id = ForeignKey(references=Person)
    bill_id = UUID(null=True, default=None, unique=True)
    submitted_by = UUID()
    submitted_at = Timestamptz()


class ClinicalOrder(Table, tablename="clinical_order"):
    """One order with one content, never altered once signed."""

    id = UUID(primary_key=True)
    kind = Varchar(length=8, choices=OrderKind)
    encounter_id = ForeignKey(references=Encounter, index=True)
    person_id = ForeignKey(references=Person, index=True)
    department_id = UUID()
    title = Varchar(length=120)
    status = Varchar(length=12, choices=OrderStatus, default=OrderStatus.DRAFT)
    payment = Varchar(length=12, choices=PaymentStatus, default=PaymentStatus.UNPAID)
    submission_id = ForeignKey(references=OrderSubmission, null=True, default=None, index=True)
    charge_used = Boolean(default=False)  # carried out once: a specimen taken again is not paid again
    refund_id = UUID(null=True, default=None, index=True)  # billing's, while and after money goes back
    ordered_by = UUID()
    ordered_at = Timestamptz()
    signed_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    end_reason = Varchar(length=200, default="")

    clinical_order_signed = Check("status IN ('draft', 'cancelled') OR signed_at IS NOT NULL")
    clinical_order_paid_is_signed = Check("payment = 'unpaid' OR submission_id IS NOT NULL")


ORDER_FLOW = Flow(
    ClinicalOrder.status,
    {
        OrderStatus.DRAFT: {OrderStatus.SIGNED, OrderStatus.CANCELLED},
        OrderStatus.SIGNED: {
            OrderStatus.VERIFIED,
            OrderStatus.REJECTED,
            OrderStatus.ACTIVE,
            OrderStatus.STOPPED,
            OrderStatus.CANCELLED,
        },
        OrderStatus.VERIFIED: {OrderStatus.DONE, OrderStatus.STOPPED},
        OrderStatus.ACTIVE: {OrderStatus.EXECUTING, OrderStatus.STOPPED},
        # A rejected specimen puts its orders back to be collected again.
        OrderStatus.EXECUTING: {OrderStatus.DONE, OrderStatus.ACTIVE},
        OrderStatus.REJECTED: set(),
        OrderStatus.DONE: set(),
        OrderStatus.STOPPED: set(),
        OrderStatus.CANCELLED: set(),
    },
)

PAYMENT_FLOW = Flow(
    ClinicalOrder.payment,
    {
        PaymentStatus.UNPAID: {PaymentStatus.PAID},
        PaymentStatus.PAID: {PaymentStatus.REFUNDING},
        PaymentStatus.REFUNDING: {PaymentStatus.REFUNDED},
        PaymentStatus.REFUNDED: set(),
    },
)


class LabRequest(Table, tablename="lab_request"):
    """What a laboratory order asks for. Its id is the order's."""

    id = ForeignKey(references=ClinicalOrder, primary_key=True)
    panel_id = ForeignKey(references=LabPanel)
    item_id = UUID()
    specimen_kind = Varchar(length=20)
    container = Varchar(length=40)


class Prescription(Table, tablename="prescription"):
    """What a drug order asks for. Its id is the order's."""

    id = ForeignKey(references=ClinicalOrder, primary_key=True)
    mark = Varchar(length=16, choices=PrescriptionMark)
    emergency = Boolean(default=False)
    longer_reason = Varchar(length=200, default="")
    # The doctor's second signature under an allergy or a duplicate: who, why, against which ingredients.
    forced_reason = Varchar(length=200, default="")
    forced_by = UUID(null=True, default=None)
    forced_against = Array(base_column=Varchar(length=60), default=list)
    valid_until = Timestamptz(null=True, default=None)
    dispense = Varchar(length=12, choices=DispenseStatus, default=DispenseStatus.UNPAID)
    window_id = UUID(null=True, default=None)
    window_name = Varchar(length=60, default="")
    number = Varchar(length=12, default="")
    ticket_id = UUID(null=True, default=None)
    called_at = Timestamptz(null=True, default=None)
    dispensed_at = Timestamptz(null=True, default=None)

    prescription_forced = Check("(forced_by IS NULL) = (forced_reason = '')")


DISPENSE_FLOW = Flow(
    Prescription.dispense,
    {
        DispenseStatus.UNPAID: {DispenseStatus.TO_REVIEW, DispenseStatus.CANCELLED},
        DispenseStatus.TO_REVIEW: {
            DispenseStatus.TO_PREPARE,
            DispenseStatus.RETURNED,
            DispenseStatus.CANCELLED,
        },
        DispenseStatus.TO_PREPARE: {
            DispenseStatus.READY,
            DispenseStatus.DISPENSED,
            DispenseStatus.CANCELLED,
        },
        # READY again is the second call at the window.
        DispenseStatus.READY: {
            DispenseStatus.READY,
            DispenseStatus.DISPENSED,
            DispenseStatus.CANCELLED,
        },
        DispenseStatus.DISPENSED: set(),
        DispenseStatus.RETURNED: set(),
        DispenseStatus.CANCELLED: set(),
    },
)


class PrescriptionLine(Table, tablename="prescription_line"):
    """One drug of a prescription, as it read when it was written. Its id is the charge's source."""

    id = UUID(primary_key=True)
    # The order shares the prescription's id; piccolo cannot point at a key that itself points.
    prescription_id = ForeignKey(
        references=ClinicalOrder, index=True
    )  # piccolo cannot point at a key that points
    position = SmallInt()
    drug_id = ForeignKey(references=Drug)
    item_id = UUID()
    name = Varchar(length=120)
    spec = Varchar(length=60)
    dose = Varchar(length=40)
    route = Varchar(length=20)
    frequency = Varchar(length=8, choices=Frequency)
    days = SmallInt()
    quantity = Numeric(digits=(16, 4))
    ingredients = Array(base_column=Varchar(length=60))

    prescription_line_once = Unique(["prescription_id", "position"])
    prescription_line_days = Check("days > 0")
    prescription_line_quantity = Check("quantity > 0")


class ControlledRegistration(Table, tablename="controlled_registration"):
    """A patient on file for long use of controlled drugs (diagnosis, identity and consent were seen)."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person)
    use = Varchar(length=8, choices=ControlledUse)
    registered_by = UUID()
    registered_at = Timestamptz()
    valid_to = Date()

    controlled_registration_once = Unique(["person_id", "use"])


class ReportKind(StrEnum):
    LAB = "lab"


class ReportStatus(StrEnum):
    RELEASED = "released"
    WITHDRAWN = "withdrawn"  # being corrected: the old content is no longer shown


class Report(Table, tablename="report"):
    """The header of a released report; its content stays with the department that made it."""

    id = UUID(primary_key=True)
    kind = Varchar(length=8, choices=ReportKind)
    encounter_id = ForeignKey(references=Encounter, index=True)
    person_id = ForeignKey(references=Person, index=True)
    title = Varchar(length=120)
    version = Integer()
    corrects_id = ForeignKey(references="self", null=True, default=None)
    status = Varchar(length=12, choices=ReportStatus, default=ReportStatus.RELEASED)
    abnormal_count = Integer()
    released_by = UUID()
    released_at = Timestamptz()
    read_at = Timestamptz(null=True, default=None)  # by the patient's side, the first time


REPORT_FLOW = Flow(
    Report.status,
    {ReportStatus.RELEASED: {ReportStatus.WITHDRAWN}, ReportStatus.WITHDRAWN: set()},
)


class CriticalStatus(StrEnum):
    FLAGGED = "flagged"
    CONFIRMED = "confirmed"  # by the second person of the laboratory: the duty to tell begins
    ACKNOWLEDGED = "acknowledged"  # read back
    HANDLED = "handled"
    WITHDRAWN = "withdrawn"  # a repeat measurement did not bear it out


class CriticalValue(Table, tablename="critical_value"):
    """One dangerous result and who knows of it. One loop for one test of one report version."""

    id = UUID(primary_key=True)
    report_id = UUID(index=True)
    test_code = Varchar(length=40)
    test_name = Varchar(length=60)
    encounter_id = ForeignKey(references=Encounter)
    person_id = ForeignKey(references=Person, index=True)
    ordered_by = UUID(null=True, default=None)
    status = Varchar(length=12, choices=CriticalStatus, default=CriticalStatus.FLAGGED)
    flagged_at = Timestamptz()
    confirmed_by = UUID(null=True, default=None)
    confirmed_at = Timestamptz(null=True, default=None)
    acknowledged_by = UUID(null=True, default=None)
    acknowledged_at = Timestamptz(null=True, default=None)
    read_back = Varchar(length=40, default="")
    handled_by = UUID(null=True, default=None)
    handled_at = Timestamptz(null=True, default=None)
    handling = Text(default="")

    critical_value_once = Unique(["report_id", "test_code"])


CRITICAL_FLOW = Flow(
    CriticalValue.status,
    {
        CriticalStatus.FLAGGED: {CriticalStatus.CONFIRMED, CriticalStatus.WITHDRAWN},
        CriticalStatus.CONFIRMED: {CriticalStatus.ACKNOWLEDGED},
        CriticalStatus.ACKNOWLEDGED: {CriticalStatus.HANDLED},
        CriticalStatus.WITHDRAWN: {CriticalStatus.FLAGGED},
        CriticalStatus.HANDLED: set(),
    },
)


TABLES: list[type[Table]] = [
    OrderSubmission,
    ClinicalOrder,
    LabRequest,
    Prescription,
    PrescriptionLine,
    ControlledRegistration,
    Report,
    CriticalValue,
]
