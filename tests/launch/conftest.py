"""A real supervisor over stand-in children, in a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from app.launch.embedded import embedded_servers
from app.launch.environment import Run

ROOT = Path(__file__).resolve().parents[2]
RUN_STAND_INS = Path(__file__).with_name("run_stand_ins.py")
READY_SECONDS = 40.0


class Hospital:
    """One `jiuyi run` with stand-ins, and what it says."""

    def __init__(self, data: Path, port: int, *plan: str, **variables: str) -> None:
        self.data = data
        self.port = port
        self.output = data.parent / f"{data.name}-{time.monotonic_ns()}.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, RUN_STAND_INS, *plan],
                env=environment(data, port) | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text()

    def says(self, words: str, seconds: float = READY_SECONDS) -> bool:
        """Waits until it has said it; False when it ended, or time was up, before."""
        until(lambda: words in self.text() or self.process.poll() is not None, seconds)
        return words in self.text()

    def ready(self) -> "Hospital":
        assert self.says("ready"), self.text()
        return self

    def told(self) -> Run:
        return msgspec.json.decode((self.data / "run.json").read_bytes(), type=Run)

    def family(self) -> dict[str, int]:
        """Our own children by the last word of their command line or, for servers, their name."""
        return {name_of(pid): pid for pid in children_of(self.process.pid)}

    def pids(self) -> list[int]:
        """Every live process below us, PostgreSQL's own children too."""
        return descendants(self.process.pid)

    def end(self, signum: int = signal.SIGINT) -> float:
        """The seconds it took to stop."""
        began = time.monotonic()
        self.process.send_signal(signum)
        self.process.wait(20)
        return time.monotonic() - began


def environment(data: Path, port: int) -> dict[str, str]:
    ours = ("JIUYI_", "DATABASE_URL", "REDIS_URL", "MAKE")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return plain | {"JIUYI_DATA": str(data), "JIUYI_PORT": str(port), "PYTHONPATH": str(ROOT)}


def descendants(pid: int) -> list[int]:
    children = children_of(pid)
    return children + [pid for child in children for pid in descendants(child)]


def name_of(pid: int) -> str:
    words = read(f"/proc/{pid}/cmdline").split("\0")
    name = read(f"/proc/{pid}/comm").strip()
    return words[-2] if name.startswith("python") and len(words) > 1 else name


def children_of(pid: int) -> list[int]:
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])


def gone(pids: list[int], seconds: float = 0) -> bool:
    return until(lambda: not any(alive(pid) for pid in pids), seconds)


def until(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory below a folder that only we may enter, as a checkout in /root would be."""
    with tempfile.TemporaryDirectory(prefix="jiuyi-launch-") as folder:
        yield Path(folder) / "var"


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    """A data directory that many starts use one after another, as in life; making one takes a second."""
    with tempfile.TemporaryDirectory(prefix="jiuyi-launch-") as folder:
        with embedded_servers(Path(folder) / "var", durable=False):
            pass
        yield Path(folder) / "var"


@pytest.fixture
def start(data: Path, kept: Path) -> Iterator[Callable[..., Hospital]]:
    """Starts hospitals on `kept` or, when fresh, on `data`; whatever the test leaves is killed."""
    begun: list[Hospital] = []
    shutil.rmtree(kept / "told", ignore_errors=True)
    (kept / "log" / "postgres.log").write_text("")

    def begin(*plan: str, port: int = 0, fresh: bool = False, **variables: str) -> Hospital:
        hospital = Hospital(data if fresh else kept, port or free_port(), *plan, **variables)
        begun.append(hospital)
        return hospital

    yield begin
    pids = [pid for hospital in begun for pid in hospital.pids()]
    for hospital in begun:
        hospital.process.kill()
        hospital.process.wait(5)
    assert gone(pids, 6)
