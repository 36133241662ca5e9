"""What it costs to observe a request: the same app with and without, one right after the other."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import msgspec
import pytest

from app.metrics.families import Family, Sample, rendered
from tests.evidence import evidence

READ_MICROSECONDS_MAX = 60.0  # a typical read takes 5 to 10 ms
WRITE_MICROSECONDS_MAX = 250.0  # with its log line
SCRAPE_SECONDS_MAX = 0.5
ROUTES = 300
ROUNDS = 9

MEASURED = """
import asyncio, json, sys, time
from litestar import Litestar, get, post
from app.logs import configure_logs
from app.metrics import requests
from app.edge.buckets import Rate

@get("/a")
async def read() -> None: ...
@post("/a")
async def write() -> None: ...

requests.LINES = Rate(per_minute=1e9, burst=10**9)
configure_logs()

def scope(method):
    return {"type": "http", "method": method, "path": "/a", "raw_path": b"/a", "query_string": b"",
            "headers": [(b"host", b"x")], "scheme": "http", "root_path": "", "http_version": "1.1",
            "server": ("x", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0"}}

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

async def send(message): ...

async def microseconds(app, method, number=1500):
    began = time.process_time()
    for _ in range(number):
        await app(scope(method), receive, send)
    return 1e6 * (time.process_time() - began) / number

async def main(rounds):
    plain, control = (Litestar([read, write], openapi_config=None, logging_config=None) for _ in range(2))
    observed = requests.Observed([read, write], openapi_config=None, logging_config=None)
    found = []
    for _ in range(rounds + 1):
        base = {method: await microseconds(plain, method) for method in ("GET", "POST")}
        found.append({
            "read": await microseconds(observed, "GET") - base["GET"],
            "write_with_line": await microseconds(observed, "POST") - base["POST"],
            "control": await microseconds(control, "GET") - base["GET"],
            "plain": base["GET"],
        })
    print(json.dumps(found[1:]))

asyncio.run(main(int(sys.argv[1])))
"""


@pytest.mark.long
def test_observing_a_request_costs_little(tmp_path: Path) -> None:
    what = "processor time that ids, counters and log line add to a request; a scrape of three processes"
    with evidence("observing-cost", what) as numbers, (tmp_path / "serve.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(ROUNDS)], stdout=subprocess.PIPE, stderr=log, check=True
        )
        rounds = msgspec.json.decode(done.stdout, type=list[dict[str, float]])
        for name in rounds[0]:
            numbers[f"{name}_microseconds"] = round(median(one[name] for one in rounds), 1)
        numbers["log_line_bytes"] = round((tmp_path / "serve.log").stat().st_size / (1500 * (ROUNDS + 1)))
        numbers["scrape_milliseconds"] = round(1000 * median(scrape_seconds() for _ in range(5)), 1)
    assert numbers["read_microseconds"] < READ_MICROSECONDS_MAX
    assert numbers["write_with_line_microseconds"] < WRITE_MICROSECONDS_MAX
    assert abs(numbers["control_microseconds"]) < numbers["read_microseconds"]
    assert numbers["scrape_milliseconds"] < 1000 * SCRAPE_SECONDS_MAX


def scrape_seconds() -> float:
    """To render every route of three servers, each with all its buckets."""

    families = [
        Family("jiuyi_request_seconds", "histogram", "about", [
            Sample(f"jiuyi_request_seconds_{part}", {"route": f"/{n}", "le": "1", "process": process}, 1.0)
            for n in range(ROUTES) for part in (*["bucket"] * 11, "count", "sum")
        ])
        for process in ("serve-0", "serve-1", "serve-2")
    ]  # fmt: skip
    began = time.process_time()
    rendered(msgspec.msgpack.decode(msgspec.msgpack.encode(families), type=list[Family]))
    return time.process_time() - began
