"""Persons, who may act for them, and who cares for them."""

from enum import StrEnum

from piccolo.columns import UUID, Array, Boolean, Date, ForeignKey, SmallInt, Text, Timestamptz, Varchar
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


class Proof(StrEnum):
    """What an account showed to be bound; `rules.scopes_of` says what each is worth."""

    ID_AND_NAME = "id_and_name"  # knows both: that is little
    PHONE = "phone"  # also knows the number on file
    GUARDIAN = "guardian"  # a grown-up, for a minor
    WINDOW = "window"  # the person stood at a window with the card
    GRANTED = "granted"  # the person's own invitation


class ConsentCode(StrEnum):
    PRIVACY = "privacy"
    SENSITIVE_HEALTH = "sensitive_health"
    MINORS = "minors"  # given by a guardian for who is under 14
    FAMILY_SHARING = "family_sharing"
    RESEARCH = "research"


class Verdict(StrEnum):
    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"


class BreakGlassReason(StrEnum):
    EMERGENCY = "emergency"  # life is in danger
    UNCONSCIOUS = "unconscious"  # cannot say who treats them
    CONSULTATION = "consultation"  # asked for advice by a colleague
    COVER = "cover"  # stands in for who is away


class CareReason(StrEnum):
    CHECK_IN = "check_in"
    CONSULTATION = "consultation"
    ADMISSION = "admission"
    TRANSFER = "transfer"
    ORDER = "order"
    DISPENSING = "dispensing"
    TERMINAL = "terminal"
    BREAK_GLASS = "break_glass"


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
    address = Text(null=True, default=None)  # encrypted; nobody searches by it
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
    proof = Varchar(length=12, choices=Proof, default=Proof.ID_AND_NAME)
    scopes = Array(base_column=Varchar(length=8))
    valid_from = Timestamptz(default=TimestamptzNow())
    valid_to = Timestamptz(null=True, default=None)
    read_until = Timestamptz(null=True, default=None)  # a guardian reads until the person comes of age
    majority_told_at = Timestamptz(null=True, default=None)

    binding_once = Unique(["account_id", "person_id"])


class Invitation(Table, tablename="invitation"):
    """A person's word that whoever brings the code may act for them. Once, within a day."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    account_id = UUID(null=True, default=None)  # who invites; none where a window did
    staff_id = UUID(null=True, default=None)
    code = Text()  # encrypted: the inviter may look at it again
    code_index = Varchar(length=80, unique=True)
    scopes = Array(base_column=Varchar(length=8))
    ends_at = Timestamptz()  # of what is granted
    created_at = Timestamptz()
    expires_at = Timestamptz()  # of the code
    accepted_by = UUID(null=True, default=None)
    accepted_at = Timestamptz(null=True, default=None)
    withdrawn_at = Timestamptz(null=True, default=None)

    invitation_one_inviter = Check("num_nonnulls(account_id, staff_id) = 1")
    invitation_not_to_oneself = Check("accepted_by <> account_id")
    invitation_ends_once = Check("accepted_at IS NULL OR withdrawn_at IS NULL")


class ConsentDocument(Table, tablename="consent_document"):
    """One version of one text. A text that anybody has agreed to is not changed: it gets a successor."""

    id = UUID(primary_key=True)
    code = Varchar(length=20, choices=ConsentCode)
    version = SmallInt()
    title = Varchar(length=60)
    purpose = Varchar(length=200)
    text = Text()
    effective_from = Timestamptz()
    grace_days = SmallInt(default=0)  # how long the version before still counts
    needed_to_read = Boolean(default=False)  # nobody sees results of who has not agreed
    under_age = SmallInt(null=True, default=None)  # needed only for persons younger than this

    consent_document_once = Unique(["code", "version"])


class Consent(Table, tablename="consent"):
    """A person's agreement to one version of a document: who gave it, when, and when it was taken back."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    code = Varchar(length=20, choices=ConsentCode)
    version = SmallInt()
    account_id = UUID()
    by_guardian = Boolean(default=False)
    given_at = Timestamptz()
    valid_to = Timestamptz(null=True, default=None)  # a guardian's word holds until the person is of age
    withdrawn_at = Timestamptz(null=True, default=None)
    withdrawn_by = UUID(null=True, default=None)


class BreakGlass(Table, tablename="break_glass"):
    """A staff member looked at somebody whom no relation led to: why, until when, and what came of it."""

    id = UUID(primary_key=True)
    person_id = ForeignKey(references=Person, index=True)
    staff_id = UUID(index=True)
    reason = Varchar(length=16, choices=BreakGlassReason)
    explanation = Varchar(length=200)
    opened_at = Timestamptz()
    ends_at = Timestamptz()
    review_by = Timestamptz(index=True)
    overdue_at = Timestamptz(null=True, default=None)  # when somebody was told that nobody reviews it
    reviewed_by = UUID(null=True, default=None)
    verdict = Varchar(length=12, null=True, default=None, choices=Verdict)
    note = Varchar(length=200, default="")
    reviewed_at = Timestamptz(null=True, default=None)

    break_glass_second_person = Check("reviewed_by <> staff_id")
    break_glass_whole_review = Check("num_nonnulls(reviewed_by, verdict, reviewed_at) IN (0, 3)")


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


TABLES: list[type[Table]] = [
    Person, PersonLink, Binding, Invitation, ConsentDocument, Consent, BreakGlass, CareRelation, Allergy,
]  # fmt: skip
