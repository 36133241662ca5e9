"""Queues, their day, tickets and calls. A queue belongs to a department, a doctor or a service window."""

from enum import StrEnum

from piccolo.columns import UUID, BigInt, Boolean, Date, ForeignKey, Integer, SmallInt, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.kernel.flow import Flow
from app.organization.tables import Department, Room, ServiceWindow, Staff, Zone
from app.patients.tables import Person


class QueueKind(StrEnum):
    DEPARTMENT = "department"  # ordinary visits: whichever desk of the department is free calls
    DOCTOR = "doctor"  # expert visits: only this doctor calls
    WINDOW = "window"  # a pharmacy, laboratory or cashier window


class Queue(Table, tablename="queue"):
    """A line of waiting people. `prefix` makes its numbers differ from its neighbours' in one zone."""

    id = UUID(primary_key=True)
    kind = Varchar(length=12, choices=QueueKind)
    zone_id = ForeignKey(references=Zone, null=True, default=None)
    department_id = ForeignKey(references=Department, null=True, default=None)
    staff_id = ForeignKey(references=Staff, null=True, default=None)
    window_id = ForeignKey(references=ServiceWindow, null=True, default=None)
    name = Varchar(length=60)
    prefix = Varchar(length=3)
    pattern = Varchar(length=12, default="NNRM")
    number_only = Boolean(default=False)  # the name is never called or shown

    queue_of_one = Check(
        "(kind = 'department' AND department_id IS NOT NULL AND staff_id IS NULL AND window_id IS NULL)"
        " OR (kind = 'doctor' AND department_id IS NOT NULL AND staff_id IS NOT NULL AND window_id IS NULL)"
        " OR (kind = 'window' AND window_id IS NOT NULL AND department_id IS NULL AND staff_id IS NULL)"
    )


class QueueDay(Table, tablename="queue_day"):
    """What a queue counts on one day: the last number given, the cursors, the pace. Locked by each call."""

    id = UUID(primary_key=True)
    queue_id = ForeignKey(references=Queue)
    held_on = Date()
    last_seq = Integer(default=0)
    cursor = SmallInt(default=0)  # the next place in the pattern
    swift_cursor = SmallInt(default=-1)  # the place in the NR pattern; -1: the base pattern holds
    service_s = Integer(default=0)  # moving average of one service in seconds; 0: nothing measured yet
    prior_s = Integer(default=600)  # what to expect before anything is measured

    queue_day_once = Unique(["queue_id", "held_on"])


class TicketStatus(StrEnum):
    REGISTERED = "registered"  # not checked in, or the check-in was undone
    WAITING = "waiting"
    ROOM_WAIT = "room_wait"  # sent to the room's door
    CALLED = "called"
    IN_CONSULT = "in_consult"
    OUT_FOR_TEST = "out_for_test"
    MISSED = "missed"  # called and absent; must check in again
    ABANDONED = "abandoned"  # missed three times; only the desk readmits
    DONE = "done"


class TicketList(StrEnum):
    """The lists of the interleaving rule."""

    NORMAL = "N"
    RETURN = "R"
    MISSED = "M"  # missed once, or late
    PRIORITY = "P"
    LAST = "L"  # missed twice or readmitted: when all others are empty


class PriorityClass(StrEnum):
    EMERGENCY = "emergency"
    CRITICAL = "critical"
    ELDER_80 = "elder_80"
    MILITARY = "military"
    FIRE_RESCUE = "fire_rescue"
    DISABLED = "disabled"
    PREGNANT_LATE = "pregnant_late"
    INFANT = "infant"


class Ticket(Table, tablename="ticket"):
    """One person's place in one queue on one day. Names stand here masked only."""

    id = UUID(primary_key=True)
    queue_id = ForeignKey(references=Queue)
    held_on = Date()
    seq = Integer()
    number = Varchar(length=8)
    person_id = ForeignKey(references=Person, index=True)
    masked_name = Varchar(length=40)
    subject_kind = Varchar(length=20)  # what it waits for: appointment, prescription, lab_request
    subject_id = UUID()
    encounter_id = UUID(null=True, default=None, index=True)
    room_id = ForeignKey(references=Room, null=True, default=None)  # where it is expected or was called to
    status = Varchar(length=12, choices=TicketStatus, default=TicketStatus.WAITING)
    list = Varchar(length=1, choices=TicketList, default=TicketList.NORMAL)
    order_key = BigInt()  # microseconds: smaller is called earlier within its list
    priority = Varchar(length=16, choices=PriorityClass, null=True, default=None)
    priority_reason = Varchar(length=200, default="")
    bound_staff_id = UUID(null=True, default=None)  # a return belongs to its doctor while he is at a desk
    misses = SmallInt(default=0)
    call_id = UUID(null=True, default=None)
    repeat_no = SmallInt(default=0)
    joined_at = Timestamptz()
    door_at = Timestamptz(null=True, default=None)  # when it was sent to the door
    called_at = Timestamptz(null=True, default=None)
    called_by = UUID(null=True, default=None)
    started_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)

    ticket_number_once = Unique(["queue_id", "held_on", "seq"])
    ticket_priority_needs_reason = Check("priority IS NULL OR priority_reason <> ''")


TICKET_FLOW = Flow(
    Ticket.status,
    {
        TicketStatus.REGISTERED: {TicketStatus.WAITING, TicketStatus.ABANDONED},
        TicketStatus.WAITING: {
            TicketStatus.ROOM_WAIT,
            TicketStatus.CALLED,
            TicketStatus.REGISTERED,
            TicketStatus.ABANDONED,
        },
        TicketStatus.ROOM_WAIT: {
            TicketStatus.CALLED,
            TicketStatus.WAITING,
            TicketStatus.REGISTERED,
            TicketStatus.ABANDONED,
        },
        TicketStatus.CALLED: {
            TicketStatus.IN_CONSULT,
            TicketStatus.MISSED,
            TicketStatus.ABANDONED,
            TicketStatus.WAITING,
            TicketStatus.DONE,  # a window serves and is done in one step
        },
        TicketStatus.IN_CONSULT: {TicketStatus.DONE, TicketStatus.OUT_FOR_TEST},
        TicketStatus.OUT_FOR_TEST: {TicketStatus.WAITING, TicketStatus.DONE},
        TicketStatus.MISSED: {TicketStatus.WAITING, TicketStatus.ABANDONED},
        TicketStatus.ABANDONED: {TicketStatus.WAITING},
        TicketStatus.DONE: set(),
    },
)


class TicketCall(Table, tablename="ticket_call"):
    """Every call and repeated call: who called whom, where and when."""

    id = UUID(primary_key=True)
    ticket_id = ForeignKey(references=Ticket)
    call_id = UUID()
    repeat_no = SmallInt()
    room_id = UUID(null=True, default=None)
    window_id = UUID(null=True, default=None)
    called_by = UUID(null=True, default=None)
    called_at = Timestamptz(default=TimestamptzNow())

    ticket_call_once = Unique(["call_id", "repeat_no"])


class Desk(Table, tablename="desk"):
    """Who sits in a room today and calls from there."""

    room_id = ForeignKey(references=Room, primary_key=True)
    staff_id = ForeignKey(references=Staff)
    held_on = Date()


TABLES: list[type[Table]] = [Queue, QueueDay, Ticket, TicketCall, Desk]
