"""What docs/simulators.md tells a stranger to run does what it says, word for word."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_alipay import ALI
from tests.simulators.raw_bureau import BUREAU
from tests.simulators.raw_wechat_pay import WX
from tests.simulators.test_alipay_client import PYTHON as ORACLE
from tests.test_house import ROOT

PAGE = ROOT / "docs" / "simulators.md"


def example(card: str) -> str:
    """The one that reads this card, or the one that takes it as `card`."""
    blocks = [part.partition("```")[0] for part in PAGE.read_text().split("```python\n")[1:]]
    [found] = [block for block in blocks if f"{card}.json" in block or (card == BUREAU and "gmssl" in block)]
    return found


@pytest.mark.parametrize(
    ("card", "python", "says"), [(WX, Path(sys.executable), "code_url"), (ALI, ORACLE, "qr_code")]
)
def test_a_stranger_s_first_order_is_made(simulators: Simulators, card: str, python: Path, says: str) -> None:
    code = example(card).replace("var/simulators/", f"{simulators.folder}/")
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, cwd="/")
    assert run.returncode == 0, run.stderr
    ordered, asked = run.stdout.splitlines()
    assert says in ordered
    assert ("NOTPAY" if card == WX else "ACQ.TRADE_NOT_EXIST") in asked


def test_a_stranger_signs_in_at_the_bureau(simulators: Simulators) -> None:
    known = {"card": simulators.cards[BUREAU]}
    exec(example(BUREAU), known)
    assert known["answer"]["infcode"] == "0"
