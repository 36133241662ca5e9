"""Which window, which checks, which package."""

from datetime import date

from app.kernel.ids import new_id
from app.pharmacy import rules
from app.pharmacy.rules import WindowLoad
from app.pharmacy.tables import Check4


def window(name: str, *, waiting: int = 0, has_patient: bool = False) -> WindowLoad:
    return WindowLoad(window_id=new_id(), name=name, waiting=waiting, has_patient=has_patient)


def test_the_least_loaded_window_serves() -> None:
    idle = window("3号", waiting=1)
    assert rules.window_for([window("1号", waiting=4), window("2号", waiting=2), idle]) == idle


def test_a_patient_keeps_the_window_where_they_are_waited_for() -> None:
    kept = window("1号", waiting=9, has_patient=True)
    assert rules.window_for([window("2号"), kept]) == kept


def test_equal_windows_go_by_name_and_none_is_none() -> None:
    assert rules.window_for([window("2号"), first := window("1号")]) == first
    assert rules.window_for([]) is None


def test_all_four_checks_are_needed() -> None:
    assert rules.unchecked(list(Check4)) == set()
    assert rules.unchecked([Check4.DRUG, Check4.PRESCRIPTION, Check4.COMPATIBILITY]) == {Check4.DIAGNOSIS}


def test_a_package_is_good_through_its_day() -> None:
    day = date(2026, 3, 5)
    assert not rules.is_expired(day, today=day)
    assert rules.is_expired(day, today=date(2026, 3, 6))
