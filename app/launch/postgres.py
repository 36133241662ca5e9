"""The embedded PostgreSQL: created once, started on a free loopback port, recovered by itself."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.launch.accounts import account_for, make_own
from app.launch.binaries import postgres_binaries
from app.launch.processes import (
    Account,
    Child,
    die_with_parent,
    last_line,
    open_log,
    run_as,
    spawn,
    swept_on_error,
    wait_while,
)
from app.launch.refusals import CannotStart
from app.launch.secrets_kept import password

USER = DATABASE = "jiuyi"
READY_SECONDS = 60.0  # crash recovery after a busy day reads its log before it answers
FORMER_SECONDS = 6.0  # a postmaster of the former run may still be shutting down
INITDB_SECONDS = 120.0
TRIES_MAX = 3  # a free port may be taken between our look and the server's bind

# The server writes neither statements nor DETAIL lines to its log: both can hold patients' names.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] ",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
PLAIN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Postgres(msgspec.Struct, frozen=True):
    child: Child
    port: int
    url: str


def start_postgres(data: Path, lock: int, *, durable: bool) -> Postgres:
    """Returns when it accepts connections."""
    directory = data / "postgres"
    account = account_for(directory)
    binaries = postgres_binaries(account)
    secret = password(data, "postgres")
    if not directory.exists():
        create(data, lock, binaries, account, secret, () if durable else ("--no-sync",))
    refuse_other_version(directory, binaries)
    refuse_running(directory)
    options = OPTIONS if durable else OPTIONS | NOT_DURABLE
    log = data / "log" / "postgres.log"
    for _ in range(TRIES_MAX):
        port = free_port()
        child = launch(directory, binaries, account, lock, log, options | {"port": str(port)})
        with swept_on_error(child):
            if came_up(directory, child):
                url = f"postgresql://{USER}:{secret}@127.0.0.1:{port}/{DATABASE}"
                return Postgres(child, port, url)
        child.sweep()
    raise CannotStart(f"PostgreSQL 没有启动:{last_line(log)}。完整记录:{log}")


def create(
    data: Path, lock: int, binaries: Path, account: Account | None, secret: str, options: tuple[str, ...]
) -> None:
    """initdb into a folder that gets its name when it is whole: an interrupted one starts over."""
    half = data / "postgres.new"
    shutil.rmtree(half, ignore_errors=True)
    make_own(half, account)
    try:
        with opened(half) as descriptor, secret_file(secret, account) as secret_descriptor:
            where = f"/proc/self/fd/{descriptor}"
            keep_open = (descriptor, secret_descriptor, lock)
            run_tool(
                [binaries / "initdb", "-D", where, "-U", USER, "-A", "scram-sha-256", "-E", "UTF8",
                 "--locale-provider=builtin", "--locale=C.UTF-8",
                 f"--pwfile=/proc/self/fd/{secret_descriptor}", *options],
                account, keep_open,
            )  # fmt: skip
            # Single-user mode needs no port, no password and no second start.
            run_tool(
                [binaries / "postgres", "--single", "-D", where, "template1"],
                account, keep_open, f"create database {DATABASE}\n".encode(),
            )  # fmt: skip
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    half.rename(data / "postgres")


def run_tool(
    argv: list[str | Path],
    account: Account | None,
    keep_open: tuple[int, ...],
    stdin: bytes = b"",
) -> None:
    done = subprocess.run(
        argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
        env=PLAIN_ENVIRONMENT, pass_fds=keep_open, timeout=INITDB_SECONDS, check=False,
        preexec_fn=die_with_parent(signal.SIGKILL),
        **run_as(account),
    )  # fmt: skip
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0 or "ERROR:" in text:
        reason = text.splitlines()[-1] if text else f"exit {done.returncode}"
        raise CannotStart(f"不能建立数据库({Path(argv[0]).name}):{reason}")


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    """The server reaches its data through this descriptor, also below folders closed to it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def secret_file(secret: str, account: Account | None) -> Iterator[int]:
    """A file in memory that the server's user may open: the password touches no disk."""
    descriptor = os.memfd_create("password")
    try:
        os.write(descriptor, secret.encode())
        os.fchmod(descriptor, 0o600)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        yield descriptor
    finally:
        os.close(descriptor)


def refuse_other_version(directory: Path, binaries: Path) -> None:
    data_version = (directory / "PG_VERSION").read_text().strip()
    text = subprocess.run(
        [binaries / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    ours = re.search(r"(\d+)", text)
    assert ours is not None
    if int(data_version) != int(ours[1]):
        newer = int(data_version) > int(ours[1])
        raise CannotStart(
            f"数据目录 {directory} 由 PostgreSQL {data_version} 建立,"
            f"本程序自带的是 PostgreSQL {ours[1]}。"
            + ("请使用更新的程序版本。" if newer else "请先用 pg_upgrade 升级,或恢复原来的版本。")
            + "数据没有改动。"
        )


def refuse_running(directory: Path) -> None:
    """Waits for a postmaster of a killed run; forgets a pid that now belongs to another program."""
    pid_file = directory / "postmaster.pid"
    pid = recorded_pid(pid_file)
    if pid and not wait_while(lambda: serves(pid, directory), FORMER_SECONDS):
        raise CannotStart(f"另一个 PostgreSQL(进程 {pid})正在使用 {directory}。请先停止它。")
    if pid and Path(f"/proc/{pid}").exists():
        pid_file.unlink(missing_ok=True)


def recorded_pid(pid_file: Path) -> int:
    lines = pid_file.read_text().splitlines() if pid_file.exists() else []
    return int(lines[0]) if lines and lines[0].isdigit() else 0


def serves(pid: int, directory: Path) -> bool:
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() != "postgres":
            return False
        return Path(f"/proc/{pid}/cwd").samefile(directory)
    except PermissionError:
        return True  # a PostgreSQL that we may not look into: rather refuse than share
    except OSError:
        return False


def launch(
    directory: Path,
    binaries: Path,
    account: Account | None,
    lock: int,
    log: Path,
    options: dict[str, str],
) -> Child:
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with opened(directory) as descriptor, open_log(log) as output:
        return spawn(
            "postgres",
            [binaries / "postgres", "-D", f"/proc/self/fd/{descriptor}", *settings],
            env=PLAIN_ENVIRONMENT,
            log=output,
            account=account,
            cwd="/",
            keep_open=(descriptor, lock),
            gentle=signal.SIGINT,  # "fast": end sessions, checkpoint, exit
            firm=signal.SIGQUIT,  # "immediate": exit, recover at the next start
        )


def came_up(directory: Path, child: Child) -> bool:
    """Reads what pg_ctl reads: line 1 is the process, line 8 its status."""
    pid_file = directory / "postmaster.pid"

    def starting() -> bool:
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        ready = len(lines) > 7 and lines[0] == str(child.pid) and lines[7].strip() == "ready"
        return child.alive() and not ready

    return wait_while(starting, READY_SECONDS) and child.alive()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
