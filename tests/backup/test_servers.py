"""Between servers: embedded and given, newer and older, with an owner of another name; while people work."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from app import schema
from app.backup import folder
from app.backup.checking import different_tables
from app.launch.embedded import embedded_servers
from app.launch.environment import Run, tell
from tests.backup.conftest import Hospital, execute, fetch, jiuyi
from tests.backup.test_restoring import unchanged


def new_database(url: str, name: str) -> str:
    execute(url, f'CREATE DATABASE "{name}"')
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def test_from_the_embedded_server_to_an_older_given_one(
    hospital: Hospital, older_server: str, tmp_path: Path
):
    given = new_database(older_server, "short")
    done = jiuyi("restore", hospital.backup, data=tmp_path, DATABASE_URL=given)
    assert done.returncode == 0, done.stderr
    unchanged(hospital, given)
    walls_stand(given)
    done = jiuyi("restore", hospital.backup, "--replace", data=tmp_path, DATABASE_URL=given)
    assert done.returncode == 1
    assert "不会清空指定的数据库" in done.stderr


@pytest.mark.long
def test_from_an_older_given_server_back_to_the_embedded_one(
    hospital: Hospital, older_server: str, place: Path, tmp_path: Path, request: pytest.FixtureRequest
):
    given, there, again = new_database(older_server, "long"), tmp_path / "there", tmp_path / "again"
    done = jiuyi("restore", hospital.backup, data=there, DATABASE_URL=given)
    assert done.returncode == 0, done.stderr
    make_older(given)
    done = jiuyi("backup", again, data=there, DATABASE_URL=for_copies(given))
    assert done.returncode == 0, done.stderr
    told = folder.read_manifest(again)
    major = request.node.callspec.params["older_server"]
    assert told.postgresql.startswith(f"{major}.")
    assert told.owner == "医院"
    done = jiuyi("restore", again, "--check", data=tmp_path / "nobody")
    assert done.returncode == 0, done.stderr + done.stdout
    done = jiuyi("restore", again, data=place)
    assert done.returncode == 0, done.stderr
    with embedded_servers(place) as (url, _):
        walls_stand(url)
        assert len(fetch(url, "SELECT FROM restoration")) == 2
        assert fetch(url, "SELECT count(*) FROM pg_proc WHERE proname = 'rt_push'")[0][0]
        assert fetch(url, "SELECT FROM sql_file WHERE checksum = 'older'") == []


def make_older(url: str) -> None:
    """A database as an earlier version left it: it lacks a function that this version's files bring."""
    execute(
        url, "DROP FUNCTION jiuyi.rt_push; UPDATE sql_file SET checksum = 'older' WHERE path ~ 'realtime'"
    )


def for_copies(url: str) -> str:
    """The login that passes the walls and changes nothing, made by the server's administrator."""
    parts = urlsplit(url)
    admin = f"postgresql://admin@127.0.0.1:{parts.port}{parts.path}"
    execute(admin, "CREATE ROLE jiuyi_backup LOGIN BYPASSRLS PASSWORD 'copies'")
    execute(url, schema.GRANTS.read_text())
    return parts._replace(netloc=f"jiuyi_backup:copies@127.0.0.1:{parts.port}").geturl()


@pytest.mark.long
def test_an_ordinary_owner_on_a_new_server(hospital: Hospital, place: Path, tmp_path: Path):
    """Since PostgreSQL 16 who makes a role has none of its rights. Who is shown less makes no backup."""
    with embedded_servers(place, durable=False) as (admin, _):
        execute(admin, "CREATE ROLE hospital LOGIN CREATEROLE PASSWORD 'ours'")
        execute(admin, "CREATE DATABASE mine OWNER hospital")
        execute(admin, "CREATE ROLE curious LOGIN PASSWORD 'mine' IN ROLE pg_read_all_data")
        parts = urlsplit(admin)
        mine = f"postgresql://hospital:ours@127.0.0.1:{parts.port}/mine"
        done = jiuyi("restore", hospital.backup, data=tmp_path / "var", DATABASE_URL=mine)
        assert done.returncode == 0, done.stderr
        unchanged(hospital, mine)
        walls_stand(mine)
        assert not fetch(mine, "SELECT pg_has_role('hospital', 'jiuyi_definer', 'USAGE')")[0][0]
        curious = mine.replace("hospital:ours", "curious:mine")
        done = jiuyi("backup", tmp_path / "copy", data=tmp_path / "var", DATABASE_URL=curious)
        assert done.returncode == 1
        assert "看不到表" in done.stderr
        assert list((tmp_path / "copy").iterdir()) == []


def walls_stand(url: str) -> None:
    """The owner's policies are the owner's, the definer owns its functions, requests change no history."""
    owners = fetch(
        url,
        "SELECT DISTINCT pg_get_userbyid(r) = current_user FROM pg_policy, unnest(polroles) r"
        " WHERE polname = 'owner'",
    )
    assert [tuple(row) for row in owners] == [(True,)]
    definers = fetch(
        url,
        "SELECT pg_get_userbyid(proowner)::text, NOT has_function_privilege('public', oid, 'EXECUTE')"
        " FROM pg_proc WHERE pronamespace = 'jiuyi'::regnamespace AND proname = 'same_person'",
    )
    assert [tuple(row) for row in definers] == [("jiuyi_definer", True)]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        execute(url, "SET ROLE jiuyi_app; DELETE FROM journal")


def test_a_planted_change_is_found(hospital: Hospital, place: Path):
    """The control of every comparison here: the hospital itself, before and after a hand was laid on it."""

    def problems(url: str) -> list[str]:
        async def compare() -> list[str]:
            connection = await asyncpg.connect(url)
            try:
                return await different_tables(connection, hospital.manifest, hospital.identity)
            finally:
                await connection.close()

        return asyncio.run(compare())

    copied(hospital, place)
    with embedded_servers(place, durable=False) as (url, _):
        assert problems(url) == []
        execute(url, "UPDATE bed SET label = label || '!' WHERE id = (SELECT min(id::text)::uuid FROM bed)")
        execute(url, "DELETE FROM rt_stream")
        found = [problem for problem in problems(url) if "record_version" not in problem]
    assert found == ["表 public.bed 的内容与备份时不同", "表 public.rt_stream 应有 1 行,实有 0 行"]


def test_a_backup_of_a_busy_hospital_is_one_moment(hospital: Hospital, tmp_path: Path, place: Path):
    """Each write takes one here and gives one there. What --check restores has the sums of the manifest."""
    copied(hospital, place)
    with embedded_servers(place, durable=False) as (url, redis_url), busy(url) as writes:
        tell(place, Run(pid=0, instance="", address="", database_url=url, redis_url=redis_url))
        done = jiuyi("backup", tmp_path / "copy", data=place)  # as beside a `jiuyi run`
        assert done.returncode == 0, done.stderr
        assert writes() > 20
    done = jiuyi("restore", tmp_path / "copy", "--check", data=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "行数和哈希与清单一致" in done.stdout
    assert "审计链完整" in done.stdout
    assert "与锚点一致" in done.stdout
    for column in ("person.id_number", "person.phone", "totp_seed.seed"):
        assert column in done.stdout


def copied(hospital: Hospital, place: Path) -> None:
    """As `cp -a` of a stopped hospital; its server's user keeps its folder."""
    shutil.copytree(hospital.data, place, ignore=shutil.ignore_patterns("valkey"))
    owner = (hospital.data / "postgres").stat()
    for path in (place / "postgres", *(place / "postgres").rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def busy(url: str) -> Iterator[Callable[[], int]]:
    """Somebody who writes without a pause; how often so far."""
    count, stop = [0], threading.Event()

    async def write() -> None:
        connection = await asyncpg.connect(url)
        while not stop.is_set():
            async with connection.transaction():
                for stream, step in (("left", 1), ("right", -1)):
                    await connection.execute(
                        "INSERT INTO rt_cursor AS c (id, client_id, stream, acked_seq)"
                        " VALUES (gen_random_uuid(), 'busy', $1, $2) ON CONFLICT (client_id, stream)"
                        " DO UPDATE SET acked_seq = c.acked_seq + $2",
                        stream, step,
                    )  # fmt: skip
            count[0] += 1
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(write()))
    thread.start()
    try:
        yield lambda: count[0]
    finally:
        stop.set()
        thread.join()
