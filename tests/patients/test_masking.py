"""What of a name or a number is shown: the page's own examples, and what holds for any text at all."""

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.patients.masking import (
    COMPOUND_SURNAMES,
    FIELD_KINDS,
    MASKS,
    NAME_SHOWN,
    Audience,
    MaskKind,
    mask,
    mask_text,
    name_for,
)
from app.patients.rules import check_character, clean_name

PAGE = Path(__file__).resolve().parents[2] / "docs/algorithms/masking.md"
NAMES = (MaskKind.NAME, MaskKind.NAME_PUBLIC)
# Of a number this many characters may be shown in a row, and this many in all.
SHOWN_MAX = {
    MaskKind.PHONE: (4, 7),
    MaskKind.ID_CARD: (6, 10),
    MaskKind.ID_CARD_PUBLIC: (1, 2),
    MaskKind.PASSPORT: (2, 3),
    MaskKind.TRAVEL_PERMIT: (2, 3),
    MaskKind.BANK_CARD: (4, 4),
}

any_text = st.text(st.characters(), max_size=40)  # with halves of pairs, which no reply may carry
digits = st.text("0123456789０１２３Xx -*", min_size=0, max_size=24)
chinese = st.text("欧阳娜李小明司马·•.王子💊𠮷 e\u0301", max_size=12)
places = st.text("北京市朝阳区省县旗州自治地盟小园场路1号 *", max_size=20)
texts = st.one_of(any_text, digits, chinese, places)


def examples() -> list[tuple[str, str, str, str]]:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line.count("|") == 5]
    cells = [[cell[1:-1] for cell in row.split("|")[1:-1]] for row in rows]
    return [(name, kind, written(text), written(shown)) for name, kind, text, shown in cells if kind in MASKS]


def written(cell: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), cell)


@pytest.mark.parametrize(
    ("kind", "text", "shown"), [pytest.param(*rest, id=name) for name, *rest in examples()]
)
def test_an_example_of_the_page(kind: str, text: str, shown: str) -> None:
    assert mask(MaskKind(kind), text) == shown


@pytest.mark.parametrize(("kind", "shown"), [pytest.param(row[1], row[3], id=row[0]) for row in examples()])
def test_what_is_masked_already_stays_as_it_is(kind: str, shown: str) -> None:
    assert mask(MaskKind(kind), shown) == shown


def test_the_page_has_an_example_of_each_kind() -> None:
    assert {kind for _, kind, _, _ in examples()} == set(MaskKind)
    assert len(examples()) >= 40


@given(st.sampled_from(list(MaskKind)), texts)
def test_whatever_it_is_it_can_be_masked_once_and_sent(kind: MaskKind, text: str) -> None:
    shown = mask(kind, text)
    assert mask(kind, shown) == shown
    shown.encode()  # a reply can carry it
    assert shown or not text or not re.search(r"[^\W_]", text, re.ASCII)


@given(st.sampled_from(list(SHOWN_MAX)), texts)
def test_a_number_shows_only_its_ends(kind: MaskKind, text: str) -> None:
    shown = mask(kind, text)
    in_a_row, in_all = SHOWN_MAX[kind]
    assert all(len(run) <= in_a_row for run in shown.split("*"))
    assert len(shown.replace("*", "")) <= in_all
    hidden = len(shown) - len(shown.replace("*", ""))
    assert hidden >= min(4, len(shown))


@given(st.sampled_from(NAMES), st.one_of(any_text, chinese))
def test_a_name_keeps_its_length_and_loses_its_middle(kind: MaskKind, text: str) -> None:
    name, shown = clean_name(text), mask(kind, text)
    assert len(shown) == len(name)
    if len(name) > 1:
        kept = [place for place, char in enumerate(shown) if char != "*"]
        allowed = {0, len(name) - 1} - ({1} if len(name) == 2 else set())
        if kind is MaskKind.NAME and name[:2] in COMPOUND_SURNAMES.split("|") and len(name) > 2:
            allowed = {0, 1, len(name) - 1} - ({2} if len(name) == 3 else set())
        assert set(kept) <= allowed


@pytest.mark.parametrize("surname", COMPOUND_SURNAMES.split("|"))
def test_a_compound_surname_stays_whole_for_staff_and_not_in_public(surname: str) -> None:
    assert mask(MaskKind.NAME, f"{surname}小明") == f"{surname}*明"
    assert mask(MaskKind.NAME_PUBLIC, f"{surname}小明") == f"{surname[0]}**明"
    assert mask(MaskKind.NAME, surname) == f"{surname[0]}*"


@given(places, st.text("甲乙丙丁0123456789", min_size=1, max_size=10))
@example("北京市朝阳区", "建国路")
def test_an_address_tells_nothing_below_the_district(place: str, below: str) -> None:
    shown = mask(MaskKind.ADDRESS, f"{place}号{below}")
    assert shown.endswith("***")
    assert below not in shown
    assert not re.search("[0-9]", shown)


def test_fifteen_digits_show_no_birth_date() -> None:
    assert "800101" not in mask(MaskKind.ID_CARD, "340524800101001")


def test_every_audience_and_every_field_has_a_rule_that_exists() -> None:
    assert set(NAME_SHOWN) == set(Audience)
    assert set(FIELD_KINDS.values()) <= set(MASKS) == set(MaskKind)
    assert [name_for(audience, "欧阳娜娜") for audience in Audience] == ["欧**娜", "欧阳*娜", "欧阳娜娜"]


def grouped(number: str, *places: int) -> st.SearchStrategy[str]:
    """The number as people write it: as it is, with a blank or a hyphen at these places, or in full width."""

    def with_marks(mark: str) -> str:
        cuts = [0, *places, len(number)]
        return mark.join(number[a:b] for a, b in pairwise(cuts))

    wide = "".join(chr(ord(c) + 0xFEE0) for c in number)
    return st.sampled_from([number, with_marks(" "), with_marks("-"), wide])


id_18 = st.integers(1, 999).flatmap(
    lambda n: grouped((first := f"11010519491231{n:03d}") + check_character(first), 6, 14)
)
mobile = st.integers(0, 99_999_999).flatmap(lambda n: grouped(f"138{n:08d}", 3, 7))
around = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=8)


@given(around, id_18, around, mobile, around)
def test_no_number_survives_in_a_text(a: str, number: str, b: str, phone: str, c: str) -> None:
    told = mask_text(f"{a}{number};{b}{phone}{c}")
    plain = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", told))
    for secret in (number, phone):
        assert re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", secret)) not in plain
    assert mask_text(told) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("电话13812345678。", "电话138****5678。", id="phone"),
        pytest.param("tel:+86 138-1234-5678", "tel:+86 138****5678", id="phone with country"),
        pytest.param("013812345678", "0138****5678", id="phone dialled from afar"),
        pytest.param("id 11010519491231002x,", "id 110105********002x,", id="id"),
        pytest.param("340524800101001", "340524******001", id="old id"),
        pytest.param("340524801231001", "340524******001", id="old id of December"),
        pytest.param("6222021234510019", "************0019", id="bank card with a nine"),
        pytest.param("卡6222021234567894", "卡************7894", id="bank card"),
        pytest.param("4111 1111 1111 1111", "************1111", id="grouped bank card"),
        pytest.param("1234 5678 13812345678", "1234 5678 138****5678", id="phone behind digits"),
        pytest.param("13812345678/13912345678", "138****5678/139****5678", id="two phones"),
    ],
)
def test_a_number_in_a_text_is_masked(text: str, told: str) -> None:
    assert mask_text(text) == told


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("took 12.5 ms of 1732356123457", id="milliseconds"),
        pytest.param("1217752501201407033233368018", id="a channel's order number"),
        pytest.param("0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", id="uuid"),
        pytest.param("2026-11-23T18:00:00.123456Z", id="instant"),
        pytest.param("010-12345678", id="landline"),
    ],
)
def test_what_is_no_number_of_a_person_stays(text: str) -> None:
    assert mask_text(text) == text


@given(any_text)
def test_any_text_can_be_masked(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)
