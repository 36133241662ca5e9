"""The import contracts hold, and each of them breaks on a planted bad import."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "app",
    "mini_program_api",
    "bedside_terminal",
    "guide_kiosk",
    "notifications",
    "simulators",
    "bench",
)

# Where a line is planted, the line, and the contract that must break.
PLANTED = {
    "up": ("app/kernel/planted.py", "import app.billing", "Call down, emit up"),
    "sideways": ("app/billing/planted.py", "import app.queueing", "Call down, emit up"),
    "core": ("app/patients/planted.py", "import notifications", "The core knows no channel"),
    "channels": ("guide_kiosk/planted.py", "import mini_program_api", "Channels stand above"),
    "table": ("mini_program_api/planted.py", "import app.identity.tables", "Channels never see a table"),
    "transport": ("notifications/planted.py", "import app.identity.tables", "Notifications never see"),
    "outside": ("app/billing/planted_too.py", "import simulators", "The hospital never imports"),
    "measured": ("app/launch/planted.py", "import bench", "What is measured"),
    "stranger": ("simulators/planted.py", "import app.billing", "A simulator knows nothing"),
    "homeless": ("app/homeless/__init__.py", "", "Call down, emit up"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The house without its furniture: sources and contracts only."""
    python_only = shutil.ignore_patterns("static", "__pycache__", "*.sql")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=python_only)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def verdicts(folder: Path) -> dict[str, str]:
    """The first words of each contract and KEPT or BROKEN."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return dict(re.findall(r"^(.+?) (KEPT|BROKEN)", done.stdout, re.MULTILINE))


def test_the_house_keeps_its_contracts(copy: Path):
    told = verdicts(copy)
    assert len(told) == 8
    assert set(told.values()) == {"KEPT"}


def test_every_contract_breaks_on_a_planted_import(copy: Path):
    for path, line, _ in PLANTED.values():
        (copy / path).parent.mkdir(exist_ok=True)
        (copy / path).write_text(line + "\n")
    assert set(verdicts(copy).values()) == {"BROKEN"}


@pytest.mark.parametrize("case", ["up", "sideways", "homeless"])
def test_the_floors_break_on_each_kind_of_step(copy: Path, case: str):
    path, line, contract = PLANTED[case]
    (copy / path).parent.mkdir(exist_ok=True)
    (copy / path).write_text(line + "\n")
    assert [name for name, verdict in verdicts(copy).items() if verdict == "BROKEN"] == [contract]
