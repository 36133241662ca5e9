"""The worked numbers of docs/algorithms/laboratory.md."""

from datetime import date, datetime
from decimal import Decimal

import msgspec
import pytest

from app.kernel.clock import LOCAL
from app.kernel.ids import new_id
from app.laboratory import rules
from app.laboratory.rules import Limits, Tube
from app.laboratory.tables import QcState, ResultFlag

POTASSIUM = Limits(
    low=Decimal("3.5"), high=Decimal("5.3"), critical_low=Decimal("2.8"), critical_high=Decimal("6.2")
)
CRP = Limits(high=Decimal("5.0"))
HDL = Limits(low=Decimal("1.04"))


class Reference(msgspec.Struct, frozen=True):
    sex: str
    age_days_from: int
    age_days_below: int


@pytest.mark.parametrize(
    ("value", "limits", "flag"),
    [
        pytest.param("3.5", POTASSIUM, ResultFlag.NORMAL, id="on the low limit"),
        pytest.param("3.49", POTASSIUM, ResultFlag.LOW, id="just below"),
        pytest.param("5.3", POTASSIUM, ResultFlag.NORMAL, id="on the high limit"),
        pytest.param("5.31", POTASSIUM, ResultFlag.HIGH, id="just above"),
        pytest.param("2.8", POTASSIUM, ResultFlag.LOW, id="on the critical low limit"),
        pytest.param("2.79", POTASSIUM, ResultFlag.CRITICAL_LOW, id="below the critical low limit"),
        pytest.param("6.2", POTASSIUM, ResultFlag.HIGH, id="on the critical high limit"),
        pytest.param("6.21", POTASSIUM, ResultFlag.CRITICAL_HIGH, id="above the critical high limit"),
        pytest.param("0", CRP, ResultFlag.NORMAL, id="no low limit"),
        pytest.param("5.01", CRP, ResultFlag.HIGH, id="only a high limit"),
        pytest.param("1.03", HDL, ResultFlag.LOW, id="only a low limit"),
        pytest.param("阴性", Limits(), ResultFlag.NORMAL, id="a word"),
    ],
)
def test_flags(value: str, limits: Limits, flag: ResultFlag) -> None:
    assert rules.flag_of(rules.number_in(value), limits) == flag


@pytest.mark.parametrize(
    ("value", "number"),
    [("5.60", "5.60"), ("<0.01", "0.01"), ("> 1000", "1000"), ("阴性", None), ("NaN", None), ("", None)],
)
def test_numbers_in_what_analysers_write(value: str, number: str | None) -> None:
    assert rules.number_in(value) == (None if number is None else Decimal(number))


def test_every_mark_is_a_word() -> None:
    assert {flag: mark.text for flag, mark in rules.MARKS.items()} == {
        ResultFlag.NORMAL: "正常",
        ResultFlag.HIGH: "偏高 ↑",
        ResultFlag.LOW: "偏低 ↓",
        ResultFlag.CRITICAL_HIGH: "危急 ↑↑",
        ResultFlag.CRITICAL_LOW: "危急 ↓↓",
    }


@pytest.mark.parametrize(
    ("value", "limits", "position"),
    [
        pytest.param("3.5", POTASSIUM, 0.0, id="low limit"),
        pytest.param("5.3", POTASSIUM, 1.0, id="high limit"),
        pytest.param("4.4", POTASSIUM, 0.5, id="middle"),
        pytest.param("5.75", POTASSIUM, 1.25, id="beyond"),
        pytest.param("60", POTASSIUM, 1.5, id="never off the bar"),
        pytest.param("0.1", POTASSIUM, -0.5, id="never off the bar below"),
        pytest.param("2.5", CRP, 0.5, id="from nothing to the high limit"),
        pytest.param("2.5", HDL, None, id="no high limit, no bar"),
        pytest.param("阴性", POTASSIUM, None, id="a word has no place"),
        pytest.param("1", Limits(low=Decimal(2), high=Decimal(2)), None, id="an empty range"),
    ],
)
def test_the_point_on_the_bar(value: str, limits: Limits, position: float | None) -> None:
    assert rules.bar_position(rules.number_in(value), limits) == position


@pytest.mark.parametrize(
    ("limits", "unit", "text"),
    [
        (POTASSIUM, "mmol/L", "3.5–5.3\u2009mmol/L"),
        (CRP, "mg/L", "≤\u20095.0\u2009mg/L"),
        (HDL, "", "≥\u20091.04"),
        (Limits(), "mg/L", ""),
        (Limits(low=Decimal("1E+2"), high=Decimal("2E+2")), "", "100–200"),
    ],
    ids=["both", "high only", "low only", "none", "no powers of ten"],
)
def test_ranges_as_people_read_them(limits: Limits, unit: str, text: str) -> None:
    assert rules.reference_text(limits, unit) == text


CHILD = Reference("0", 0, 14 * 365)
WOMAN = Reference("2", 14 * 365, 200 * 366)
ANYBODY = Reference("0", 14 * 365, 200 * 366)


@pytest.mark.parametrize(
    ("sex", "days", "found"),
    [
        pytest.param("2", 14 * 365 - 1, CHILD, id="the last day of childhood"),
        pytest.param("2", 14 * 365, WOMAN, id="her own range first"),
        pytest.param("1", 14 * 365, ANYBODY, id="a man has none of his own here"),
        pytest.param("1", 200 * 366, None, id="older than all ranges"),
    ],
)
def test_the_range_of_sex_and_age(sex: str, days: int, found: Reference | None) -> None:
    assert rules.reference_for([CHILD, ANYBODY, WOMAN], sex=sex, days=days) == found


def test_age_in_days_is_counted_on_the_hospitals_calendar() -> None:
    born_on = date(2026, 3, 4)
    assert rules.age_days(born_on, at=datetime(2026, 3, 4, 23, 0, tzinfo=LOCAL)) == 0
    assert rules.age_days(born_on, at=datetime.fromisoformat("2026-03-04T16:00:00+00:00")) == 1
    assert rules.age_days(born_on, at=datetime(2026, 3, 1, tzinfo=LOCAL)) == 0


def test_orders_of_one_kind_and_container_share_a_tube() -> None:
    blood, serum = Tube("全血", "紫管"), Tube("血清", "黄管")
    first, second, third = new_id(), new_id(), new_id()
    assert rules.tubes([(first, blood), (second, serum), (third, blood)]) == {
        blood: [first, third],
        serum: [second],
    }


def test_the_last_digit_betrays_a_misread_barcode() -> None:
    assert rules.barcode(1) == "000000000017"
    assert rules.barcode(62910415002) == "629104150024"


def test_missing_tests_and_controls() -> None:
    assert rules.missing_tests(["WBC", "HGB"], ["WBC"]) == {"HGB"}
    assert rules.qc_allows([])
    assert rules.qc_allows([QcState.IN, QcState.NONE])
    assert not rules.qc_allows([QcState.IN, QcState.OUT])
