"""The stay: admission, the bed it holds, its wristband, what it is charged by day, and its terminal."""

from enum import StrEnum

from piccolo.columns import UUID, Date, ForeignKey, Integer, Numeric, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.catalog.tables import PricedItem
from app.encounters.tables import Encounter
from app.identity.tables import Device
from app.kernel.flow import Flow
from app.organization.tables import Bed, Staff, Ward
from app.patients.tables import Person


class AdmissionStatus(StrEnum):
    IN_WARD = "in_ward"
    DISCHARGED = "discharged"


class Admission(Table, tablename="admission"):
    """One stay (住院). Its encounter carries what is charged, ordered and found."""

    id = UUID(primary_key=True)
    encounter_id = ForeignKey(references=Encounter, unique=True)
    person_id = ForeignKey(references=Person, index=True)
    admission_no = Varchar(length=20, unique=True)  # 住院号
    ward_id = ForeignKey(references=Ward, index=True)
    nurse_id = ForeignKey(references=Staff, null=True, default=None)  # 责任护士
    status = Varchar(length=12, choices=AdmissionStatus, default=AdmissionStatus.IN_WARD)
    admitted_at = Timestamptz()
    discharged_at = Timestamptz(null=True, default=None)

    admission_discharge_told = Check("(status = 'discharged') = (discharged_at IS NOT NULL)")


ADMISSION_FLOW = Flow(
    Admission.status,
    {
        AdmissionStatus.IN_WARD: {AdmissionStatus.DISCHARGED},
        AdmissionStatus.DISCHARGED: set(),
    },
)


class BedBinding(Table, tablename="bed_binding"):
    """Who lies where, from when to when. inpatient.sql excludes two in a bed and one in two beds."""

    id = UUID(primary_key=True)
    admission_id = ForeignKey(references=Admission, index=True)
    person_id = ForeignKey(references=Person)
    bed_id = ForeignKey(references=Bed)
    from_at = Timestamptz()
    to_at = Timestamptz(null=True, default=None)

    bed_binding_forward = Check("to_at IS NULL OR to_at >= from_at")


class Wristband(Table, tablename="wristband"):
    """An opaque random token around a wrist. Replacing it ends the one before."""

    id = UUID(primary_key=True)
    admission_id = ForeignKey(references=Admission, index=True)
    token_hash = Varchar(length=64, unique=True)
    qr_text = Text()  # encrypted; what a printer needs
    made_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)


class WardRate(Table, tablename="ward_rate"):
    """What every patient present at midnight is charged in this ward: the bed, the nursing."""

    id = UUID(primary_key=True)
    ward_id = ForeignKey(references=Ward)
    item_id = ForeignKey(references=PricedItem)

    ward_rate_once = Unique(["ward_id", "item_id"])


class DailyChargeKind(StrEnum):
    NIGHTLY = "nightly"
    TREATMENT = "treatment"


class DailyCharge(Table, tablename="daily_charge"):
    """What a stay owes for one day: the source of one charge in billing, which has price and amount."""

    id = UUID(primary_key=True)
    admission_id = ForeignKey(references=Admission)
    item_id = ForeignKey(references=PricedItem)
    day = Date()  # the hospital's calendar day it is for
    kind = Varchar(length=10, choices=DailyChargeKind)
    quantity = Numeric(digits=(16, 4))
    posted_by = ForeignKey(references=Staff, null=True, default=None)
    posted_at = Timestamptz()

    daily_charge_quantity_positive = Check("quantity > 0")


class BedsideSession(Table, tablename="bedside_session"):
    """A terminal opened by a wristband: for this device and this stay, until it rests."""

    id = UUID(primary_key=True)
    token_hash = Varchar(length=64, unique=True)
    device_id = ForeignKey(references=Device)
    admission_id = ForeignKey(references=Admission, index=True)
    opened_at = Timestamptz()  # these are wall time, like everything about secrets
    proved_at = Timestamptz()  # when wristband and digits were last shown: money wants that to be fresh
    expires_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)


class BedsideTries(Table, tablename="bedside_tries"):
    """How often a terminal was tried in vain since it last opened, and until when it rests from it."""

    device_id = ForeignKey(references=Device, primary_key=True)
    failures = Integer(default=0)
    paused_until = Timestamptz(null=True, default=None)


TABLES: list[type[Table]] = [
    Admission,
    BedBinding,
    Wristband,
    WardRate,
    DailyCharge,
    BedsideSession,
    BedsideTries,
]
