"""Child processes that never outlive us: started, asked to stop, and made to stop."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypedDict

import msgspec

from app.launch.log_files import set_aside

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02
LAST_SECONDS = 0.5  # between the firm signal and SIGKILL

libc = ctypes.CDLL(None, use_errno=True)


class Account(msgspec.Struct, frozen=True):
    """The unprivileged user and group that a server runs as when we are root."""

    uid: int
    gid: int


class Said(msgspec.Struct):
    """A line as app/logs.py writes it."""

    event: str


class Child:
    """One running process, leader of a session of its own so that Ctrl-C reaches only us."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], *, gentle: int, firm: int) -> None:
        self.name = name
        self.popen = popen
        self.gentle = gentle
        self.firm = firm
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def alive(self) -> bool:
        return self.popen.poll() is None

    def ask(self, signum: int) -> None:
        if self.alive():
            self.popen.send_signal(signum)

    def sweep(self) -> None:
        """Ends what is left of its session, such as workers whose parent was killed."""
        with suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()


def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: IO[bytes] | int,
    account: Account | None = None,
    cwd: str | Path | None = None,
    keep_open: Sequence[int] = (),
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    gentle: int = signal.SIGTERM,
    firm: int = signal.SIGKILL,
) -> Child:
    """Starts a process that gets `gentle` by itself when we die, even by kill -9."""
    popen = subprocess.Popen(
        [str(word) for word in argv],
        env=dict(env),
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        pass_fds=tuple(keep_open),
        start_new_session=True,
        preexec_fn=die_with_parent(gentle),
        **run_as(account),
    )
    return Child(name, popen, gentle=gentle, firm=firm)


class RunAs(TypedDict):
    """The arguments of Popen that change the user; None leaves it."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


def run_as(account: Account | None) -> RunAs:
    if account is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def die_with_parent(signum: int) -> Callable[[], None]:
    """Asks the kernel to signal the child when its parent dies.

    Runs in the child, after the change of user (which would clear the wish) and before exec. The
    wish is tied to the forking *thread*: spawn from the main thread only.
    """
    parent = os.getpid()

    def before_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def die_with_make(environment: Mapping[str, str]) -> None:
    """Below make, kill -9 of make would leave us running; on its own we may outlive a shell."""
    if "MAKELEVEL" in environment:
        die_with_our_parent()


def die_with_our_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop_all(children: Iterable[Child], *, patience_seconds: float) -> None:
    """Asks all at once, waits, then insists. Bounded: patience + LAST_SECONDS."""
    children = list(children)
    for signum in {child.gentle for child in children}:
        for child in (one for one in children if one.gentle == signum):
            child.ask(signum)
    wait_while(lambda: any(child.alive() for child in children), patience_seconds)
    for child in children:
        child.ask(child.firm)
    wait_while(lambda: any(child.alive() for child in children), LAST_SECONDS)
    for child in children:
        child.sweep()


@contextmanager
def swept_on_error(child: Child) -> Iterator[None]:
    """For the time before somebody else is responsible for the child."""
    try:
        yield
    except BaseException:
        stop_all([child], patience_seconds=LAST_SECONDS)
        raise


def wait_while(busy: Callable[[], bool], seconds: float) -> bool:
    """True when it ended in time."""
    deadline = time.monotonic() + seconds
    while busy():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def open_log(path: Path) -> IO[bytes]:
    """Appends; a log that is another user's makes room for a new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        set_aside(path)
    return path.open("ab")


def last_line(path: Path) -> str:
    """The last words in a log: usually the reason."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 4000))
        lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return said(lines[-1].strip()) if lines else ""


def said(line: str) -> str:
    """What a line of our own logs says; any other as it is."""
    try:
        return msgspec.json.decode(line, type=Said).event
    except msgspec.MsgspecError:
        return line
