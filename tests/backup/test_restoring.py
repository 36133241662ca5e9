"""The machine is gone; the folder and the passphrase are there."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from app.backup import folder
from app.cli import main
from app.demo.logging_in import StaffSessions
from app.kernel.settings import settings
from app.launch.embedded import embedded_servers
from app.launch.unfinished import MARK, Restore, mark
from app.metrics.surroundings import last_backup
from tests.backup.conftest import PASSPHRASE, Hospital, begin, execute, facts, fetch, jiuyi
from tests.hospital import run_hospital, told

# What a restore changes on purpose.
STARTED_OVER = {"public.rt_stream", "public.login_session", "public.job", "public.restoration"}


def unchanged(hospital: Hospital, url: str) -> None:
    """Every row is there, but for what starts over and the traces of it."""
    there = facts(url, hospital.identity)
    differing = {table.name for table in hospital.manifest.tables if there.get(table.name) != table}
    assert {name for name in differing if not name.startswith("public.record_version_")} <= STARTED_OVER
    assert "public.restoration" in differing | there.keys()


@pytest.fixture(scope="module")
def restored(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the new machine."""
    data = tmp_path_factory.mktemp("machine") / "var"
    done = jiuyi("restore", hospital.backup, data=data)
    assert done.returncode == 0, done.stderr
    assert "恢复完成并已逐表核对" in done.stdout
    assert "所有登录已退出" in done.stdout
    return data


def test_a_hospital_that_lost_its_machine_loses_nothing(hospital: Hospital, restored: Path):
    for name in ("keys", "secrets", "demo"):
        for path in (hospital.data / name).rglob("*"):
            other = restored / path.relative_to(hospital.data)
            assert path.is_dir() or other.read_bytes() == path.read_bytes()
            assert oct(other.stat().st_mode)[-3:] in {"600", "700"}
    assert not (restored / MARK).exists()
    with embedded_servers(restored) as (url, _):
        unchanged(hospital, url)


def test_the_last_backup_is_noted(hospital: Hospital):
    last = last_backup(hospital.data)
    assert last is not None
    assert last.at == hospital.manifest.taken_at
    assert last.directory == str(hospital.backup)


def test_what_was_under_way_starts_over(hospital: Hospital, restored: Path):
    with embedded_servers(restored) as (url, _):
        assert str(fetch(url, "SELECT epoch FROM rt_stream WHERE stream = 'test:ward'")[0][0]) != (
            "00000000-0000-0000-0000-000000000001"
        )
        assert fetch(url, "SELECT FROM login_session WHERE revoked_at IS NULL") == []
        [job] = fetch(url, "SELECT status, lease_epoch, leased_until FROM job WHERE kind = 'test.job'")
        assert tuple(job) == ("due", 4, None)
        assert fetch(url, "SELECT nextval('admission_number')")[0][0] == 41 + 1000 + 1
        [record] = fetch(url, "SELECT backup_id, backup_at, restored_by, rows FROM restoration")
        assert record["backup_id"] == hospital.manifest.id
        assert record["backup_at"] == hospital.manifest.taken_at
        assert "@" in record["restored_by"]
        assert record["rows"] == sum(table.rows for table in hospital.manifest.tables)
        with pytest.raises(Exception, match="append-only"):
            execute(url, "DELETE FROM restoration")


def test_the_restored_hospital_lets_its_staff_in(restored: Path):
    """The password's hash, the seed's key and the tokens' keys: all came back."""
    with (
        embedded_servers(restored) as (database_url, redis_url),
        run_hospital(database_url=database_url, redis_url=redis_url, data=restored) as running,
    ):
        asyncio.run(log_in(running.url, told(restored / "demo" / "credentials.json")["staff"][0]))


async def log_in(url: str, login: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        caller = await StaffSessions().caller(http, "/api/staff/v1", login)
        assert caller.headers["Authorization"]


def test_a_hospital_that_is_there_is_not_overwritten(hospital: Hospital, restored: Path):
    before = (restored / "keys/field_keys.json").read_bytes()
    done = jiuyi("restore", hospital.backup, data=restored)
    assert done.returncode == 1
    assert "已有数据" in done.stderr
    assert "--replace" in done.stderr
    (restored / "keys/mine").write_text("mine")
    done = jiuyi("restore", hospital.backup, "--replace", data=restored)
    assert done.returncode == 0, done.stderr
    [aside] = restored.glob("replaced-*")
    assert (aside / "keys/mine").read_text() == "mine"
    assert (aside / "postgres" / "PG_VERSION").exists()
    assert (restored / "keys/field_keys.json").read_bytes() == before
    assert not (restored / "keys/mine").exists()


@pytest.mark.parametrize(
    ("begun", "seconds"),
    [
        pytest.param("restore.unfinished", 0.0, marks=pytest.mark.long, id="first-step"),
        pytest.param("keys", 0.0, marks=pytest.mark.long, id="keys"),
        pytest.param("postgres/PG_VERSION", 0.3, marks=pytest.mark.long, id="server"),
        pytest.param("postgres/PG_VERSION", 1.0, id="load"),
        pytest.param("postgres/PG_VERSION", 2.0, marks=pytest.mark.long, id="later"),
    ],
)
def test_a_killed_restore_starts_nothing_and_can_be_done_again(
    hospital: Hospital, place: Path, begun: str, seconds: float
):
    process = begin("restore", hospital.backup, data=place)
    wait_for(place / begun)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (place / MARK).exists()
    refused = jiuyi("run", data=place)
    assert (refused.returncode, "上次的恢复没有完成" in refused.stderr) == (1, True)
    done = jiuyi("restore", hospital.backup, data=place)
    assert done.returncode == 0, done.stderr
    with embedded_servers(place) as (url, _):
        unchanged(hospital, url)
        assert len(fetch(url, "SELECT FROM restoration")) == 1


@pytest.mark.parametrize("command", ["migrate", "serve", "run", "backup", "worker", "seed"])
def test_no_command_starts_on_half_a_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str):
    mark(tmp_path, Restore(id="1", aside="", filling=True))
    with monkeypatch.context() as changed:
        changed.setenv("JIUYI_DATA", str(tmp_path))
        changed.setenv("JIUYI_PASSPHRASE", PASSPHRASE)
        settings.cache_clear()
        words = [command, str(tmp_path / "never")] if command == "backup" else [command]
        done = CliRunner().invoke(main, words)
    settings.cache_clear()
    assert done.exit_code == 1
    assert "上次的恢复没有完成" in done.stderr


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(folder.IDENTITY, marks=pytest.mark.long),
        folder.DATABASE,
        pytest.param(folder.SECRETS, marks=pytest.mark.long),
    ],
)
def test_a_killed_backup_is_none(hospital: Hospital, place: Path, begun: str):
    process = begin("backup", place, data=hospital.data)
    wait_for(place / begun)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = jiuyi("restore", place, data=place.parent / "new")
    assert done.returncode == 1
    assert "备份不完整" in done.stderr
    assert folder.MANIFEST in done.stderr
    done = jiuyi("backup", place, data=hospital.data)
    assert done.returncode == 1
    assert "不是空的" in done.stderr


def test_a_newer_versions_backup_is_refused(copy: Path, hospital: Hospital, place: Path):
    manifest = folder.read_manifest(copy)
    newer = msgspec.structs.replace(manifest, migrations=[*manifest.migrations, "2099-01-01T00:00:00"])
    (copy / folder.MANIFEST).unlink()
    folder.write_manifest(copy, newer, hospital.identity)
    done = jiuyi("restore", copy, data=place)
    assert done.returncode == 1
    assert "更新的程序版本" in done.stderr
    assert not (place / "keys").exists()


def test_a_damaged_load_leaves_the_place_as_it_was(copy: Path, hospital: Hospital, place: Path):
    """The rows' hashes are compared before COMMIT: here the manifest expects one row more."""
    manifest = folder.read_manifest(copy)
    tables = [
        msgspec.structs.replace(table, rows=table.rows + (table.name == "public.person"))
        for table in manifest.tables
    ]
    (copy / folder.MANIFEST).unlink()
    folder.write_manifest(copy, msgspec.structs.replace(manifest, tables=tables), hospital.identity)
    done = jiuyi("restore", copy, data=place)
    assert done.returncode == 1
    assert "表 public.person 恢复后与备份不一致" in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["lock", "log", "restored"]
