"""What PostgreSQL could do: the statement of one read by pgbench, and the same read through the gate.

A process of its own, `python -m bench.limit`: a Task as JSON on stdin, a Found as JSON on stdout.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from uuid import UUID

import msgspec
import uvloop

from app.kernel import database
from app.kernel.actor import Actor, ActorKind
from app.kernel.settings import settings
from app.launch.binaries import postgres_binaries
from app.outpatient.queries import APPOINTMENT, MINE, PAGE_MAX, my_appointments
from app.traces.access_log import ACCESS_LOG
from app.traces.showing import Trace, begin, note_reply
from bench.filling import CLIENTS

CONNECTIONS = 8
WARM_SECONDS = 0.3
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
STATEMENT = f"{APPOINTMENT} {MINE} ORDER BY a.id DESC LIMIT $2"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Whose appointments to read, for how long; pgbench counts whole seconds only."""

    accounts: list[UUID]
    seconds: float
    audit: list[bool]  # in process with the access log, without it, or in turn


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Reads per second. `audited_per_second`: each waited until who looked at whom was durable."""

    pgbench_per_second: float
    in_process_per_second: float | None
    audited_per_second: float | None


def pgbench(task: Task) -> float:
    """One script per account: a prepared statement each, as a driver would have it."""
    with tempfile.TemporaryDirectory() as folder:
        scripts: list[str] = []
        for account in task.accounts[:CONNECTIONS]:
            path = Path(folder) / f"{account}.sql"
            path.write_text(
                STATEMENT.replace("$1", f"'{account}'").replace("$2", str(PAGE_MAX)).replace("$3", "NULL")
            )
            scripts += ["-f", str(path)]
        words = [
            postgres_binaries(None) / "pgbench", "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "1",
            "-T", str(max(1, round(task.seconds))), *scripts, settings().database_url,
        ]  # fmt: skip
        told = subprocess.run(words, capture_output=True, text=True, check=True)
    tps = TPS.search(told.stdout)
    assert tps, told.stdout
    return float(tps[1])


async def in_process(task: Task) -> dict[bool, float]:
    """The same through the gate, with the reply's bytes made of it; by whether it was audited."""
    await database.open_pool(size=CONNECTIONS)
    ACCESS_LOG.open()
    try:
        reads = {True: audited, False: unaudited}
        await clients(unaudited, task, WARM_SECONDS)  # who comes first would pay for the connections
        return {stand: await clients(reads[stand], task, task.seconds) for stand in task.audit}
    finally:
        await ACCESS_LOG.close()
        await database.close_pool()


async def clients(read: Callable[[Actor], Awaitable[bytes]], task: Task, seconds: float) -> float:
    actors = cycle(
        Actor(kind=ActorKind.ACCOUNT, id=account, channel="mini_program", request_id=str(account))
        for account in task.accounts
    )
    began = time.perf_counter()

    async def client() -> int:
        done = 0
        while time.perf_counter() - began < seconds:
            await read(next(actors))
            done += 1
        return done

    done = await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return sum(done) / (time.perf_counter() - began)


async def unaudited(actor: Actor) -> bytes:
    return msgspec.json.encode(await my_appointments(actor, limit=PAGE_MAX))


async def audited(actor: Actor) -> bytes:
    """As a request has it: the reply names its persons, and waits for its entry."""
    trace = begin(Trace(actor=actor, role="account", permission="appointment.read", sensitive=True))
    found = await my_appointments(actor, limit=PAGE_MAX)
    note_reply(found)
    reply = msgspec.json.encode(found)
    entry = trace.entry(status=200, address="192.0.2.1")
    assert entry is not None
    await ACCESS_LOG.write(entry)
    return reply


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    ours = uvloop.run(in_process(task))
    found = Found(
        pgbench_per_second=round(pgbench(task), 1),
        in_process_per_second=ours.get(False),
        audited_per_second=ours.get(True),
    )
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
