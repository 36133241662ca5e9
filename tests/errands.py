"""A worker with one effect, one fact and tables for both: run as a process of its own, to be killed at will.

`python -m tests.errands` is the house's worker, with these in place of the hospital's.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app import worker
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.kernel.events import Event, Subscription, emit, fact
from app.kernel.ids import new_id
from app.kernel.jobs import JobRun, enqueue, fence
from app.kernel.relay import Relay
from app.kernel.settings import ROOT, settings
from app.launch.processes import Child, open_log, spawn, wait_while
from tests.recording.recorder import RECORDER

READY_SECONDS_MAX = 40.0
TEST = system("test")

# effect: the world outside, which knows nobody's transaction. receipt and hearing: ours. Only the
# effect has a key, so that everything done twice can be counted.
TABLES = """
CREATE TABLE public.effect (key text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE public.effect_without_key (key text, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE public.receipt (key text, pid integer, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE public.hearing (errand_id uuid, at timestamptz DEFAULT clock_timestamp());
GRANT SELECT, INSERT ON public.receipt, public.hearing TO jiuyi_app, jiuyi_worker;
GRANT SELECT ON public.effect, public.effect_without_key TO jiuyi_app, jiuyi_worker;
"""


@fact(kind="errand.run", aggregate="errand", key="errand_id")
class ErrandRun(msgspec.Struct, frozen=True):
    errand_id: UUID


async def make_tables(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLES)
    await connection.close()


@action
async def run_errand(actor: Actor) -> None:
    await emit(actor, ErrandRun(new_id()))


async def ask(key: str, *, seconds: float = 0.0, table: str = "effect", fenced: bool = True) -> None:
    """One job, whose answer from outside takes `seconds`."""
    arguments: dict[str, Any] = {"key": key, "seconds": seconds, "table": table, "fenced": fenced}
    assert await enqueue(TEST, kind="tests.errand", arguments=arguments, unique_key=key)


async def hear(actor: Actor, told: Any, event: Event) -> None:
    await fetch("INSERT INTO hearing (errand_id) VALUES ($1)", told.errand_id)


async def do_errand(run: JobRun) -> None:
    outside = await asyncpg.connect(settings().database_url)
    await outside.execute(
        f"INSERT INTO public.{run.arguments['table']} (key) VALUES ($1) ON CONFLICT DO NOTHING",
        run.arguments["key"],
    )
    await outside.close()
    await asyncio.sleep(run.arguments["seconds"])
    await receive(system("job"), run=run)


@action
async def receive(actor: Actor, *, run: JobRun) -> None:
    if run.arguments["fenced"]:
        await fence(run)
    await fetch("INSERT INTO receipt (key, pid) VALUES ($1, $2)", run.arguments["key"], os.getpid())


def start_worker(log: Path, *argv: str) -> Child:
    """A worker that is ready; this module's, unless `argv` names another program."""
    words = argv or (sys.executable, "-m", "tests.errands")
    said = log.stat().st_size if log.exists() else 0
    RECORDER.logs.add(log)
    with open_log(log) as output:
        child = spawn("worker", words, env=dict(os.environ), log=output, cwd=ROOT)
    wait_while(lambda: child.alive() and b"worker_ready" not in log.read_bytes()[said:], READY_SECONDS_MAX)
    assert child.alive(), log.read_text()
    return child


def main() -> None:
    worker.JOB_HANDLERS["tests.errand"] = do_errand
    worker.SWEEPS.clear()
    worker.SUBSCRIPTIONS[:] = [Subscription("tests.hear", ErrandRun, hear)]
    assert Relay(worker.SUBSCRIPTIONS).by_kind
    worker.main()


if __name__ == "__main__":
    sys.modules["tests.errands"] = sys.modules["__main__"]
    main()
