"""What patients ask about their own data: copies they took, corrections and deletions they asked for."""

from enum import StrEnum

from piccolo.columns import UUID, Array, Date, ForeignKey, Integer, SmallInt, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.kernel.flow import Flow
from app.patients.tables import Person


class RequestKind(StrEnum):
    CORRECTION = "correction"
    DELETION = "deletion"


class Topic(StrEnum):
    """What a request is about. `rules.TOPICS_OF` says which kind of request may name it."""

    NAME = "name"
    PHONE = "phone"
    ADDRESS = "address"
    CLINICAL = "clinical"  # what a doctor wrote or a laboratory measured
    BINDINGS = "bindings"  # which accounts act for the person, and invitations
    CONSENTS = "consents"
    MESSAGES = "messages"
    RECORDS = "records"  # the medical record, prescriptions with it
    BILLS = "bills"


class RequestStatus(StrEnum):
    RECEIVED = "received"
    ACCEPTED = "accepted"
    PARTLY = "partly"  # a part of it must stay as it is
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class DataRequest(Table, tablename="data_request"):
    """A person's wish about their data, and the hospital's answer to it."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    account_id = UUID(null=True, default=None)  # who asked; none where a window wrote it down
    staff_id = UUID(null=True, default=None)
    kind = Varchar(length=12, choices=RequestKind)
    topics = Array(base_column=Varchar(length=12))
    text = Text()  # encrypted: people write numbers into it
    wanted = Text(null=True, default=None)  # encrypted JSON: what a correction is to put right
    status = Varchar(length=12, choices=RequestStatus, default=RequestStatus.RECEIVED)
    asked_at = Timestamptz()
    due_on = Date(index=True)  # the last day to answer on
    overdue_at = Timestamptz(null=True, default=None)  # when somebody was told that nobody answers
    answer = Text(null=True, default=None)  # encrypted, for the same reason
    answered_by = UUID(null=True, default=None)
    decided_at = Timestamptz(null=True, default=None)

    data_request_one_asker = Check("num_nonnulls(account_id, staff_id) = 1")
    data_request_second_person = Check("answered_by <> staff_id")
    data_request_whole_answer = Check(
        "num_nonnulls(answered_by, decided_at) IN (0, 2)"
        " AND (answered_by IS NOT NULL) = (status IN ('accepted', 'partly', 'refused'))"
    )


REQUEST_FLOW = Flow(
    DataRequest.status,
    {
        RequestStatus.RECEIVED: {
            RequestStatus.ACCEPTED,
            RequestStatus.PARTLY,
            RequestStatus.REFUSED,
            RequestStatus.WITHDRAWN,
        },
        RequestStatus.ACCEPTED: set(),
        RequestStatus.PARTLY: set(),
        RequestStatus.REFUSED: set(),
        RequestStatus.WITHDRAWN: set(),
    },
)


class StepKind(StrEnum):
    REMOVED = "removed"
    CORRECTED = "corrected"
    FORWARDED = "forwarded"  # to the department whose doctors alone may amend it, or to the records office
    KEPT = "kept"  # the law says until when


class RequestStep(Table, tablename="data_request_step"):
    """One thing that was done, or must stay, because of one answer."""

    id = UUID(primary_key=True)
    request_id = ForeignKey(references=DataRequest)
    position = SmallInt()
    kind = Varchar(length=12, choices=StepKind)
    topic = Varchar(length=12, choices=Topic)
    text = Varchar(length=120)
    affected = Integer(default=0)  # rows that are gone or changed
    law = Varchar(length=80, default="")
    kept_until = Date(null=True, default=None)  # none with a law: it begins to count at the discharge
    department_id = UUID(null=True, default=None)

    data_request_step_once = Unique(["request_id", "position"])
    data_request_step_law = Check("(kind = 'kept') = (law <> '')")


class DataExport(Table, tablename="data_export"):
    """Somebody took a copy of a person's data, or may for a day. The copy itself is stored nowhere."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    account_id = UUID()
    asked_at = Timestamptz()
    expires_at = Timestamptz()


TABLES: list[type[Table]] = [DataRequest, RequestStep, DataExport]
