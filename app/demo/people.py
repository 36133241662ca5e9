"""Made-up people with numbers that pass every check: nobody real is borrowed."""

import secrets
from datetime import date

from app.patients.rules import check_character

REGION = "110101"
FAMILY_NAMES = "王李张刘陈杨赵黄周吴"
GIVEN_NAMES = "安宁乐怡然思远嘉禾清和明朗"


def new_name() -> str:
    given = "".join(secrets.choice(GIVEN_NAMES) for _ in range(2))
    return secrets.choice(FAMILY_NAMES) + given


def new_id_number(*, born_on: date, sex: str) -> str:
    """18 digits of GB 11643: region, birth date, an odd (male) or even (female) number, check digit."""
    order = secrets.randbelow(500) * 2 + (1 if sex == "1" else 0)
    body = f"{REGION}{born_on:%Y%m%d}{order:03d}"
    return body + check_character(body)
