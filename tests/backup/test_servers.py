"""Between servers: embedded and given, newer and older, with an owner of another name; while people work."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from app.backup import folder, taking
from app.backup.adapting import Lines, Target, adapted
from app.backup.checking import different_tables
from app.backup.clients import connection_to
from app.backup.dumping import HiddenRows, moment
from app.backup.envelope import open_identity
from app.kernel.settings import settings
from app.launch.embedded import embedded_servers
from tests.backup.conftest import PASSPHRASE, Hospital, environment, execute, facts, fetch, jiuyi
from tests.backup.test_restoring import unchanged


def new_database(url: str, name: str) -> str:
    execute(url, f'CREATE DATABASE "{name}"')
    return url.rsplit("/", 1)[0] + "/" + name


def test_from_the_embedded_server_to_an_older_given_one_and_back(
    hospital: Hospital, older_server: str, place: Path, tmp_path: Path
):
    given = new_database(older_server, "hospital")
    there, again = tmp_path / "there", tmp_path / "again"
    done = jiuyi("restore", hospital.backup, data=there, DATABASE_URL=given)
    assert done.returncode == 0, done.stderr
    unchanged(hospital, given)
    walls(given)
    done = jiuyi("restore", hospital.backup, "--replace", data=there, DATABASE_URL=given)
    assert done.returncode == 1
    assert "不会清空指定的数据库" in done.stderr
    done = jiuyi("backup", again, data=there, DATABASE_URL=given)
    assert done.returncode == 0, done.stderr
    told = folder.read_manifest(again)
    assert told.postgresql.startswith("15.")
    assert told.owner == "医院"
    done = jiuyi("restore", again, data=place)
    assert done.returncode == 0, done.stderr
    with embedded_servers(place) as (url, _):
        unchanged(hospital, url)
        walls(url)
        assert len(fetch(url, "SELECT FROM restoration")) == 2


def walls(url: str) -> None:
    """The owner's policies are the owner's, the definer owns its functions, and nothing was left to migrate."""
    assert fetch(
        url,
        "SELECT DISTINCT pg_get_userbyid(r)::text = current_user FROM pg_policy, unnest(polroles) r"
        " WHERE polname = 'owner'",
    ) == [(True,)]
    owners = fetch(
        url,
        "SELECT DISTINCT pg_get_userbyid(proowner)::text FROM pg_proc"
        " WHERE pronamespace = 'jiuyi'::regnamespace AND prosecdef AND proname = 'same_person'",
    )
    assert owners == [("jiuyi_definer",)]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        execute(url, "SET ROLE jiuyi_app; DELETE FROM journal")


def test_a_backup_of_a_busy_hospital_is_one_moment(hospital: Hospital, tmp_path: Path, place: Path):
    """Each write moves one from one row to another: no moment has another sum."""
    with busy(hospital, place) as (url, writes):
        done = jiuyi("backup", tmp_path / "copy", data=place, DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
        assert writes() > 50
    identity = open_identity((tmp_path / "copy" / folder.IDENTITY).read_bytes(), PASSPHRASE)
    told = folder.read_manifest(tmp_path / "copy")
    done = jiuyi("restore", tmp_path / "copy", "--check", data=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "行数和哈希与清单一致" in done.stdout
    assert "person.id_number" in done.stdout
    assert identity
    assert next(table for table in told.tables if table.name == "public.rt_cursor").rows == 2


@contextmanager
def busy(hospital: Hospital, place: Path) -> Iterator[tuple[str, object]]:
    done = jiuyi("restore", hospital.backup, data=place)
    assert done.returncode == 0, done.stderr
    count, stop = [0], threading.Event()
    with embedded_servers(place) as (url, _):
        execute(
            url,
            "INSERT INTO rt_cursor (id, client_id, stream, acked_seq) VALUES"
            " (gen_random_uuid(), 'a', 'left', 0), (gen_random_uuid(), 'a', 'right', 0)",
        )

        async def write() -> None:
            connection = await asyncpg.connect(url)
            while not stop.is_set():
                async with connection.transaction():
                    await connection.execute("UPDATE rt_cursor SET acked_seq = acked_seq + 1 WHERE stream = 'left'")
                    await connection.execute("UPDATE rt_cursor SET acked_seq = acked_seq - 1 WHERE stream = 'right'")
                count[0] += 1
            await connection.close()

        thread = threading.Thread(target=lambda: asyncio.run(write()))
        thread.start()
        try:
            yield url, lambda: count[0]
        finally:
            stop.set()
            thread.join()
