"""The scripts behind `make test` and `make quick`."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import suite, touched

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("app/kernel/money.py", {"tests/kernel/test_money.py"}),
        ("app/launch/lock.py", {"tests/launch"}),
        ("tests/launch/conftest.py", {"tests/launch"}),
        ("tests/test_tools.py", {"tests/test_tools.py"}),
        ("tests/browser/test_kiosk.py", set()),
        ("docs/architecture.md", set()),
    ],
)
def test_a_change_runs_the_tests_that_mirror_it(changed: str, tests: set[str]):
    assert touched.tests_of(Path(changed)) == tests


def test_rules_below_full_coverage_fail_and_full_ones_pass(capsys: pytest.CaptureFixture[str]):
    full = {"app/billing/rules.py": {"summary": {"percent_covered": 100.0}}}
    short = {"app/queueing/rules.py": {"summary": {"percent_covered": 99.0}}}
    other = {"app/cli.py": {"summary": {"percent_covered": 50.0}}}
    assert suite.rules_hold(full | other) == 0
    assert suite.rules_hold(full | short) == 1
    assert "app/queueing/rules.py" in capsys.readouterr().out


def test_without_chromium_the_browser_tests_are_skipped_but_ci_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(suite.shutil, "which", lambda _name: None)
    monkeypatch.delenv("CI", raising=False)
    assert suite.browser_tests(measured=False) == 0
    assert "SKIPPED tests/browser" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert suite.browser_tests(measured=False) == 1


def test_make_passes_pytest_on_and_repeats_its_summary():
    reading, writing = os.pipe()
    os.write(writing, b"....\n==== 4 passed in 0.1s ====\n")
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        assert suite.passed_on(output) == "==== 4 passed in 0.1s ===="


def test_make_names_its_commands():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=False)
    for command in ("setup", "run", "test", "quick", "check", "test-long"):
        assert command in done.stdout
