"""What one scope reaches of another."""

import pytest

from app.identity.scopes import covers, is_well_formed, is_within


@pytest.mark.parametrize(
    ("held", "needed"),
    [
        ("staff", "staff"),
        ("system/Organization.rs", "system/Organization.rs"),
        ("system/Organization.cruds", "system/Organization.rs"),
        ("system/*.rs", "system/Organization.r"),
        ("introspect system/*.rs", "system/Organization.s"),
    ],
)
def test_a_scope_reaches_what_lies_within(held: str, needed: str) -> None:
    assert covers(held, needed)
    assert is_within(needed, held)


@pytest.mark.parametrize(
    ("held", "needed"),
    [
        ("", "staff"),
        ("staffroom", "staff"),
        ("staff", "account"),
        ("system/Organization.r", "system/Organization.rs"),
        ("user/Organization.rs", "system/Organization.rs"),
        ("system/Organization.rs", "system/*.rs"),
        ("system/Organization.rs", "system/Patient.rs"),
        ("system/*.rs", "staff"),
        ("system/*", "system/Organization.rs"),
    ],
)
def test_a_scope_reaches_nothing_else(held: str, needed: str) -> None:
    assert not covers(held, needed)
    assert not is_within(needed, held)


@pytest.mark.parametrize(
    "scope", ["staff", "system/Organization", "system/Organization.", "system/o.rs", "x/*.rs", "*", "s" * 500]
)
def test_a_partner_asks_in_smarts_words(scope: str) -> None:
    assert not is_well_formed(scope)
    assert is_well_formed("introspect system/*.rs user/Organization.cruds")
