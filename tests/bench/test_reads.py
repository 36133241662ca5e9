"""`jiuyi bench reads` from end to end, as short as it can be: the numbers mean nothing, the form does."""

import json

import pytest
from click.testing import CliRunner

from app import cli
from app.kernel.settings import settings
from bench.clients import Measured
from bench.databases import execute, is_ours, lower_walls, raise_walls
from bench.reads import JUDGED, of_route
from bench.serve import main

ROUTES = {"my_appointments", "my_reports", "one_report", "encounter_orders", "room_queue"}


def test_one_short_round_tells_every_route_with_its_ratio(servers: tuple[str, str]):
    words = ["bench", "reads", "--rounds", "1", "--seconds", "0.2", "--json"]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code in (0, 1), done.output
    told = json.loads(done.output.splitlines()[-1])
    assert set(told["routes"]) == ROUTES
    for route in told["routes"].values():
        assert route["on"]["median_ms"] > 0
        assert route["off"]["per_second"] > 0
        assert route["ratio"]["rounds"] == [pytest.approx(route["ratio"]["median"], abs=0.001)]
    assert told["limit"]["on"]["ratio"]["median"] > 0
    assert told["limit"]["on"]["audited"]["median"] > 0
    assert told["ok"] is (done.exit_code == 0)
    [kept] = list((settings().data / "bench").glob("reads-*.json"))
    assert json.loads(kept.read_text()) == told


def measured(milliseconds: float) -> Measured:
    return Measured(median_ms=milliseconds, p99_ms=milliseconds, per_second=1, statuses={"200": 1})


def test_a_ratio_is_taken_within_each_round():
    rounds = [{"on": measured(on), "off": measured(off)} for on, off in ((12, 10), (33, 30), (26, 20))]
    told = of_route(rounds)
    assert told["ratio"] == {"median": 1.2, "min": 1.1, "max": 1.3, "rounds": [1.2, 1.1, 1.3]}
    assert told["on"]["median_ms"] == 26
    assert "ratio" not in of_route([{"on": measured(1)}])
    assert set(JUDGED) < ROUTES


def test_lowered_walls_are_raised_again(database_url: str):
    execute(database_url, "CREATE TABLE public.walled (id int)")
    execute(database_url, "ALTER TABLE public.walled ENABLE ROW LEVEL SECURITY")
    lowered = lower_walls(database_url)
    assert "public.walled" in lowered
    assert lower_walls(database_url) == []
    raise_walls(database_url, lowered)
    assert lower_walls(database_url) == lowered


def test_nothing_but_a_benchmarks_database_is_served_without_walls(database_url: str):
    assert is_ours("postgresql://u:p@127.0.0.1:5432/jiuyi_bench_1_open")
    for walls in ("on", "off"):
        with pytest.raises(AssertionError, match="only a benchmark's own database"):
            main(walls, "on")
