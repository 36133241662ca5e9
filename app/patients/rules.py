"""What an ID number says, how old somebody is, and in which form a name is stored."""

import re
import unicodedata
from datetime import date, timedelta

import msgspec

AGE_YEARS_MAX = 150
ADULT_YEARS = 18
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


def may_lack_number(day: date, born_on: date) -> bool:
    """A newborn may be bound without a number for its first weeks."""
    return timedelta(0) <= day - born_on <= timedelta(days=NEWBORN_DAYS_MAX)


def clean_name(name: str) -> str:
    """The form a name is stored and compared in: NFC, no blanks around, one kind of dot."""
    return DOTS.sub("·", unicodedata.normalize("NFC", name).strip())
