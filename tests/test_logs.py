"""What stands in a log, and what never does."""

import json
import subprocess
import sys
import time
from pathlib import Path

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


LIBRARY = """
import logging
from app.logs import configure_logs
configure_logs()
logging.getLogger("uvicorn.error").info("a phone: 13812345678")
try:
    raise RuntimeError("no such bed")
except RuntimeError:
    logging.getLogger("uvicorn.error").exception("it broke for %s", "13812345678")
"""


def test_what_a_library_warns_of_is_a_line_like_any_other() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True)
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["event"] == "it broke for 138****5678"
    assert line["level"] == "error"
    assert line["exception"][0]["exc_value"] == "no such bed"


WRITING = """
import sys, time
import structlog
from app import logs
logs.LOOK_SECONDS = 0.0
logs.configure_logs()
log = structlog.get_logger()
for number in range(2000):
    log.info("line", number=number)
    if number % 100 == 0:
        time.sleep(0.01)
sys.stdout.write("the end\\n")
"""


def test_no_line_is_lost_while_two_processes_write_and_the_file_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "serve.log"
    with path.open("ab") as output:
        writing = [
            subprocess.Popen([sys.executable, "-c", WRITING], stdout=output, stderr=output) for _ in range(2)
        ]
    number = 0
    while any(one.poll() is None for one in writing):
        if path.exists() and path.stat().st_size:
            path.rename(tmp_path / f"serve-{number}.log")
            number += 1
        time.sleep(0.02)
    assert [one.returncode for one in writing] == [0, 0]
    assert number > 2
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    numbers = [json.loads(line)["number"] for line in lines if line != "the end"]
    assert sorted(numbers) == sorted([*range(2000), *range(2000)])
    assert lines.count("the end") == 2


FULL = """
import os
import structlog
from app.logs import configure_logs
configure_logs()
os.close(2)
os.close(1)
structlog.get_logger().info("nobody reads this")
"""


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    assert subprocess.run([sys.executable, "-c", FULL], check=False, stderr=subprocess.PIPE).returncode == 0
