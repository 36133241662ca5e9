"""`jiuyi run` from start to stop, with real servers and stand-in children."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from app.launch.lock import running
from tests.launch.conftest import Hospital, alive, environment, gone, until

Start = Callable[..., Hospital]
FIVE = 5.0  # seconds: the promise for every kind of end


def sql(hospital: Hospital, statement: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(hospital.told().database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_start_says_ready_and_tells_its_children_where_the_servers_are(start: Start, data: Path):
    hospital = start(fresh=True).ready()
    told = json.loads((data / "told" / "serve.json").read_text())
    assert told["DATABASE_URL"] == hospital.told().database_url
    assert told["REDIS_URL"] == hospital.told().redis_url
    assert told["JIUYI_INSTANCE"] == hospital.told().instance
    assert told["JIUYI_DEMO"] == "1"
    assert "127.0.0.1" in told["DATABASE_URL"]
    assert f"http://127.0.0.1:{hospital.port}/ui/display" in hospital.text()
    assert sql(hospital, "SELECT datcollate FROM pg_database WHERE datname = 'jiuyi'") == "C.UTF-8"
    assert sql(hospital, "SHOW data_checksums") == "on"
    assert (data / "run.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("signum", "service"),
    [(signal.SIGINT, "sleeper"), (signal.SIGTERM, "stubborn")],
    ids=["ctrl-c", "sigterm, and a child that will not go"],
)
def test_a_stop_ends_everything_within_five_seconds(start: Start, kept: Path, signum: int, service: str):
    hospital = start("done", f"{service},serve").ready()
    pids = hospital.pids()
    assert {"postgres", "valkey-server", service, "serve"} <= set(hospital.family())
    assert all(alive(pid) for pid in pids)
    assert running(kept)
    took = hospital.end(signum)
    assert took < FIVE
    assert gone(pids, FIVE - took)
    assert not running(kept)
    assert hospital.process.returncode == 0
    assert not (kept / "run.json").exists()


def test_a_stop_while_starting_ends_everything(start: Start):
    hospital = start("sleeper", "", "", "early")
    assert hospital.says("Valkey 就绪")
    pids = hospital.pids()
    took = hospital.end()
    assert took < FIVE
    assert hospital.process.returncode == 0
    assert gone(pids, FIVE - took)


def test_a_stop_that_a_callback_swallows_still_stops(start: Start):
    """Python drops what a signal's handler raises in the callbacks after a fork: the wish remains."""
    hospital = start("sleeper", "", "", "early", SIGNAL_AFTER_FORK="3")  # PostgreSQL, Valkey, early
    assert until(lambda: hospital.process.poll() is not None, FIVE), hospital.text()
    assert "Exception ignored" in hospital.text()
    assert hospital.process.returncode == 0
    assert "已停止" in hospital.text()


def test_kill_9_leaves_no_orphan_and_the_next_start_has_the_data(start: Start, kept: Path):
    hospital = start().ready()
    sql(hospital, "DROP TABLE IF EXISTS kept")
    sql(hospital, "CREATE TABLE kept AS SELECT 42 AS answer")
    pids = hospital.pids()
    hospital.process.kill()
    hospital.process.wait()
    assert gone(pids, FIVE)
    again = start(port=hospital.port).ready()
    assert sql(again, "SELECT answer FROM kept") == 42


def test_without_the_death_signal_a_child_outlives_us():
    """The control of the test above: the same kill -9, the same look, an unprotected child."""
    text = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        parent.kill()
    assert not until(lambda: not alive(orphan), 1)
    subprocess.run(["kill", str(orphan)], check=True)


def test_a_killed_postmaster_and_supervisor_are_recovered_from(start: Start, kept: Path):
    hospital = start().ready()
    sql(hospital, "DROP TABLE IF EXISTS kept")
    sql(hospital, "CREATE TABLE kept AS SELECT 42 AS answer")
    postmaster = int((kept / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    # In this order: the supervisor's death asks the postmaster to shut down in good order.
    subprocess.run(["kill", "-9", str(postmaster), str(hospital.process.pid)], check=True)
    hospital.process.wait()
    assert (kept / "postgres" / "postmaster.pid").exists()
    again = start().ready()
    assert sql(again, "SELECT answer FROM kept") == 42
    assert "automatic recovery in progress" in (kept / "log" / "postgres.log").read_text()


def test_a_stale_pid_that_is_now_another_program_does_not_stop_the_start(start: Start, kept: Path):
    start().ready().end()
    stranger = subprocess.Popen(["sleep", "60"])
    text = "\n".join([str(stranger.pid), str(kept / "postgres"), "0", "0", "", "", "0 0", "ready", ""])
    (kept / "postgres" / "postmaster.pid").write_text(text)
    start().ready()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_second_run_on_the_same_data_is_refused_and_the_first_goes_on(start: Start):
    first = start().ready()
    second = start()
    assert second.process.wait(20) == 1
    assert "已有医院在运行" in second.text()
    assert len(second.text().strip().splitlines()) == 1
    assert sql(first, "SELECT 1") == 1


def test_a_port_in_use_is_one_sentence_and_nothing_is_started(start: Start, data: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hospital = start(port=taken.getsockname()[1], fresh=True)
        assert hospital.process.wait(20) == 1
    assert "已被另一个程序占用" in hospital.text()
    assert len(hospital.text().strip().splitlines()) == 1
    assert not (data / "postgres").exists()


def test_another_hospital_on_the_port_is_never_taken_for_ours(start: Start, kept: Path, tmp_path: Path):
    """A server that answers /readyz with another instance, on our port, after our look at it."""
    hospital = start("done", "sleeper")
    assert hospital.says("替身 done完成")
    stranger = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("stand_in.py"), "serve"],
        env=environment(tmp_path, hospital.port) | {"JIUYI_INSTANCE": "another"},
    )
    assert not hospital.says("ready", 2)
    assert hospital.process.poll() is None
    stranger.kill()
    stranger.wait()


def test_data_of_a_newer_postgresql_is_refused_and_left_alone(start: Start, kept: Path):
    start().ready().end()
    version = kept / "postgres" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("99\n")
    refused = start()
    assert refused.process.wait(20) == 1
    assert "PostgreSQL 99" in refused.text()
    assert "数据没有改动" in refused.text()
    version.write_text(ours)
    start().ready()


def test_a_service_that_dies_is_started_again_and_said_so(start: Start):
    hospital = start().ready()
    pid = hospital.family()["sleeper"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    assert hospital.says("sleeper 已重新启动", 10)
    assert "sleeper 意外退出(代码 -9)" in hospital.text()
    assert hospital.family()["sleeper"] != pid


def test_valkey_comes_back_on_the_same_address(start: Start):
    hospital = start().ready()
    subprocess.run(["kill", "-9", str(hospital.family()["valkey-server"])], check=True)
    assert hospital.says("valkey 已重新启动", 10)
    assert f":{hospital.told().redis_url.rsplit(':', 1)[1].split('/')[0]}" in hospital.text()
    assert hospital.end() < FIVE


def test_the_death_of_postgresql_stops_the_hospital_with_a_sentence(start: Start, kept: Path):
    hospital = start().ready()
    pids = hospital.pids()
    postmaster = int((kept / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    subprocess.run(["kill", "-9", str(postmaster)], check=True)
    assert hospital.process.wait(10) == 1
    assert "PostgreSQL 意外停止" in hospital.text()
    assert gone(pids, FIVE)


def test_a_failed_preparation_stops_the_start_with_its_reason(start: Start):
    hospital = start("fail")
    assert hospital.process.wait(30) == 1
    assert "这一步失败了" in hospital.text()


def test_failed_pages_are_told_and_the_hospital_still_starts(start: Start):
    hospital = start("done", "serve", "fail").ready()
    assert hospital.says("注意:替身 fail没有完成")


def test_a_service_that_cannot_start_stops_the_start_with_its_reason(start: Start):
    hospital = start("done", "fail")
    assert hospital.process.wait(30) == 1
    assert "这一步失败了" in hospital.text()


def test_given_servers_replace_the_embedded_ones(start: Start, data: Path):
    given = {"DATABASE_URL": "postgresql://localhost:1/db", "REDIS_URL": "redis://localhost:1/0"}
    hospital = start(fresh=True, **given).ready()
    assert hospital.told().database_url == given["DATABASE_URL"]
    assert {"postgres", "valkey-server"}.isdisjoint(hospital.family())
    assert not (data / "postgres").exists()


def test_below_make_the_death_of_make_stops_us(start: Start, kept: Path):
    text = "import subprocess, sys; sys.exit(subprocess.Popen(sys.argv[1:]).wait())"
    run = str(Path(__file__).with_name("run_stand_ins.py"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    make = subprocess.Popen(
        [sys.executable, "-c", text, sys.executable, run],
        env=environment(kept, port) | {"MAKELEVEL": "1"},
    )
    assert until(lambda: (kept / "told" / "serve.json").exists(), 30)
    make.kill()
    make.wait()
    assert until(lambda: not running(kept), FIVE)
