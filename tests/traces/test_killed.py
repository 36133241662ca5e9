"""A server that is killed in the middle of its work has written every reply that somebody received."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.identity.tokens import issuer
from app.kernel.ids import new_id
from app.kernel.settings import Settings, settings
from app.launch import environment, plan
from app.launch.postgres import free_port
from app.launch.processes import Child, open_log, spawn, stop_all
from app.launch.readiness import address_of
from tests.hospital import await_ready
from tests.make import identity, patients

pytestmark = pytest.mark.commits
CLIENTS = 8
SERVED_BEFORE_THE_KILL = 200
SECONDS_MAX = 20
SERVE = {"ours": (*plan.JIUYI, "serve"), "unwaited": (sys.executable, "-m", "tests.traces.unwaited")}


def start(kind: str, database_url: str, folder: Path) -> tuple[Settings, Child]:
    config = Settings(data=settings().data, port=free_port())
    run = environment.Run(
        pid=os.getpid(),
        instance=str(new_id()),
        address=address_of(config),
        database_url=database_url,
        redis_url=settings().redis_url,
    )
    variables = environment.for_children(config, run) | {"JIUYI_PUBLIC_URL": issuer()}
    with open_log(folder / "serve.log") as output:
        child = spawn("serve", SERVE[kind], env=variables, log=output, cwd=Path.cwd())
    await_ready(config, run.instance, [child])
    return config, child


async def ask_until_it_dies(url: str, served: list[str], enough: asyncio.Event) -> None:
    """Note the ids of the requests whose whole reply arrived. Each client is a family of its own."""
    account = await identity.account_actor()
    await patients.bound_person(account)
    headers = identity.bearer(await identity.account_token(account.id))
    async with httpx.AsyncClient(base_url=url, timeout=5) as http:
        while True:
            request_id = str(new_id())
            try:
                reply = await http.get(
                    "/api/mini-program/v1/persons", headers=headers | {"X-Request-ID": request_id}
                )
            except httpx.TransportError:
                return
            assert reply.status_code == 200, reply.text
            served.append(request_id)
            if len(served) >= SERVED_BEFORE_THE_KILL:
                enough.set()


async def killed_while_reading(kind: str, database_url: str, folder: Path) -> tuple[set[str], set[str]]:
    """The requests that were answered, and those that are in the log."""
    config, child = await asyncio.to_thread(start, kind, database_url, folder)
    served: list[str] = []
    enough = asyncio.Event()
    try:
        async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(ask_until_it_dies(address_of(config), served, enough))
            await enough.wait()
            os.kill(child.popen.pid, signal.SIGKILL)
    finally:
        stop_all([child], patience_seconds=1)
    owner = await asyncpg.connect(database_url)
    try:
        rows = await owner.fetch("SELECT DISTINCT request_id FROM access_log WHERE person_id IS NOT NULL")
    finally:
        await owner.close()
    return set(served), {row["request_id"] for row in rows}


async def test_every_reply_that_arrived_has_its_row(db: str, tmp_path: Path) -> None:
    served, written = await killed_while_reading("ours", db, tmp_path)
    assert len(served) >= SERVED_BEFORE_THE_KILL
    assert served - written == set()


async def test_without_the_wait_some_are_lost(db: str, tmp_path: Path) -> None:
    """Positive control."""
    served, written = await killed_while_reading("unwaited", db, tmp_path)
    assert served - written
