"""Old months leave the database only into a file that was read back; the chain stays whole."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from click.testing import CliRunner, Result

from app.backup import old_months
from app.backup.envelope import WrongPassphrase
from app.backup.month_files import UnusableArchive
from app.backup.old_months import MustStay, NotArchived, archive
from app.cli import main
from app.kernel import clock, database
from app.kernel.settings import ROOT, settings
from app.launch.refusals import CannotStart
from app.traces.anchors import ARCHIVES
from app.traces.archived import kept_until, month_of
from app.traces.findings import Kind
from app.traces.sealing import keep_sealing
from tests.backup.quick import seal_quickly
from tests.conftest import clone, drop
from tests.traces.sealed_house import ACCESS, PERSON, check, forger, seal_everything, sealed_history

pytestmark = pytest.mark.commits
PASSPHRASE = "correct horse battery staple"
TWO_YEARS_ON, A_LIFE_ON = 366 * 2, 366 * 40


@pytest.fixture
def fresh(
    servers: tuple[str, str], template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A database of the test's own: a dropped month does not come back."""
    monkeypatch.setattr(old_months, "seal_identity", seal_quickly)
    suffix = uuid4().hex[:10]
    dsn = clone(servers[0], template, suffix)
    with monkeypatch.context() as changed:
        changed.setenv("DATABASE_URL", dsn)
        changed.setenv("JIUYI_ANCHORS", str(tmp_path / "anchors"))
        settings.cache_clear()
        yield dsn
    settings.cache_clear()
    drop(servers[0], suffix)


@pytest.fixture
async def house(fresh: str) -> AsyncIterator[asyncpg.Connection]:
    """A sealed history of this month; archiving is asked for from far in the future."""
    await database.open_pool(dsn=fresh)
    await sealed_history(fresh, rounds=3)
    connection = await forger(fresh)
    yield connection
    await connection.close()
    await database.close_pool()


def later(days: int) -> date:
    return date.fromordinal(clock.wall().date().toordinal() + days)


async def archived(folder: Path, *, days: int = TWO_YEARS_ON, passphrase: str = PASSPHRASE) -> list[str]:
    went = await archive(before="2999-01", folder=folder, passphrase=passphrase, today=later(days))
    return [line.source for line in went]


async def count(house: asyncpg.Connection, table: str) -> Any:
    return await house.fetchval(f"SELECT count(*) FROM {table}")


def edited(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def test_a_month_of_the_access_log_goes_and_the_chain_stays_whole(
    house: asyncpg.Connection, tmp_path: Path
) -> None:
    entries, versions = await count(house, "access_log"), await count(house, "record_version")
    assert await archived(tmp_path / "old") == ["access_log"]
    assert (await count(house, "access_log"), await count(house, "record_version")) == (0, versions)
    report = await check(house, rows=True)
    assert (report.findings, report.archived) == ([], entries)
    assert any("已归档" in note for note in report.notes)
    assert [path.name for path in sorted((tmp_path / "old").iterdir())] == [
        f"access_log-{month_of(clock.wall())}.jsonl.gz.age",
        "identity.age",
    ]
    await house.execute(PERSON.replace("$1", "3"))
    await seal_everything(house)
    assert (await check(house)).whole, "the chain goes on"


async def test_versions_go_after_thirty_years_and_no_day_sooner(
    house: asyncpg.Connection, tmp_path: Path
) -> None:
    assert kept_until("record_version", "2026-03") == date(2057, 1, 1)
    assert kept_until("access_log", "2026-03") == date(2027, 4, 1)
    assert await archived(tmp_path / "old", days=A_LIFE_ON) == ["access_log", "record_version"]
    assert await count(house, "record_version") == 0
    report = await check(house, rows=True)
    assert (report.findings, report.archived) == ([], report.entries)


async def test_what_must_stay_is_refused(house: asyncpg.Connection, tmp_path: Path) -> None:
    entries = await count(house, "access_log")
    with pytest.raises(MustStay, match="必须在数据库中保留到"):
        await archived(tmp_path / "old", days=300)
    assert await count(house, "access_log") == entries
    assert not (tmp_path / "old").exists()


async def test_a_broken_chain_is_not_archived(house: asyncpg.Connection, tmp_path: Path) -> None:
    await house.execute("SET session_replication_role = 'replica'")
    await house.execute("UPDATE access_log SET reason = '改'")
    with pytest.raises(NotArchived, match="没有归档"):
        await archived(tmp_path / "old")
    assert await count(house, "access_log") > 0


async def test_an_unsealed_entry_keeps_its_month(house: asyncpg.Connection, tmp_path: Path) -> None:
    await house.execute(ACCESS.replace("$1", "1"))
    with pytest.raises(NotArchived, match="不一致"):
        await archived(tmp_path / "old")
    assert await count(house, "trace_archive") == 0
    await seal_everything(house)
    with pytest.raises(NotArchived, match="换一个空目录"):
        await archived(tmp_path / "old")
    assert await archived(tmp_path / "new") == ["access_log"]


async def test_each_lie_about_an_archived_month_is_found(house: asyncpg.Connection, tmp_path: Path) -> None:
    await archived(tmp_path / "old")
    for lie, kind in (
        ("UPDATE trace_archive SET entries = entries - 1", Kind.REWRITE),
        ("DELETE FROM trace_archive", Kind.DELETE),
        ("DELETE FROM seal_leaf WHERE source = 'access_log' AND entry ="
         " (SELECT max(entry) FROM seal_leaf WHERE source = 'access_log')", Kind.REWRITE),
    ):  # fmt: skip
        transaction = house.transaction()
        await transaction.start()
        await house.execute("SET LOCAL session_replication_role = 'replica'")
        await house.execute(lie)
        report = await check(house)
        await transaction.rollback()
        assert kind in report.kinds, lie
    (tmp_path / "anchors" / ARCHIVES).unlink()
    assert (await check(house)).kinds == {"anchor": 1, "delete": await leaves(house)}
    assert (await check(house, copy=True)).whole


async def leaves(house: asyncpg.Connection) -> Any:
    return await house.fetchval("SELECT count(*) FROM seal_leaf WHERE source = 'access_log'")


async def test_a_file_is_checked_against_the_seals(house: asyncpg.Connection, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    await archived(folder)
    await old_months.check_files(folder, PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        await old_months.check_files(folder, PASSPHRASE + "!")
    [path] = folder.glob("*.jsonl.gz.age")
    edited(path)
    with pytest.raises(UnusableArchive, match="已损坏"):
        await old_months.check_files(folder, PASSPHRASE)


async def test_a_file_that_cannot_be_read_back_drops_nothing(
    house: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = await count(house, "access_log")

    async def write_badly(*words: Any, **named: Any) -> None:
        await written(*words, **named)
        edited(words[1])

    written = old_months.write_month
    monkeypatch.setattr(old_months, "write_month", write_badly)
    with pytest.raises(UnusableArchive):
        await archived(tmp_path / "old")
    assert await count(house, "access_log") == entries
    monkeypatch.setattr(old_months, "write_month", written)
    assert await archived(tmp_path / "old") == ["access_log"]


KILLED = """
import asyncio, os, signal, sys
from datetime import date
from pathlib import Path
from app.backup import old_months
from tests.backup.quick import seal_quickly

old_months.seal_identity = seal_quickly

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[1]
if step == "half":
    read = old_months.write_month
    async def half(connection, path, identity, **named):
        await read(connection, path, identity, **named)
        os.truncate(path, path.stat().st_size // 2)
        die()
    old_months.write_month = half
elif step == "written":
    old_months.read_month = die
elif step == "read":
    old_months.tell_all = die
elif step == "told":
    tell = old_months.tell_all
    def told(line):
        tell(line)
        die()
    old_months.tell_all = told
asyncio.run(old_months.archive(before="2999-01", folder=Path(sys.argv[2]),
    passphrase=sys.argv[3], today=date.fromisoformat(sys.argv[4])))
"""


@pytest.mark.parametrize("step", ["half", "written", "read", "told"])
async def test_killed_at_any_step_nothing_is_lost_and_it_goes_on(
    house: asyncpg.Connection, tmp_path: Path, step: str
) -> None:
    entries, folder = await count(house, "access_log"), tmp_path / "old"
    words = (step, str(folder), PASSPHRASE, later(TWO_YEARS_ON).isoformat())
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, *words], cwd=ROOT, env=dict(os.environ), check=False, timeout=60,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert await count(house, "access_log") == entries
    assert await count(house, "trace_archive") == 0
    assert (await check(house)).whole
    assert await archived(folder) == ["access_log"]
    assert (await check(house)).whole
    await old_months.check_files(folder, PASSPHRASE)
    assert len((tmp_path / "anchors" / ARCHIVES).read_bytes().splitlines()) == 1


async def test_anchors_that_are_away_keep_the_month(
    house: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(old_months, "tell_archived", away)
    with pytest.raises(CannotStart, match="数据仍在数据库中"), old_months.one_sentence(tmp_path / "old"):
        await archived(tmp_path / "old")
    assert await count(house, "access_log") > 0
    assert await keep_sealing() == 0


def test_the_command_says_what_it_did(fresh: str, tmp_path: Path) -> None:
    def said(*words: str) -> Result:
        return CliRunner().invoke(main, ["audit", *words], env={"JIUYI_PASSPHRASE": PASSPHRASE})

    folder = str(tmp_path / "old")
    assert said("archive", "--before", "2026-13", folder).exit_code == 2
    done = said("archive", "--before", "2020-01", folder)
    assert (done.exit_code, done.output) == (0, "2020-01 之前没有可以归档的月份。\n")
    asyncio.run(used(fresh))
    done = said("archive", "--before", "2999-01", folder)
    assert done.exit_code == 1
    assert "必须在数据库中保留到" in done.stderr
    assert not Path(folder).exists()


async def used(dsn: str) -> None:
    connection = await forger(dsn)
    await connection.execute(ACCESS.replace("$1", "1"))
    await connection.close()
