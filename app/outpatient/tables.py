"""Schedules, sessions, windows, numbers, appointments, notes, and kiosk identifications."""

from enum import StrEnum

from piccolo.columns import (
    UUID,
    BigInt,
    Boolean,
    Bytea,
    Date,
    ForeignKey,
    Integer,
    SmallInt,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.catalog.tables import PricedItem
from app.encounters.tables import Encounter
from app.kernel.flow import Flow
from app.organization.tables import Campus, Department, Room, Staff
from app.patients.tables import Person


class HalfDay(StrEnum):
    MORNING = "am"
    AFTERNOON = "pm"


class VisitType(StrEnum):
    ORDINARY = "ordinary"  # waits in the department's queue
    EXPERT = "expert"  # waits in the doctor's own queue


class ScheduleTemplate(Table, tablename="schedule_template"):
    """A doctor's weekly half-day, from which dated sessions are made. Editing it changes no made session."""

    id = UUID(primary_key=True)
    campus_id = ForeignKey(references=Campus)
    department_id = ForeignKey(references=Department)
    staff_id = ForeignKey(references=Staff)
    room_id = ForeignKey(references=Room)
    weekday = SmallInt()  # ISO: Monday is 1
    half_day = Varchar(length=2, choices=HalfDay)
    visit_type = Varchar(length=12, choices=VisitType)
    item_id = ForeignKey(references=PricedItem)  # the priced consultation item
    window_minutes = SmallInt(default=30)
    window_capacity = SmallInt(default=4)
    valid_from = Date()
    valid_to = Date(null=True, default=None)

    schedule_template_once = Unique(
        ["department_id", "staff_id", "weekday", "half_day", "visit_type", "valid_from"]
    )
    schedule_template_sizes = Check("window_minutes > 0 AND window_capacity > 0 AND weekday BETWEEN 1 AND 7")


class SessionStatus(StrEnum):
    OPEN = "open"
    STOPPED = "stopped"  # the clinic does not take place
    CLOSED = "closed"  # over


class ClinicSession(Table, tablename="clinic_session"):
    """One doctor's half-day on one date."""

    id = UUID(primary_key=True)
    template_id = ForeignKey(references=ScheduleTemplate, null=True, default=None)
    campus_id = ForeignKey(references=Campus)
    department_id = ForeignKey(references=Department)
    staff_id = ForeignKey(references=Staff)
    room_id = ForeignKey(references=Room)
    held_on = Date()
    half_day = Varchar(length=2, choices=HalfDay)
    visit_type = Varchar(length=12, choices=VisitType)
    item_id = ForeignKey(references=PricedItem)
    status = Varchar(length=8, choices=SessionStatus, default=SessionStatus.OPEN)
    opens_at = Timestamptz()  # when its numbers go on sale
    starts_at = Timestamptz()
    ends_at = Timestamptz()

    clinic_session_once = Unique(["department_id", "staff_id", "held_on", "half_day", "visit_type"])
    clinic_session_order = Check("starts_at < ends_at")


SESSION_FLOW = Flow(
    ClinicSession.status,
    {
        SessionStatus.OPEN: {SessionStatus.STOPPED, SessionStatus.CLOSED},
        SessionStatus.STOPPED: set(),
        SessionStatus.CLOSED: set(),
    },
)


class SessionWindow(Table, tablename="session_window"):
    """A timed piece of a session; it has `capacity` numbers. ("window" is a reserved word of SQL.)"""

    id = UUID(primary_key=True)
    session_id = ForeignKey(references=ClinicSession, index=True)
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    capacity = SmallInt()

    session_window_once = Unique(["session_id", "starts_at"])
    session_window_sizes = Check("starts_at < ends_at AND capacity > 0")


class NumberStatus(StrEnum):
    UNRELEASED = "unreleased"
    FREE = "free"
    HELD = "held"
    BOOKED = "booked"
    RECYCLING = "recycling"  # given back; free again at a moment nobody can guess
    CONSUMED = "consumed"
    VOID = "void"  # its session was stopped


class Number(Table, tablename="number"):
    """One bookable place. It holds no patient: the live appointment points here."""

    id = UUID(primary_key=True)
    session_id = ForeignKey(references=ClinicSession, index=True)
    window_id = ForeignKey(references=SessionWindow)
    seq_no = SmallInt()
    status = Varchar(length=10, choices=NumberStatus, default=NumberStatus.UNRELEASED)
    free_at = Timestamptz()  # UNRELEASED and RECYCLING may be sold from this instant

    number_once = Unique(["session_id", "seq_no"])


NUMBER_FLOW = Flow(
    Number.status,
    {
        NumberStatus.UNRELEASED: {NumberStatus.FREE, NumberStatus.HELD, NumberStatus.VOID},
        NumberStatus.FREE: {NumberStatus.HELD, NumberStatus.VOID},
        NumberStatus.HELD: {NumberStatus.BOOKED, NumberStatus.RECYCLING, NumberStatus.VOID},
        NumberStatus.BOOKED: {NumberStatus.CONSUMED, NumberStatus.RECYCLING, NumberStatus.VOID},
        NumberStatus.RECYCLING: {NumberStatus.FREE, NumberStatus.HELD, NumberStatus.VOID},
        NumberStatus.CONSUMED: set(),
        NumberStatus.VOID: set(),
    },
)


class AppointmentStatus(StrEnum):
    HELD = "held"  # waits for its payment until expires_at
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    CLOSED_LATE_PAY = "closed_late_pay"  # paid after the place was gone; refunded


class Appointment(Table, tablename="appointment"):
    """One person's right to one number. Place, time and fee are copied: nothing changes behind it."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person)
    account_id = UUID(null=True, default=None)
    channel = Varchar(length=40)
    session_id = UUID(index=True)
    window_id = UUID()
    number_id = ForeignKey(references=Number)
    department_id = UUID()
    staff_id = UUID()
    room_id = UUID()
    visit_type = Varchar(length=12, choices=VisitType)
    held_on = Date()
    half_day = Varchar(length=2, choices=HalfDay)
    seq_no = SmallInt()
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    status = Varchar(length=16, choices=AppointmentStatus, default=AppointmentStatus.HELD)
    item_id = UUID()
    fee_fen = BigInt()
    bill_id = UUID(null=True, default=None)
    booking_code = Varchar(length=32, unique=True)  # what the QR says: random, worth one check-in
    expires_at = Timestamptz()
    encounter_id = UUID(null=True, default=None, index=True)
    ticket_id = UUID(null=True, default=None)
    held_at = Timestamptz(default=TimestamptzNow())
    booked_at = Timestamptz(null=True, default=None)
    arrived_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)

    appointment_fee = Check("fee_fen >= 0")


APPOINTMENT_FLOW = Flow(
    Appointment.status,
    {
        AppointmentStatus.HELD: {
            AppointmentStatus.BOOKED,
            AppointmentStatus.EXPIRED,
            AppointmentStatus.CANCELLED,
        },
        AppointmentStatus.BOOKED: {
            AppointmentStatus.ARRIVED,
            AppointmentStatus.CANCELLED,
            AppointmentStatus.NO_SHOW,
        },
        AppointmentStatus.ARRIVED: {AppointmentStatus.FULFILLED, AppointmentStatus.BOOKED},
        AppointmentStatus.EXPIRED: {AppointmentStatus.HELD, AppointmentStatus.CLOSED_LATE_PAY},
        AppointmentStatus.CANCELLED: {AppointmentStatus.CLOSED_LATE_PAY},
        AppointmentStatus.FULFILLED: set(),
        AppointmentStatus.NO_SHOW: set(),
        AppointmentStatus.CLOSED_LATE_PAY: set(),
    },
)


class ConsultationNote(Table, tablename="consultation_note"):
    """What the doctor wrote in one visit; each save is a new version, the newest counts."""

    id = UUID(primary_key=True)
    encounter_id = ForeignKey(references=Encounter)
    version = Integer()
    chief_complaint = Text()
    history = Text(default="")
    advice = Text(default="")
    written_by = UUID()
    written_at = Timestamptz()

    consultation_note_once = Unique(["encounter_id", "version"])


class KioskIdentification(Table, tablename="kiosk_identification"):
    """Somebody showed a card or a code at a kiosk. The token that answers is worth 90 s on this device."""

    id = UUID(primary_key=True)
    device_id = UUID()
    found = Boolean()
    token_hash = Bytea(null=True, default=None, unique=True)
    person_id = UUID(null=True, default=None)
    appointment_id = UUID(null=True, default=None)  # a booking code shows this visit only
    made_at = Timestamptz()  # wall time: it guards a secret
    expires_at = Timestamptz()


TABLES: list[type[Table]] = [
    ScheduleTemplate,
    ClinicSession,
    SessionWindow,
    Number,
    Appointment,
    ConsultationNote,
    KioskIdentification,
]
