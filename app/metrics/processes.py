"""Each process tells its figures to who asks at its own small door in JIUYI_DATA/metrics.

A Prometheus server asks one process, whichever the port gives it; that one asks the others. No figure is
added to another's: each carries the label of its process, so that a restart is seen as one.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec

from app.kernel.actor import Actor, system
from app.kernel.database import DATABASE_AWAY, action, fetch_value
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.kernel.settings import settings
from app.kernel.tasks import Watched
from app.metrics.families import Family, own_families

PROCESSES_MAX = 64  # of one kind on one machine
ASK_SECONDS_MAX = 1.0
BEAT_SECONDS = 5.0
FORGOTTEN_HOURS = 24


class ProcessKind(StrEnum):
    SERVE = "serve"
    WORKER = "worker"


class Door:
    """The place of one process among its kind: a number, and a socket that only our user may open."""

    def __init__(self, name: str, lock: int) -> None:
        self.name = name
        self.lock = lock

    def listening(self, folder: Path) -> socket.socket:
        path = folder / f"{self.name}.sock"
        path.unlink(missing_ok=True)  # a dead one's: the number is ours
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(path))
        return door


def folder() -> Path:
    found = settings().data / "metrics"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


@contextmanager
def reachable(folder: Path) -> Iterator[Path]:
    """The folder by a name that is short enough for a socket's address, however deep it lies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def take_number(kind: ProcessKind, folder: Path) -> Door:
    """The lowest number that no living process of this kind has: labels stay few over many restarts."""
    for number in range(PROCESSES_MAX):
        name = f"{kind}-{number}"
        lock = os.open(folder / f"{name}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return Door(name, lock)
    raise RuntimeError(f"more than {PROCESSES_MAX} processes of kind {kind}")


@asynccontextmanager
async def telling(kind: ProcessKind) -> AsyncIterator[str]:
    """While it runs, this process tells its figures and that it lives. Yields its name, such as `serve-0`."""
    where = folder()
    door = take_number(kind, where)
    watched = Watched()
    beats = Beats(kind)
    with reachable(where) as near:
        server = await asyncio.start_unix_server(_teller(door.name), sock=door.listening(near))
    watched.start("beat", beats.forever)
    try:
        yield door.name
    finally:
        await watched.stop()
        await beats.end()
        server.close()
        (where / f"{door.name}.sock").unlink(missing_ok=True)
        os.close(door.lock)


Teller = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _teller(name: str) -> Teller:
    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(msgspec.msgpack.encode(own_families(name)))
            await writer.drain()
        writer.close()

    return tell


async def others(but: str) -> list[Family]:
    """What the other processes of this machine tell; who does not answer in time is left out."""
    with reachable(folder()) as near:
        names = sorted(path.name for path in near.glob("*.sock") if path.stem != but)
        async with asyncio.TaskGroup() as asking:
            asked = [asking.create_task(_ask(near / name)) for name in names]
    return [family for one in asked for family in one.result()]


async def _ask(path: Path) -> list[Family]:
    try:
        async with asyncio.timeout(ASK_SECONDS_MAX):
            reader, writer = await asyncio.open_unix_connection(str(path))
            told = await reader.read(-1)
            writer.close()
        return msgspec.msgpack.decode(told, type=list[Family])
    except (OSError, TimeoutError, msgspec.MsgspecError):
        return []


class Beats:
    """A row that says every few seconds that this process lives, also to the other machines."""

    def __init__(self, kind: ProcessKind) -> None:
        self.id = new_id()
        self.kind = kind

    async def forever(self) -> None:
        while True:
            with contextlib.suppress(DomainError, *DATABASE_AWAY):
                await beat(system("beat"), beats=self)
            await asyncio.sleep(BEAT_SECONDS)

    async def end(self) -> None:
        """Gone in good order is not gone missing."""
        with contextlib.suppress(DomainError, *DATABASE_AWAY):
            await forget_beat(system("beat"), beats=self)


@action
async def beat(actor: Actor, *, beats: Beats) -> None:
    await fetch_value(
        "WITH old AS (DELETE FROM process_beat WHERE beat_at < now() - $5 * interval '1 hour')"
        " INSERT INTO process_beat (id, kind, host, pid) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (id) DO UPDATE SET beat_at = now()",
        beats.id,
        beats.kind,
        socket.gethostname()[:80],
        os.getpid(),
        FORGOTTEN_HOURS,
    )


@action
async def forget_beat(actor: Actor, *, beats: Beats) -> None:
    await fetch_value("DELETE FROM process_beat WHERE id = $1", beats.id)
