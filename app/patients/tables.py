"""Persons, who may act for them, and who cares for them."""

from enum import StrEnum

from piccolo.columns import UUID, Array, Boolean, Date, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check, Unique
from piccolo.table import Table


class Sex(StrEnum):
    """GB/T 2261.1. Not the 0 = female of some vendors."""

    UNKNOWN = "0"
    MALE = "1"
    FEMALE = "2"
    NOT_STATED = "9"


class IdKind(StrEnum):
    """CV02.01.101, as far as we check the number's form; a newborn has none yet."""

    ID_CARD = "01"
    NONE = "00"


class NoIdReason(StrEnum):
    NEWBORN = "NEWBORN"


class Scope(StrEnum):
    """What a binding lets its account do for the person."""

    BOOK = "book"
    PAY = "pay"
    READ = "read"


class CareReason(StrEnum):
    CHECK_IN = "check_in"
    CONSULTATION = "consultation"
    ADMISSION = "admission"
    TRANSFER = "transfer"
    ORDER = "order"
    DISPENSING = "dispensing"
    TERMINAL = "terminal"


class Person(Table, tablename="person"):
    """A human being, once. Identifiers are encrypted and found by blind index."""

    id = UUID(primary_key=True)
    name = Varchar(length=60)
    sex = Varchar(length=1, choices=Sex)
    born_on = Date()
    id_kind = Varchar(length=2, choices=IdKind)
    id_number = Text(null=True, default=None)
    id_number_index = Varchar(length=80, null=True, default=None, unique=True)
    no_id_reason = Varchar(length=12, null=True, default=None, choices=NoIdReason)
    phone = Text(null=True, default=None)
    phone_index = Varchar(length=80, null=True, default=None, index=True)
    created_at = Timestamptz(default=TimestamptzNow())

    person_number_or_reason = Check("(id_number_index IS NULL) = (no_id_reason IS NOT NULL)")
    person_number_whole = Check("(id_number IS NULL) = (id_number_index IS NULL)")


class PersonLink(Table, tablename="person_link"):
    """A duplicate and the row that speaks for both. Resolved on read, removable, nothing re-pointed."""

    duplicate_id = ForeignKey(references=Person, primary_key=True)
    survivor_id = ForeignKey(references=Person, index=True)
    linked_at = Timestamptz(default=TimestamptzNow())

    person_link_two = Check("duplicate_id <> survivor_id")


class Binding(Table, tablename="binding"):
    """An account may act for a person (就诊人), within scopes and time."""

    id = UUID(primary_key=True)
    account_id = UUID()
    person_id = ForeignKey(references=Person, index=True)
    relation = Varchar(length=2)  # GB/T 4761 from the account's owner to the person; 0 is the owner
    guardian = Boolean(default=False)
    scopes = Array(base_column=Varchar(length=8))
    valid_from = Timestamptz(default=TimestamptzNow())
    valid_to = Timestamptz(null=True, default=None)

    binding_once = Unique(["account_id", "person_id"])


class CareRelation(Table, tablename="care_relation"):
    """Why somebody may see a person: exactly one of a staff member, a department, a ward, a device."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    staff_id = UUID(null=True, default=None)
    department_id = UUID(null=True, default=None)
    ward_id = UUID(null=True, default=None)
    device_id = UUID(null=True, default=None)
    reason = Varchar(length=16, choices=CareReason)
    valid_from = Timestamptz()
    valid_to = Timestamptz(null=True, default=None)

    care_relation_one_carer = Check("num_nonnulls(staff_id, department_id, ward_id, device_id) = 1")


class Allergy(Table, tablename="allergy"):
    """`substance` is an ingredient code of the drug catalog."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person)
    substance = Varchar(length=60)
    substance_name = Varchar(length=60)
    reaction = Varchar(length=120, default="")
    recorded_at = Timestamptz(default=TimestamptzNow())

    allergy_once = Unique(["person_id", "substance"])


TABLES: list[type[Table]] = [Person, PersonLink, Binding, CareRelation, Allergy]
