"""What an ID number says, how old somebody is, and in which form a name is stored."""

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from app.kernel.clock import LOCAL
from app.patients.tables import Proof, Scope

AGE_YEARS_MAX = 150
ADULT_YEARS = 18
OWN_LOGIN_YEARS = 14  # PIPL 31: younger ones need a guardian's word for everything
HANDOVER_DAYS = 30  # what a guardian still may book and pay for after the eighteenth birthday
GRANT_DAYS_MAX = 366
NEWBORN_DAYS_MAX = 28 * 3  # a household entry may take its time; after that a number is expected
ID_LENGTH = 18
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"  # by remainder, ISO 7064 MOD 11-2
MALE, FEMALE = "1", "2"
# One way to write the dot inside a transliterated name; keyboards know several.
DOTS = re.compile(r"[•‧∙⋅・･●．]|(?<=[^\x00-\x7f])\.(?=[^\x00-\x7f])")


class IdNumber(msgspec.Struct, frozen=True):
    """A valid GB 11643 number and what it tells."""

    number: str
    born_on: date
    sex: str


def read_id_number(text: str, *, today: date) -> IdNumber | None:
    """The number in its stored form, or None where it is not a valid one today."""
    number = text.strip().upper()
    if not _looks_right(number) or check_character(number[:17]) != number[17]:
        return None
    try:
        born_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    if born_on > today or age_on(today, born_on) > AGE_YEARS_MAX:
        return None
    return IdNumber(number, born_on, MALE if int(number[16]) % 2 else FEMALE)


def _looks_right(number: str) -> bool:
    return (
        len(number) == ID_LENGTH
        and number.isascii()
        and number[:17].isdigit()
        and (number[17].isdigit() or number[17] == "X")
    )


def check_character(first_17: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(first_17, WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def age_on(day: date, born_on: date) -> int:
    """Completed years. Who was born on 29 February has the birthday on 1 March in common years."""
    return day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))


def is_minor(day: date, born_on: date) -> bool:
    return age_on(day, born_on) < ADULT_YEARS


def may_bind_itself(day: date, born_on: date) -> bool:
    return age_on(day, born_on) >= OWN_LOGIN_YEARS


def majority_day(born_on: date) -> date:
    """The eighteenth birthday; 1 March for 29 February, as eighteen years later is no leap year."""
    try:
        return born_on.replace(year=born_on.year + ADULT_YEARS)
    except ValueError:
        return date(born_on.year + ADULT_YEARS, 3, 1)


class GuardianTerm(msgspec.Struct, frozen=True):
    """Until when a guardian's binding reads, and until when it books and pays."""

    read_until: datetime
    valid_to: datetime


def guardian_term(born_on: date) -> GuardianTerm:
    """Both end at a local midnight. docs/algorithms/access.md, A6."""
    of_age = datetime.combine(majority_day(born_on), time.min, LOCAL)
    return GuardianTerm(of_age, of_age + timedelta(days=HANDOVER_DAYS))


class Standing(StrEnum):
    """How an account stands to a person whom it adds."""

    SELF = "self"
    GUARDIAN = "guardian"
    OTHER = "other"  # of an adult


class PhoneAnswer(StrEnum):
    """What a stated phone number says beside the one on file."""

    NONE_ON_FILE = "none_on_file"
    NOT_STATED = "not_stated"
    AGREES = "agrees"
    DISAGREES = "disagrees"


class Grant(msgspec.Struct, frozen=True):
    proof: Proof
    scopes: tuple[Scope, ...]


def grant_of(standing: Standing, phone: PhoneAnswer, *, is_new: bool) -> Grant | None:
    """What a binding is worth, or None where the phone number on file must be told first.

    Whoever has never been here has nothing yet that a stranger could read. docs/algorithms/access.md, A2.
    """
    if standing is Standing.OTHER:
        return Grant(Proof.ID_AND_NAME, (Scope.BOOK, Scope.PAY))
    guardian = standing is Standing.GUARDIAN
    if is_new:
        return Grant(Proof.GUARDIAN if guardian else Proof.ID_AND_NAME, tuple(Scope))
    match phone:
        case PhoneAnswer.AGREES:
            return Grant(Proof.GUARDIAN if guardian else Proof.PHONE, tuple(Scope))
        case PhoneAnswer.NONE_ON_FILE:
            return Grant(Proof.ID_AND_NAME, (Scope.BOOK, Scope.PAY))
        case PhoneAnswer.NOT_STATED | PhoneAnswer.DISAGREES:
            return None


def may_grant(*, now: datetime, ends_at: datetime) -> bool:
    """A relative's right ends, within a year."""
    return now < ends_at <= now + timedelta(days=GRANT_DAYS_MAX)


def may_lack_number(day: date, born_on: date) -> bool:
    """A newborn may be bound without a number for its first weeks."""
    return timedelta(0) <= day - born_on <= timedelta(days=NEWBORN_DAYS_MAX)


def clean_name(name: str) -> str:
    """The form a name is stored and compared in: NFC, no blanks around, one kind of dot."""
    return DOTS.sub("·", unicodedata.normalize("NFC", name).strip())
