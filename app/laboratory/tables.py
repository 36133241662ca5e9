"""Tubes, what was measured in them, and the reports made of it."""

from enum import StrEnum

from piccolo.columns import (
    UUID,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    Numeric,
    SmallInt,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.catalog.tables import LabTest
from app.encounters.tables import Encounter
from app.kernel.flow import Flow
from app.orders.tables import ClinicalOrder
from app.patients.tables import Person


class SpecimenStatus(StrEnum):
    LABELLED = "labelled"
    COLLECTED = "collected"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    REJECTED = "rejected"
    RESULTED = "resulted"  # every test that was asked has a value
    VERIFIED = "verified"
    RELEASED = "released"
    DISCARDED = "discarded"  # labelled, and its orders were stopped before it was taken


class RejectReason(StrEnum):
    """Each is a national quality indicator too."""

    WRONG_TYPE = "wrong_type"
    WRONG_CONTAINER = "wrong_container"
    WRONG_VOLUME = "wrong_volume"
    CLOTTED = "clotted"
    CONTAMINATED = "contaminated"
    LABEL_ERROR = "label_error"
    HAEMOLYSIS = "haemolysis"


class ResultFlag(StrEnum):
    NORMAL = "N"
    HIGH = "H"
    LOW = "L"
    CRITICAL_HIGH = "HH"
    CRITICAL_LOW = "LL"


class LabReportStatus(StrEnum):
    ENTERED = "entered"
    VERIFIED = "verified"
    RELEASED = "released"
    CORRECTED = "corrected"  # a newer version was begun


class QcState(StrEnum):
    IN = "in"
    OUT = "out"
    NONE = "none"


class Specimen(Table, tablename="specimen"):
    """One tube under one barcode; all orders of a visit with its container and kind share it."""

    id = UUID(primary_key=True)
    barcode = Varchar(length=12, unique=True)
    encounter_id = ForeignKey(references=Encounter, index=True)
    person_id = ForeignKey(references=Person, index=True)
    specimen_kind = Varchar(length=20)
    container = Varchar(length=40)
    status = Varchar(length=12, choices=SpecimenStatus, default=SpecimenStatus.LABELLED)
    attempt = SmallInt(default=1)
    recollects_id = ForeignKey(references="self", null=True, default=None, unique=True)
    labelled_by = UUID()
    labelled_at = Timestamptz()
    collected_by = UUID(null=True, default=None)
    collected_at = Timestamptz(null=True, default=None)
    sent_at = Timestamptz(null=True, default=None)
    received_by = UUID(null=True, default=None)
    received_at = Timestamptz(null=True, default=None)
    rejected_by = UUID(null=True, default=None)
    rejected_at = Timestamptz(null=True, default=None)
    reject_reason = Varchar(length=20, null=True, default=None, choices=RejectReason)

    specimen_attempt = Check("(attempt = 1) = (recollects_id IS NULL)")


SPECIMEN_FLOW = Flow(
    Specimen.status,
    {
        SpecimenStatus.LABELLED: {SpecimenStatus.COLLECTED, SpecimenStatus.DISCARDED},
        SpecimenStatus.COLLECTED: {
            SpecimenStatus.IN_TRANSIT,
            SpecimenStatus.RECEIVED,
            SpecimenStatus.REJECTED,
        },
        SpecimenStatus.IN_TRANSIT: {SpecimenStatus.RECEIVED, SpecimenStatus.REJECTED},
        SpecimenStatus.RECEIVED: {SpecimenStatus.RESULTED, SpecimenStatus.REJECTED},
        SpecimenStatus.RESULTED: {SpecimenStatus.VERIFIED},
        SpecimenStatus.VERIFIED: {SpecimenStatus.RELEASED},
        SpecimenStatus.RELEASED: set(),
        SpecimenStatus.REJECTED: set(),
        SpecimenStatus.DISCARDED: set(),
    },
)


class SpecimenOrder(Table, tablename="specimen_order"):
    """Which orders a tube serves. `live` ends with the tube, so that the order may get another."""

    id = UUID(primary_key=True)
    specimen_id = ForeignKey(references=Specimen, index=True)
    order_id = ForeignKey(references=ClinicalOrder)  # one live tube each: specimen_order_live
    live = Boolean(default=True)

    specimen_order_once = Unique(["specimen_id", "order_id"])


class AnalyserMessage(Table, tablename="analyser_message"):
    """What an analyser sent, by its own number: sent again it changes nothing."""

    id = UUID(primary_key=True)
    analyser = Varchar(length=40)
    message_id = Varchar(length=64)
    specimen_id = ForeignKey(references=Specimen)
    content_hash = Varchar(length=64)
    received_at = Timestamptz()

    analyser_message_once = Unique(["analyser", "message_id"])


class LabReport(Table, tablename="lab_report"):
    """One version of a tube's report. A released version is never edited: the next one corrects it."""

    id = UUID(primary_key=True)
    specimen_id = ForeignKey(references=Specimen)
    version = Integer()
    corrects_id = ForeignKey(references="self", null=True, default=None, unique=True)
    correction_reason = Varchar(length=200, default="")
    title = Varchar(length=120)
    status = Varchar(length=12, choices=LabReportStatus, default=LabReportStatus.ENTERED)
    entered_at = Timestamptz()
    verified_by = UUID(null=True, default=None)
    verified_at = Timestamptz(null=True, default=None)
    released_by = UUID(null=True, default=None)
    released_at = Timestamptz(null=True, default=None)

    lab_report_once = Unique(["specimen_id", "version"])
    lab_report_correction = Check("(version = 1) = (corrects_id IS NULL)")


LAB_REPORT_FLOW = Flow(
    LabReport.status,
    {
        LabReportStatus.ENTERED: {LabReportStatus.VERIFIED},
        LabReportStatus.VERIFIED: {LabReportStatus.RELEASED},
        LabReportStatus.RELEASED: {LabReportStatus.CORRECTED},
        LabReportStatus.CORRECTED: set(),
    },
)


class LabResult(Table, tablename="lab_result"):
    """One value with the range it was judged by: ranges change, a result keeps its own."""

    id = UUID(primary_key=True)
    report_id = ForeignKey(references=LabReport, index=True)
    test_id = ForeignKey(references=LabTest)
    position = Integer()
    code = Varchar(length=40)
    name = Varchar(length=60)
    unit = Varchar(length=20)
    value = Varchar(length=40)  # as the analyser wrote it: "5.60", "<0.01", "阴性"
    number = Numeric(null=True, default=None)
    low = Numeric(null=True, default=None)
    high = Numeric(null=True, default=None)
    critical_low = Numeric(null=True, default=None)
    critical_high = Numeric(null=True, default=None)
    flag = Varchar(length=2, choices=ResultFlag)
    analyser = Varchar(length=40)
    entered_by = UUID(null=True, default=None)
    entered_at = Timestamptz()

    lab_result_once = Unique(["report_id", "test_id"])


class AnalyzerTestQc(Table, tablename="analyzer_test_qc"):
    """A day's quality control of one test on one analyser. `out` stops every report that used it."""

    id = UUID(primary_key=True)
    analyser = Varchar(length=40)
    test_code = Varchar(length=40)
    on_day = Date()
    state = Varchar(length=4, choices=QcState)
    recorded_by = UUID()
    recorded_at = Timestamptz()

    analyzer_test_qc_once = Unique(["analyser", "test_code", "on_day"])


TABLES: list[type[Table]] = [
    Specimen,
    SpecimenOrder,
    AnalyserMessage,
    LabReport,
    LabResult,
    AnalyzerTestQc,
]
