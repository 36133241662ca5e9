"""How a person's number is known again wherever it stands: by its shape, or because a test made it."""

import re
import unicodedata
from datetime import date

from app.patients.rules import check_character

MOBILE = rb"(?:(?:\+|00)?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}"
ID_CARD = rb"[1-9][0-9]{5}[ -]?[0-9]{8}[ -]?[0-9]{3}[0-9Xx]"
OLD_CARD = rb"[1-9][0-9]{5}[ -]?[0-9]{6}[ -]?[0-9]{3}"
BANK_CARD = rb"62(?:[ -]?[0-9]){14,17}"
NUMBER = re.compile(rb"(?<![0-9])(?:" + b"|".join((ID_CARD, BANK_CARD, OLD_CARD, MOBILE)) + rb")(?![0-9])")
ADDRESS = re.compile(r"[\u4e00-\u9fff]{2,12}(?:路|街|大道|胡同|弄|巷)[0-9]{1,5}(?:弄|号)(?!线|楼梯|机)")
FULL_WIDTH = b"\xef\xbc"
# In a token, a hash or an id digits stand beside letters, and by chance look like a telephone number.
PART_OF_A_WORD = re.compile(rb"[0-9A-Za-z_.]")

# The same in the database's words, wide enough to leave the decision to us.
LOOSE = (
    r"1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}|[0-9]{6}[ -]?[0-9]{6,8}[ -]?[0-9]{3}"
    r"|62([ -]?[0-9]){14}|(路|街|大道|胡同|弄|巷)[0-9]{1,5}(弄|号)|[０-９]{3}"
)

# What tests have made, so that it is found beside letters, too; filled by tests/make.
MADE: set[str] = set()


def numbers_in(raw: bytes) -> list[str]:
    """The ID, telephone and bank card numbers and addresses in it, in their ordinary form."""
    if FULL_WIDTH in raw:
        raw = unicodedata.normalize("NFKC", raw.decode(errors="replace")).encode()
    found = [plain for hit in NUMBER.finditer(raw) if (plain := _number(raw, hit))]
    if "号".encode() in raw or "弄".encode() in raw:
        found += ADDRESS.findall(raw.decode(errors="replace"))
    return found


def _number(raw: bytes, hit: re.Match[bytes]) -> str:
    plain = re.sub(rb"[ +-]", b"", hit.group()).decode().upper()
    if plain in MADE:
        return plain
    alone = not (
        PART_OF_A_WORD.match(raw[hit.start() - 1 : hit.start()]) or PART_OF_A_WORD.match(raw, hit.end())
    )
    if len(plain) == 18 and _is_id_card(plain):
        return plain
    if plain.startswith("62") and len(plain) >= 16:
        return plain if alone and _luhn(plain) else ""
    return plain if alone and len(plain) in (11, 13, 15) and _may_be(plain) else ""


def _may_be(plain: str) -> bool:
    """Fifteen digits are an old card only with a date in them; telephone numbers have no check."""
    return len(plain) != 15 or _is_date("19" + plain[6:12])


def _is_id_card(plain: str) -> bool:
    return _is_date(plain[6:14]) and check_character(plain[:17]) == plain[17]


def _is_date(digits: str) -> bool:
    try:
        return 1850 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year <= 2099
    except ValueError:
        return False


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
