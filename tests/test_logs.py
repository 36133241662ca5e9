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
