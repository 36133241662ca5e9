"""A demo hospital on servers of its own, its backup, and an older PostgreSQL: made once."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from app.backup import folder
from app.backup.envelope import Identity, open_identity, row_salt
from app.backup.fingerprints import TEXT_FORM, fingerprint, tables
from app.backup.folder import Manifest, TableFacts
from app.kernel.settings import ROOT
from app.launch.accounts import account_for
from app.launch.embedded import embedded_servers
from app.launch.postgres import free_port
from app.launch.processes import die_with_parent, run_as

PASSPHRASE = "correct horse battery staple"
OLDER = (15, 16, 17)
DEBIAN = "/usr/lib/postgresql/{major}/bin"
ELSEWHERE = os.environ.get("JIUYI_TEST_POSTGRES", "")  # folders of programs of other versions, as in PATH
LIVELY = """
INSERT INTO rt_stream (stream, epoch, seq) VALUES ('test:ward', '00000000-0000-0000-0000-000000000001', 7);
INSERT INTO job (id, kind, status, attempts, lease_epoch, leased_until, arguments, last_error)
VALUES (gen_random_uuid(), 'test.job', 'running', 1, 3, now() + interval '1 hour', '{}', '');
INSERT INTO login_session (id, actor_kind, actor_id, channel, auth_version, expires_at)
VALUES (gen_random_uuid(), 'staff', gen_random_uuid(), 'staff', 1, now() + interval '1 hour');
SELECT setval('admission_number', 41);
"""


@dataclass(frozen=True)
class Hospital:
    """What is left of it: the folder of its data, and the folder of its backup."""

    data: Path
    backup: Path
    manifest: Manifest
    identity: Identity


def jiuyi(*words: str | Path, data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), env=environment(data, **variables), cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def begin(*words: str | Path, data: Path, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*words), env=environment(data, **variables), cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "tests.backup.quick", *map(str, words)]


def environment(data: Path, **variables: str) -> dict[str, str]:
    ours = ("JIUYI_", "DATABASE_URL", "REDIS_URL", "MAKE")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return plain | {"JIUYI_DATA": str(data), "JIUYI_DEMO": "1", "JIUYI_PASSPHRASE": PASSPHRASE} | variables


def execute(url: str, sql: str) -> None:
    async def do() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("SELECT set_config('app.actor_kind', 'system', false)")
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(do())


def fetch(url: str, sql: str) -> list[asyncpg.Record]:
    async def do() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("SELECT set_config('app.actor_kind', 'system', false)")
            return await connection.fetch(sql)
        finally:
            await connection.close()

    return asyncio.run(do())


def facts(url: str, identity: Identity) -> dict[str, TableFacts]:
    async def do() -> dict[str, TableFacts]:
        connection = await asyncpg.connect(url, server_settings={"app.actor_kind": "system"})
        try:
            async with connection.transaction():
                await connection.execute(TEXT_FORM)
                names = await tables(connection)
                return {name: await fingerprint(connection, name, row_salt(identity)) for name in names}
        finally:
            await connection.close()

    return asyncio.run(do())


@pytest.fixture(scope="session")
def hospital() -> Iterator[Hospital]:
    """Seeded, with somebody logged in, a job under way and a stream; backed up while nobody ran it."""
    with tempfile.TemporaryDirectory(prefix="jiuyi-backup-") as name:
        data, target = Path(name) / "var", Path(name) / "copies" / "first"
        with embedded_servers(data, durable=False) as (database_url, redis_url):
            for word in ("migrate", "seed"):
                done = jiuyi(word, data=data, DATABASE_URL=database_url, REDIS_URL=redis_url)
                assert done.returncode == 0, done.stderr
            execute(database_url, LIVELY)
            seal(data, database_url)
        done = jiuyi("backup", target, data=data)
        assert done.returncode == 0, done.stderr + done.stdout
        identity = open_identity((target / folder.IDENTITY).read_bytes(), PASSPHRASE)
        yield Hospital(data, target, folder.read_manifest(target), identity)


SEAL = """
import asyncio
from app.kernel import database
from app.traces.sealing import keep_sealing
async def do():
    await database.open_pool(size=2)
    while await keep_sealing():
        pass
    await database.close_pool()
asyncio.run(do())
"""


def seal(data: Path, database_url: str) -> None:
    """As the worker does every second."""
    done = subprocess.run(
        [sys.executable, "-c", SEAL], env=environment(data, DATABASE_URL=database_url), cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def programs(major: int) -> Path:
    """The folder with initdb and postgres of that version; skips the test where there is none."""
    for place in (Path(DEBIAN.format(major=major)), *map(Path, ELSEWHERE.split(os.pathsep))):
        if (place / "postgres").exists():
            words = [place / "postgres", "--version"]
            told = subprocess.run(words, capture_output=True, text=True, check=True)
            if f"(PostgreSQL) {major}." in told.stdout:
                return place
    pytest.skip(f"needs PostgreSQL {major} in Debian's place or in JIUYI_TEST_POSTGRES")


@pytest.fixture(scope="session", params=OLDER)
def older_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """PostgreSQL 15 to 17 with an ordinary owner, who passes no wall, as a hospital's own server has."""
    folder = programs(request.param)
    with tempfile.TemporaryDirectory(prefix="jiuyi-older-") as name:
        place = Path(name) / "data"
        account = account_for(place)
        if account is not None:
            os.chown(name, account.uid, account.gid)
        plain = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [folder / "initdb", "-D", place, "-U", "admin", "-A", "trust", "-E", "UTF8", "--no-sync"],
            env=plain, cwd="/", check=True, capture_output=True, **run_as(account),
        )  # fmt: skip
        port = free_port()
        server = subprocess.Popen(
            [folder / "postgres", "-D", place, "-p", str(port), "-c", "fsync=off",
             "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
            env=plain, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGQUIT), **run_as(account),
        )  # fmt: skip
        admin = f"postgresql://admin@127.0.0.1:{port}/postgres"
        try:
            await_server(admin)
            execute(admin, "CREATE ROLE 医院 LOGIN CREATEROLE CREATEDB PASSWORD 'it is ours'")
            yield f"postgresql://%E5%8C%BB%E9%99%A2:it%20is%20ours@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)


def await_server(url: str) -> None:
    async def answers() -> None:
        for _ in range(100):
            try:
                connection = await asyncpg.connect(url)
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.1)
            else:
                return await connection.close()
        raise AssertionError("the older server did not start")

    asyncio.run(answers())


@pytest.fixture
def place() -> Iterator[Path]:
    """A data folder below a folder that only we may enter."""
    with tempfile.TemporaryDirectory(prefix="jiuyi-restored-") as name:
        yield Path(name) / "var"


@pytest.fixture
def copy(hospital: Hospital, tmp_path: Path) -> Path:
    """A copy of the backup, to be damaged."""
    return Path(shutil.copytree(hospital.backup, tmp_path / "copy"))
