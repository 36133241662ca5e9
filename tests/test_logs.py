"""What stands in a log, and what never does."""

import subprocess
import sys

PROGRAM = """
import structlog
from app.logs import configure_logs
configure_logs()
name = chr(0x674e) + chr(0x5c0f) + chr(0x660e)
try:
    raise RuntimeError("no such bed")
except RuntimeError:
    structlog.get_logger().warning("failed", exc_info=True)
"""


def test_a_traceback_names_the_lines_and_no_values() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stderr
    assert '"event": "failed"' in told
    assert "no such bed" in told
    assert '"lineno"' in told
    assert "李小明" not in told


TYPED = """
import structlog
from app.logs import configure_logs
configure_logs()
log = structlog.get_logger()
try:
    raise RuntimeError("no such patient: 11010519491231002X")
except RuntimeError:
    ids = ["0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"]
    log.warning("refused 13812345678", exc_info=True, said="tel 138-1234-5678", ids=ids)
"""


def test_the_number_of_a_person_is_masked_wherever_it_stands_in_a_line() -> None:
    told = subprocess.run([sys.executable, "-c", TYPED], capture_output=True, text=True, check=True).stderr
    assert "refused 138****5678" in told
    assert "tel 138****5678" in told
    assert "no such patient: 110105********002X" in told
    assert "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b" in told
