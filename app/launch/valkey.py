"""The embedded Valkey: hints and job wake-ups; losing it costs latency, never a message."""

import os
import signal
import socket
from pathlib import Path

import msgspec

from app.launch.accounts import account_for, make_own
from app.launch.binaries import valkey_binary
from app.launch.postgres import PLAIN_ENVIRONMENT, TRIES_MAX, free_port, opened
from app.launch.processes import (
    Account,
    Child,
    last_line,
    open_log,
    spawn,
    swept_on_error,
    wait_while,
)
from app.launch.refusals import CannotStart
from app.launch.secrets_kept import password

READY_SECONDS = 20.0
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {secret}
dir .
appendonly yes
appendfsync everysec
save ""
daemonize no
"""


class Valkey(msgspec.Struct, frozen=True):
    child: Child
    port: int
    url: str


def start_valkey(data: Path, lock: int, *, port: int = 0) -> Valkey:
    """Returns when it answers. A `port` is given when it comes back after its death."""
    directory = data / "valkey"
    account = account_for(directory)
    binary = valkey_binary(account)
    make_own(directory, account)
    secret = password(data, "valkey")
    log = data / "log" / "valkey.log"
    for _ in range(TRIES_MAX):
        number = port or free_port()
        text = CONFIGURATION.format(port=number, secret=secret)
        child = launch(directory, binary, account, lock, log, text)
        with swept_on_error(child):
            if came_up(child, number, secret):
                return Valkey(child, number, f"redis://:{secret}@127.0.0.1:{number}/0")
        child.sweep()
    raise CannotStart(f"Valkey 没有启动:{last_line(log)}。完整记录:{log}")


def launch(directory: Path, binary: Path, account: Account | None, lock: int, log: Path, text: str) -> Child:
    """The configuration goes through a pipe, so that `ps` does not show the password."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    with opened(directory) as descriptor, open_log(log) as output, os.fdopen(reading, "rb") as pipe:
        return spawn(
            "valkey",
            [binary, "-"],
            env=PLAIN_ENVIRONMENT,
            log=output,
            account=account,
            cwd=f"/proc/self/fd/{descriptor}",
            keep_open=(lock,),
            stdin=pipe,
            gentle=signal.SIGTERM,
        )


def came_up(child: Child, port: int, secret: str) -> bool:
    def starting() -> bool:
        return child.alive() and not answers(port, secret)

    return wait_while(starting, READY_SECONDS) and child.alive()


def answers(port: int, secret: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(f"AUTH {secret}\r\nPING\r\n".encode())
            reply = b""
            while reply.count(b"\r\n") < 2:
                part = connection.recv(100)
                if not part:
                    break
                reply += part
            return reply == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False
