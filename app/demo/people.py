"""Made-up people with numbers that pass every check: nobody real is borrowed."""

import secrets
from datetime import date, timedelta

from app.patients.rules import check_character

# Sixteen districts of Beijing. A day is played again and again: two of its people must not share a number.
REGIONS = [f"1101{district:02d}" for district in (1, 2, *range(5, 10), *range(11, 20))]
YEAR_DAYS, BIRTHDAYS = 365, 300
FAMILY_NAMES = "王李张刘陈杨赵黄周吴"
GIVEN_NAMES = "安宁乐怡然思远嘉禾清和明朗"


def new_name() -> str:
    given = "".join(secrets.choice(GIVEN_NAMES) for _ in range(2))
    return secrets.choice(FAMILY_NAMES) + given


def new_birthday(today: date, *, age: int) -> date:
    """Some day a little more than `age` years ago."""
    return today - timedelta(days=age * YEAR_DAYS + YEAR_DAYS // 2 + secrets.randbelow(BIRTHDAYS))


def new_id_number(*, born_on: date, sex: str) -> str:
    """18 digits of GB 11643: region, birth date, an odd (male) or even (female) number, check digit."""
    order = secrets.randbelow(500) * 2 + (1 if sex == "1" else 0)
    body = f"{secrets.choice(REGIONS)}{born_on:%Y%m%d}{order:03d}"
    return body + check_character(body)
