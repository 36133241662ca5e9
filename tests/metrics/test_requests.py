"""Every request leaves its id, its figures and, where it is worth one, its line; and nothing of the next."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from prometheus_client import REGISTRY, CollectorRegistry, Counter
from structlog.testing import LogCapture

from app import logs
from app.edge.buckets import Buckets
from app.kernel.actor import cause
from app.kernel.http import EXCEPTION_HANDLERS
from app.metrics import requests
from app.metrics.labels import OTHER, Bounded
from app.metrics.requests import Observed, is_worth_a_line

log = structlog.get_logger()


@get("/rooms/{name:str}")
async def room(name: FromPath[str]) -> dict[str, str]:
    log.info("looked", name_length=len(name))
    await asyncio.sleep(0.001)
    log.info("found")
    return {"cause": cause()}


@post("/rooms/{name:str}")
async def enter(name: FromPath[str]) -> None:
    if name == "shut":
        raise NotFoundException
    if name == "broken":
        raise ValueError("a bug")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    kept = structlog.get_config()
    capture = LogCapture()
    structlog.configure(processors=[*logs.BEFORE, capture], cache_logger_on_first_use=False)
    monkeypatch.setattr(requests, "_lines", Buckets(keys_max=1))
    yield capture.entries
    structlog.configure(**kept)


@pytest.fixture
async def client() -> Any:
    app: Any = Observed([room, enter], exception_handlers=EXCEPTION_HANDLERS, openapi_config=None)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as asking:
        yield asking


def counted(**labels: str) -> float:
    return REGISTRY.get_sample_value("jiuyi_requests_total", labels) or 0


async def test_the_reply_names_the_request(client: httpx.AsyncClient) -> None:
    mine = str(uuid4())
    told = await client.get("/rooms/a", headers={"X-Request-ID": mine})
    assert told.headers["x-request-id"] == mine
    assert told.json() == {"cause": mine}
    assert cause() == ""


@pytest.mark.parametrize(
    "given", ["", "11010519491231002X", "13812345678", "a" * 65, "a b" * 10, "日" * 30, "x;y" * 9]
)
async def test_what_is_no_plain_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    told = await client.get("/rooms/a", headers={b"X-Request-ID": given.encode()})
    assert told.headers["x-request-id"] != given
    assert len(told.headers["x-request-id"]) == 36


async def test_every_line_of_a_request_says_which_and_where_but_no_value(
    client: httpx.AsyncClient, lines: list[Any]
) -> None:
    await client.post("/rooms/secret-room")
    [line] = lines
    assert line["event"] == "request"
    assert line["status"] == 201
    assert (line["method"], line["route"]) == ("POST", "/rooms/{name}")
    assert line["ms"] >= 0
    assert len(line["request_id"]) == 36
    assert "secret-room" not in str(line)


async def test_two_hundred_requests_at_once_keep_their_lines_apart(
    client: httpx.AsyncClient, lines: list[Any]
) -> None:
    ids = [str(uuid4()) for _ in range(200)]
    async with asyncio.TaskGroup() as group:
        for length, one in enumerate(ids, start=1):
            group.create_task(client.get(f"/rooms/{'x' * length}", headers={"X-Request-ID": one}))
    assert len(lines) == 400
    for length, one in enumerate(ids, start=1):
        [looked, found] = [line for line in lines if line["request_id"] == one]
        assert (looked["event"], found["event"]) == ("looked", "found")
        assert looked["name_length"] == length
    log.info("afterwards")
    assert not {"request_id", "route", "method"} & lines[-1].keys()


async def test_a_refusal_and_a_bug_are_counted_and_told(client: httpx.AsyncClient, lines: list[Any]) -> None:
    route, codes = "/rooms/{name}", []
    before = counted(method="POST", route=route, status="5xx")
    await client.post("/rooms/shut")
    await client.post("/rooms/broken")
    for line in lines:
        if line["event"] == "request":
            codes.append((line["status"], line["code"], line["log_level"]))
    assert codes == [(404, "not_found", "info"), (500, "internal_error", "warning")]
    assert counted(method="POST", route=route, status="5xx") == before + 1
    assert REGISTRY.get_sample_value("jiuyi_refusals_total", {"code": "not_found"})
    assert {line["route"] for line in lines} == {route}, "also the line of the bug itself"


async def test_an_address_that_nobody_has_is_one_route(client: httpx.AsyncClient, lines: list[Any]) -> None:
    before = counted(method="GET", route="unmatched", status="4xx")
    for path in ("/admin.php", "/.env", "/patients/11010519491231002X"):
        await client.get(path)
    await client.request("HACK", "/rooms/a")
    assert counted(method="GET", route="unmatched", status="4xx") == before + 3
    assert not any("11010519491231002X" in str(line) for line in lines)
    assert REGISTRY.get_sample_value(
        "jiuyi_requests_total", {"method": OTHER, "route": "unmatched", "status": "4xx"}
    )


def test_what_is_worth_a_line() -> None:
    assert not is_worth_a_line("GET", 200, 0.1)
    assert is_worth_a_line("GET", 200, 0.5)
    assert is_worth_a_line("GET", 403, 0.0)
    assert is_worth_a_line("POST", 201, 0.0)


async def test_a_flood_leaves_a_bounded_number_of_lines(client: httpx.AsyncClient, lines: list[Any]) -> None:
    withheld = REGISTRY.get_sample_value("jiuyi_request_lines_withheld_total") or 0
    many = requests.LINES.burst + 100
    for _ in range(many):
        await client.get("/nobody")
    assert requests.LINES.burst <= len(lines) < many
    assert REGISTRY.get_sample_value("jiuyi_request_lines_withheld_total") == withheld + many - len(lines)


def test_a_label_has_only_so_many_values() -> None:
    registry = CollectorRegistry()
    few = Bounded(Counter("few", "few", ["code"], registry=registry), most=3)
    for number in range(100):
        few.of(f"code-{number}").inc()
    [family] = [one for one in registry.collect() if one.name == "few"]
    found = {s.labels["code"]: s.value for s in family.samples if s.name == "few_total"}
    assert found == {"code-0": 1, "code-1": 1, "code-2": 1, OTHER: 97}
