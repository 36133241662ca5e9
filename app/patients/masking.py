"""What of a name or a number may be shown to whom: the rules as data, and the one function that applies them.

docs/algorithms/masking.md says why each rule is as it is, and holds the examples that the tests use.
"""

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum

import msgspec

from app.patients.rules import clean_name

STAR = "*"
NOT_A_CHARACTER = re.compile(r"[\ud800-\udfff]")  # half of a pair: no reply could carry it


class MaskKind(StrEnum):
    """What a text is; the public kinds are for what strangers can read over a shoulder."""

    NAME = "name"
    NAME_PUBLIC = "name_public"
    PHONE = "phone"
    ID_CARD = "id_card"
    ID_CARD_PUBLIC = "id_card_public"
    PASSPORT = "passport"
    TRAVEL_PERMIT = "travel_permit"  # 港澳居民来往内地通行证, 台湾居民来往大陆通行证, 外国人永久居留身份证
    BANK_CARD = "bank_card"
    ADDRESS = "address"


class Mask(msgspec.Struct, frozen=True, kw_only=True):
    """The forms of one kind, the first that fits counts: each has three groups, kept, hidden and kept.

    What fits no form is hidden from end to end. A hidden group takes stars itself, so that what is
    masked already stays as it is. `stars` stand for what is hidden; without a number, one for each.
    """

    forms: tuple[re.Pattern[str], ...]
    tidy: Callable[[str], str]
    stars: int | None = None


# 复姓. Staff address their patients by the surname, so their lists keep it whole.
COMPOUND_SURNAMES = (
    "欧阳|太史|端木|上官|司马|东方|独孤|南宫|万俟|闻人|夏侯|诸葛|尉迟|公羊|赫连|澹台|皇甫|宗政"
    "|濮阳|公冶|太叔|申屠|公孙|慕容|仲孙|钟离|长孙|宇文|司徒|鲜于|司空|闾丘|子车|亓官|司寇|巫马"
    "|公西|颛孙|壤驷|公良|漆雕|乐正|宰父|谷梁|拓跋|夹谷|轩辕|令狐|段干|百里|呼延|东郭|南门|羊舌"
    "|微生|梁丘|左丘|东门|西门|南荣|第五|纳兰|完颜|叶赫|那拉|贺兰|歐陽|司馬|東方|獨孤|南宮|萬俟"
    "|聞人|諸葛|尉遲|赫連|澹臺|濮陽|公孫|仲孫|鍾離|長孫|鮮于|閭丘|軒轅|東郭|西門"
)

OF_A_PLACE = r"[^省市区县旗盟\d\s]"
PLACE = (
    rf"((?:{OF_A_PLACE}{{2,8}}?(?:省|自治区|特别行政区))?"
    rf"(?:{OF_A_PLACE}{{1,10}}?(?:自治州|地区|盟|市(?!场)))?"
    # 小区, 园区 and their like are where somebody lives, not a district.
    rf"(?:{OF_A_PLACE}{{1,12}}?(?:(?<![小园社校院厂住宅])区|县|旗|市(?!场)))?)(.*)()"
)


def _forms(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.DOTALL) for pattern in patterns)


def _name(text: str) -> str:
    return NOT_A_CHARACTER.sub("\ufffd", clean_name(text))


def _number(text: str) -> str:
    """Letters and digits in their ordinary width: blanks, hyphens and what cannot be seen are left out."""
    ordinary = unicodedata.normalize("NFKC", text).upper()
    return "".join(char for char in ordinary if char.isalnum() or char == STAR)


def _phone(text: str) -> str:
    return re.sub(r"^(?:00)?86(?=1[0-9*]{10}$)", "", _number(text))


def _address(text: str) -> str:
    return _name("".join(text.split()))


ONE, TWO, MORE = r"(.)()()", r"(.)(.)()", r"(.)(.+)(.)"
COMPOUND = rf"({COMPOUND_SURNAMES})"
DOCUMENT = r"([0-9A-Z])([0-9A-Z*]{4,})([0-9A-Z]{2})"

MASKS: dict[MaskKind, Mask] = {
    MaskKind.NAME: Mask(forms=_forms(ONE, TWO, rf"{COMPOUND}(.)()", rf"{COMPOUND}(.+)(.)", MORE), tidy=_name),
    MaskKind.NAME_PUBLIC: Mask(forms=_forms(ONE, TWO, MORE), tidy=_name),
    MaskKind.PHONE: Mask(forms=_forms(r"(1[0-9]{2})([0-9*]{4})([0-9]{4})"), tidy=_phone),
    # Hidden is the birth date, with 18 characters as with the 15 of old cards.
    MaskKind.ID_CARD: Mask(
        forms=_forms(r"([0-9]{6})([0-9*]{8})([0-9]{3}[0-9X])", r"([0-9]{6})([0-9*]{6})([0-9]{3})"),
        tidy=_number,
    ),
    MaskKind.ID_CARD_PUBLIC: Mask(forms=_forms(r"([0-9A-Z])([0-9A-Z*]{4,})([0-9A-Z])"), tidy=_number),
    MaskKind.PASSPORT: Mask(forms=_forms(DOCUMENT), tidy=_number),
    MaskKind.TRAVEL_PERMIT: Mask(forms=_forms(DOCUMENT), tidy=_number),
    MaskKind.BANK_CARD: Mask(forms=_forms(r"()([0-9*]{9,15})([0-9]{4})"), tidy=_number),
    MaskKind.ADDRESS: Mask(forms=_forms(PLACE), tidy=_address, stars=3),
}

# By its name a field of a reply says what it holds.
FIELD_KINDS: dict[str, MaskKind] = {
    "name": MaskKind.NAME,
    "patient_name": MaskKind.NAME,
    "person_name": MaskKind.NAME,
    "phone": MaskKind.PHONE,
    "id_number": MaskKind.ID_CARD,
    "passport": MaskKind.PASSPORT,
    "bank_card": MaskKind.BANK_CARD,
    "address": MaskKind.ADDRESS,
}


def mask(kind: MaskKind, text: str) -> str:
    """What may be shown of `text`. It never raises, and what it returned once it returns again."""
    rule = MASKS[kind]
    plain = rule.tidy(text)
    if not plain:
        return ""
    for form in rule.forms:
        if fits := form.fullmatch(plain):
            first, hidden, last = fits.groups()
            return first + STAR * (len(hidden) if rule.stars is None else rule.stars) + last
    return STAR * len(plain)


class Audience(StrEnum):
    """Who reads a name: strangers in a hall, staff at their board, or who the name belongs to."""

    DISPLAY = "display"
    STAFF_BOARD = "staff_board"
    OWNER = "owner"


NAME_SHOWN: dict[Audience, MaskKind | None] = {
    Audience.DISPLAY: MaskKind.NAME_PUBLIC,
    Audience.STAFF_BOARD: MaskKind.NAME,
    Audience.OWNER: None,
}


def name_for(audience: Audience, name: str) -> str:
    """The one way a name takes into a reply or a frame that is not its own reader's record."""
    kind = NAME_SHOWN[audience]
    return name if kind is None else mask(kind, name)


# What hides in free text: each shape is hidden wherever it stands, so that a log may hold what people type.
# People write numbers in groups, and documents write them in full width.
ID_18 = re.compile(r"(?<!\d)(\d{6})[ -]?(\d{8})[ -]?(\d{3}[\dXxＸｘ])(?!\d)")
ID_15 = re.compile(r"(?<!\d)(\d{6})[ -]?(\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))[ -]?(\d{3})(?!\d)")
MOBILE = re.compile(r"(?<!\d)((?:\+|00)?86[ -]?|[0０])?([1１][3-9３-９]\d)[ -]?(\d{4})[ -]?(\d{4})(?!\d)")
CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")


def mask_text(text: str) -> str:
    """Free text without the phone, ID and bank card numbers that somebody wrote into it; names stay.

    A number counts as a bank card only where its check digit says so: order numbers look the same.
    """
    text = ID_18.sub(rf"\1{STAR * 8}\3", text)
    text = ID_15.sub(rf"\1{STAR * 6}\3", text)
    text = MOBILE.sub(rf"\1\2{STAR * 4}\4", text)
    # Last, because only this one leaves some of what it looked at as it was.
    return CARD.sub(_bank_card, text)


def _bank_card(found: re.Match[str]) -> str:
    digits = _number(found.group())
    return mask(MaskKind.BANK_CARD, digits) if _is_card(digits) else found.group()


def _is_card(digits: str) -> bool:
    """Luhn: from the right every second digit counts double, less 9 above 9."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
