"""What an operator can see: one request in every log it reached, and all processes in one scrape."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.demo.day import Day
from app.kernel.settings import Settings
from app.launch.logins import own_login
from app.launch.plan import JIUYI, Task
from app.launch.postgres import free_port
from app.launch.processes import stop_all
from tests.hospital import STOP_SECONDS_MAX, RunningHospital, await_ready, start
from tests.visitors import book

SEEN_LOOKS_MAX = 200
REQUESTS = 60


def lines_of(hospital: RunningHospital, process: str, request_id: str) -> list[dict[str, Any]]:
    path = hospital.data / "log" / f"{process}.log"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line.get("request_id") == request_id]


async def rows_of(hospital: RunningHospital, sql: str, request_id: str) -> list[Any]:
    connection = await asyncpg.connect(hospital.environment["DATABASE_URL"])
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.actor_kind', 'system', true)")
            return [row[0] for row in await connection.fetch(sql, request_id)]
    finally:
        await connection.close()


async def eventually_true(look: Callable[[], bool]) -> None:
    for _ in range(SEEN_LOOKS_MAX):
        if look():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it is not to be seen")


async def test_one_cancellation_is_found_wherever_it_led(day: Day, running_hospital: RunningHospital) -> None:
    """Events, deliveries, the refund's job and the worker's own log carry the id that the phone sent."""
    visitor, appointment, _ = await book(day)
    mine = str(uuid4())
    visitor.phone.headers["X-Request-ID"] = mine
    await visitor.phone.post(f"/appointments/{appointment['id']}/cancel")
    del visitor.phone.headers["X-Request-ID"]

    def ran() -> bool:
        told = lines_of(running_hospital, "worker", mine)
        return any(line["event"] == "job_ran" and line["outcome"] == "done" for line in told)

    await eventually_true(ran)
    [asked] = [line for line in lines_of(running_hospital, "serve", mine) if line["event"] == "request"]
    assert asked["route"] == "/api/mini-program/v1/appointments/{appointment_id}/cancel"
    assert (asked["status"], asked["actor"]) == (200, "account")
    assert not {appointment["id"], visitor.name, visitor.id_number} & set(map(str, asked.values()))

    events = await rows_of(running_hospital, "SELECT kind FROM event WHERE request_id = $1 ORDER BY at", mine)
    assert {"appointment.cancelled", "refund.requested"} <= set(events)
    jobs = await rows_of(running_hospital, "SELECT status FROM job WHERE request_id = $1", mine)
    assert jobs == ["done"]
    heard = await rows_of(
        running_hospital,
        "SELECT DISTINCT subscriber FROM delivery JOIN event ON event.id = event_id WHERE request_id = $1",
        mine,
    )
    worker = lines_of(running_hospital, "worker", mine)
    delivered = {line["subscriber"] for line in worker if line["event"] == "delivered"}
    assert delivered == set(heard)


@pytest.fixture
def two_servers(running_hospital: RunningHospital) -> Iterator[str]:
    """`jiuyi serve --workers 2` beside the server and the worker that run already."""
    config = Settings(data=running_hospital.data, port=free_port())
    variables = running_hospital.environment | {"JIUYI_PORT": str(config.port), "JIUYI_INSTANCE": "two"}
    own = own_login(variables["DATABASE_URL"], "jiuyi_app")
    assert own is not None
    task = Task("two", "two", (*JIUYI, "serve", "--workers", "2"))
    child = start(task, variables | {"DATABASE_URL": own}, running_hospital.data)
    try:
        await_ready(config, "two", [child])
        yield f"http://127.0.0.1:{config.port}"
    finally:
        stop_all([child], patience_seconds=STOP_SECONDS_MAX)


def figures(text: str, name: str, **labels: str) -> dict[str, float]:
    """By process."""
    return {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    }


async def test_any_process_shows_the_figures_of_all(
    two_servers: str, running_hospital: RunningHospital
) -> None:
    for _ in range(REQUESTS):
        async with httpx.AsyncClient() as http:  # a connection of its own: either process may take it
            assert (await http.get(f"{two_servers}/readyz")).status_code == 200
    for url in (running_hospital.url, two_servers, two_servers, two_servers):
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"{url}/metrics")).text
        memory = figures(text, "process_resident_memory_bytes")
        assert memory.keys() >= {"serve-0", "serve-1", "serve-2", "worker-0"}
        assert len(set(memory.values())) > 1
        asked = figures(text, "jiuyi_requests_total", route="/readyz", status="2xx")
        assert asked["serve-1"] + asked["serve-2"] >= REQUESTS
        assert asked.get("worker-0", 0) == 0
        assert figures(text, "jiuyi_deliveries_total", outcome="done")["worker-0"] > 0
        assert figures(text, "jiuyi_pool_connections", state="most").keys() >= memory.keys()
        assert 'jiuyi_processes{kind="worker"} 1.0' in text
        assert text.count("# TYPE jiuyi_requests_total") == 1
    assert not readable_by_others(running_hospital.data / "metrics")


def readable_by_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.glob("*.lock")) if path.stat().st_mode & 0o77]
