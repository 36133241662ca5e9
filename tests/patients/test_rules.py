"""What an ID number says, how old somebody is, and in which form a name is stored."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.patients import rules

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "born_on", "sex"),
    [
        pytest.param("11010519491231002X", date(1949, 12, 31), "2", id="with X"),
        pytest.param("11010519491231002x", date(1949, 12, 31), "2", id="lower case"),
        pytest.param(" 440524188001010014 ", date(1880, 1, 1), "1", id="blanks around"),
        pytest.param("34052419800101001X", date(1980, 1, 1), "1", id="male"),
        pytest.param("81000019980902013X", date(1998, 9, 2), "1", id="Hong Kong residence permit"),
    ],
)
def test_a_valid_number_tells_birth_date_and_sex(text: str, born_on: date, sex: str) -> None:
    day = date(2026, 11, 23) if born_on.year > 1900 else date(2020, 1, 1)
    known = rules.read_id_number(text, today=day)
    assert known == rules.IdNumber(text.strip().upper(), born_on, sex)


def numbered(birth: str) -> str:
    first = f"110101{birth}001"
    return first + rules.check_character(first)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("340524198001010013", id="wrong check digit"),
        pytest.param(numbered("19800230"), id="no such day"),
        pytest.param(numbered("20261124"), id="born tomorrow"),
        pytest.param(numbered("18751122"), id="older than 150 years"),
        pytest.param("340524800101001", id="fifteen digits"),
        pytest.param("3405241980010100１X", id="a full-width digit"),
        pytest.param("X4052419800101001X", id="X in front"),
        pytest.param("34052419800101001Y", id="another letter"),
        pytest.param("", id="empty"),
    ],
)
def test_an_invalid_number_tells_nothing(text: str) -> None:
    assert rules.read_id_number(text, today=TODAY) is None


def test_150_years_is_the_last_age_that_counts() -> None:
    assert rules.read_id_number(numbered("18751124"), today=TODAY) is not None


@given(st.integers(0, 17), st.integers(1, 9))
def test_any_one_wrong_digit_is_noticed(place: int, add: int) -> None:
    number = "11010519491231002X"
    if number[place] == "X":
        changed = number[:place] + str(add)
    else:
        changed = number[:place] + str((int(number[place]) + add) % 10) + number[place + 1 :]
    assert rules.read_id_number(changed, today=TODAY) is None


@pytest.mark.parametrize(
    ("day", "age"),
    [
        pytest.param(date(2026, 2, 28), 17, id="the day before"),
        pytest.param(date(2026, 3, 1), 18, id="the day itself"),
    ],
)
def test_age_counts_completed_years(day: date, age: int) -> None:
    assert rules.age_on(day, date(2008, 3, 1)) == age
    assert rules.is_minor(day, date(2008, 3, 1)) is (age < 18)


def test_who_was_born_on_a_leap_day_has_the_birthday_on_the_first_of_march() -> None:
    assert rules.age_on(date(2026, 2, 28), date(2008, 2, 29)) == 17
    assert rules.age_on(date(2026, 3, 1), date(2008, 2, 29)) == 18


def test_only_the_newborn_may_lack_a_number() -> None:
    assert rules.may_lack_number(TODAY, TODAY)
    assert rules.may_lack_number(TODAY, date(2026, 8, 31))
    assert not rules.may_lack_number(TODAY, date(2026, 8, 30))
    assert not rules.may_lack_number(TODAY, date(2026, 11, 24))


@pytest.mark.parametrize("dot", list("•・．."))
def test_dots_of_a_name_are_one_dot(dot: str) -> None:
    assert rules.clean_name(f" 阿卜杜拉{dot}买买提 ") == "阿卜杜拉·买买提"


def test_a_full_stop_of_a_latin_name_stays() -> None:
    assert rules.clean_name("J. Smith") == "J. Smith"
