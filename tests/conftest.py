"""Real PostgreSQL and Valkey for every test that asks for `db`; migrated once, cloned per module."""

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import structlog

from app import schema
from app.edge.counting import BUCKETS, SHARED_BUCKETS
from app.identity.signed_in import forget_sessions
from app.kernel import crypto, database
from app.kernel.hints import close_hints
from app.kernel.settings import settings
from app.traces.access_log import ACCESS_LOG
from tests.hospital import RunningHospital, run_hospital
from tests.make.proofs import Signing
from tests.recording.recorder import RECORDER
from tests.recording.resting import look_at_database, look_at_rows, look_at_the_rest
from tests.recording.run import (
    pytest_runtest_setup,
    pytest_runtest_teardown,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.recording.watching import LibraryLines, LogLine, watch
from tests.rollback import OnePool
from tests.trail import open_log

__all__ = [
    "pytest_runtest_setup", "pytest_runtest_teardown", "pytest_sessionfinish", "pytest_terminal_summary",
    "pytest_testnodedown",
]  # fmt: skip

watch(RECORDER)
logging.getLogger().addHandler(LibraryLines(RECORDER))

# A pretty traceback with all variables takes half a second and more, in which nothing else of the test runs.
structlog.configure(
    processors=[
        LogLine(RECORDER),
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """What a command of the test's own process set up for its lines ends with the test.

    A logger that remembers its processors would take them into the next one.
    """
    root = logging.getLogger()
    kept, handlers, level = structlog.get_config(), root.handlers[:], root.level
    configure = structlog.configure
    structlog.configure = lambda *given, **how: configure(
        *given, **how | {"cache_logger_on_first_use": False}
    )
    yield
    structlog.configure = configure
    structlog.configure(**kept)
    root.handlers[:], root.level = handlers, level


def _fresh_settings(**values: str) -> None:
    os.environ.update(values)
    settings.cache_clear()


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JIUYI_DATA of this run, with fresh keys; the test hospital may move its clock."""
    folder = tmp_path_factory.mktemp("jiuyi")
    folder.chmod(0o755)
    _fresh_settings(JIUYI_DATA=str(folder), JIUYI_DEMO="1")
    crypto.ensure_key_ring(folder / "keys")
    return folder


@pytest.fixture(scope="session")
def servers(data_folder: Path) -> Iterator[tuple[str, str]]:
    """(database URL, Redis URL): the given servers, or embedded ones for this run.

    What they and the children that used them leave behind is looked at when all is over.
    """
    given = (os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))
    if all(given):
        _fresh_settings(DATABASE_URL=given[0], REDIS_URL=given[1])
        yield given
        look_at_the_rest(RECORDER, given[1])
        return
    from app.launch.embedded import embedded_servers

    with embedded_servers(data_folder, durable=False) as (database_url, redis_url):
        _fresh_settings(DATABASE_URL=database_url, REDIS_URL=redis_url)
        yield database_url, redis_url
        look_at_the_rest(RECORDER, redis_url)


def _named(dsn: str, name: str) -> str:
    return dsn.rsplit("/", 1)[0] + "/" + name


async def _on_server(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def clone(dsn: str, template: str | None, suffix: str) -> str:
    """Make a database from the template (or an empty one) and return its URL."""
    name = f"jiuyi_test_{os.getpid()}_{suffix}"
    source = f' TEMPLATE "{template}"' if template else ""
    asyncio.run(_on_server(dsn, f'CREATE DATABASE "{name}"{source}'))
    return _named(dsn, name)


def drop(dsn: str, suffix: str) -> None:
    _drop(dsn, f"jiuyi_test_{os.getpid()}_{suffix}")


def _drop(dsn: str, name: str) -> None:
    """With whoever is still connected; an ordinary owner may not end an autovacuum, which DROP alone does."""
    try:
        asyncio.run(_on_server(dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    except asyncpg.InsufficientPrivilegeError:
        asyncio.run(_on_server(dsn, f'DROP DATABASE IF EXISTS "{name}"'))


@pytest.fixture(scope="session")
def template(servers: tuple[str, str]) -> Iterator[str]:
    """The name of a migrated database that modules clone."""
    dsn = servers[0]
    name = f"jiuyi_test_{os.getpid()}"
    asyncio.run(_on_server(dsn, f'CREATE DATABASE "{name}"'))
    asyncio.run(schema.migrate(dsn=_named(dsn, name)))
    yield name
    _drop(dsn, name)


@pytest.fixture(scope="session")
def running_hospital(
    servers: tuple[str, str], template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHospital]:
    """The demo hospital in processes of its own, for who stands outside; started when first asked for."""
    dsn = clone(servers[0], template, "hospital")
    folder = tmp_path_factory.mktemp("hospital")
    with run_hospital(database_url=dsn, redis_url=servers[1], data=folder) as running:
        yield running
    asyncio.run(look_at_database(RECORDER, dsn))
    drop(servers[0], "hospital")


@pytest.fixture(scope="module")
def database_url(
    servers: tuple[str, str], template: str, data_folder: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A database of this module's own, cloned from the template; its seals have anchors of their own."""
    suffix = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:10]
    dsn = clone(servers[0], template, suffix)
    _fresh_settings(DATABASE_URL=dsn, JIUYI_ANCHORS=str(data_folder / "anchors" / suffix))
    yield dsn
    _fresh_settings(DATABASE_URL=servers[0], JIUYI_ANCHORS="")
    RECORDER.planting = False  # what was planted on purpose is known by now
    with contextlib.suppress(asyncpg.PostgresError):  # a test may have taken the tables away
        asyncio.run(look_at_database(RECORDER, dsn))
    drop(servers[0], suffix)


@pytest.fixture
async def db(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The gate's pool for one test: rolled back at its end, or committing under `commits`."""
    if request.node.get_closest_marker("commits"):
        await database.open_pool(dsn=database_url)
        open_log(commits=True)
        yield database_url
        await ACCESS_LOG.close()
        await database.close_pool()
    else:
        pool = await OnePool.open(database_url)
        database.DB.pool = pool  # type: ignore[assignment] - the part of a pool that the gate uses
        open_log(commits=False)
        yield database_url
        await ACCESS_LOG.close()
        database.DB.pool = None
        with contextlib.suppress(asyncpg.PostgresError):  # after a failed statement there is nothing to see
            await look_at_rows(RECORDER, pool.connection)
        await pool.roll_back()
    await SHARED_BUCKETS.close()
    await close_hints()


@pytest.fixture
async def client(db: str) -> AsyncIterator[httpx.AsyncClient]:
    """The hospital over HTTP, in this test's loop and transaction."""
    from app.main import app

    forget_sessions()
    BUCKETS.forget()
    asgi: Any = app  # httpx types the protocol more narrowly than Litestar
    transport = httpx.ASGITransport(app=asgi, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://hospital.test", auth=Signing()
    ) as asking:
        yield asking
