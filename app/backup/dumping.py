"""One moment of the database: facts, fingerprints and the dump, all from the same snapshot."""

import asyncio
import signal
import subprocess
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import asyncpg
import msgspec

from app.backup.clients import client_folder, connection_to
from app.backup.connecting import connect, value
from app.backup.envelope import Identity, row_salt, seal
from app.backup.fingerprints import TEXT_FORM, fingerprint, hiding_table, tables
from app.backup.folder import DATABASE, TableFacts, sync_to_disk
from app.backup.progress import counted
from app.launch.processes import die_with_parent
from app.launch.refusals import CannotStart

GZIP_LEVEL = 3  # twice as fast as the default, a tenth larger
GZIP = 31  # zlib's word for "with a gzip header", so that gunzip reads it
CHUNK_BYTES = 1 << 18
LOCK_SECONDS = 30  # a migration in progress holds its tables longer than anybody waits


class DumpFailed(CannotStart):
    """pg_dump ended with an error; the message is its last line."""


class HiddenRows(CannotStart):
    """This login would not see all rows, and a backup without them is none."""


class NotOurs(CannotStart):
    """The database holds no hospital."""


class Moment(msgspec.Struct, frozen=True):
    """An open snapshot and what it says of itself."""

    connection: asyncpg.Connection
    snapshot: str
    major: int
    postgresql: str
    owner: str
    migrations: list[str]
    last_seal: int | None


@asynccontextmanager
async def moment(url: str) -> AsyncIterator[Moment]:
    settings = {"app.actor_kind": "system", "application_name": "jiuyi backup", "statement_timeout": "0"}
    connection = await connect(url, settings)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield await _describe(connection)
    except asyncpg.PostgresError as error:
        raise DumpFailed(
            f"数据库拒绝了读取({error}),没有留下备份。请用数据库属主或 jiuyi_backup 的账号。"
        ) from error
    finally:
        await connection.close()


async def _describe(connection: asyncpg.Connection) -> Moment:
    if await value(connection, "SELECT to_regclass('public.sql_file')") is None:
        raise NotOurs("这个数据库里没有医院的数据,没有可以备份的内容。请检查 DATABASE_URL 或 JIUYI_DATA。")
    if table := await hiding_table(connection):
        raise HiddenRows(
            f"当前数据库账号看不到表 {table} 的全部行,备份会不完整。"
            "请用数据库属主或 jiuyi_backup 的账号备份。"
        )
    version = connection.get_server_version()
    seals = await value(connection, "SELECT to_regclass('public.seal') IS NOT NULL")
    return Moment(
        connection=connection,
        snapshot=await value(connection, "SELECT pg_export_snapshot()"),
        major=version.major,
        postgresql=await value(connection, "SHOW server_version"),
        owner=await value(
            connection,
            "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = 'public.sql_file'::regclass",
        ),
        migrations=[row[0] for row in await connection.fetch("SELECT name FROM migration ORDER BY name")],
        last_seal=await value(connection, "SELECT max(no) FROM seal") if seals else None,
    )


async def fingerprints(at: Moment, identity: Identity) -> list[TableFacts]:
    names = await tables(at.connection)
    salt = row_salt(identity)
    found: list[TableFacts] = []
    await at.connection.execute(TEXT_FORM)
    with counted("核对数据 rows", len(names)) as done:
        for name in names:
            found.append(await fingerprint(at.connection, name, salt))
            done(1)
    return found


async def dump(at: Moment, url: str, folder: Path, identity: Identity) -> int:
    """Writes the encrypted dump; returns its plain size. Nothing plain touches the disk."""
    told = connection_to(url)
    expected = await value(at.connection, "SELECT pg_database_size(current_database()) / 2")
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [client_folder(url, at.major) / "pg_dump", f"--dbname={told.url}", f"--snapshot={at.snapshot}",
         "--format=plain", "--enable-row-security", "--no-publications", "--no-subscriptions",
         "--no-tablespaces", "--no-security-labels", f"--lock-wait-timeout={LOCK_SECONDS}s"],
        env=told.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd="/", preexec_fn=die_with_parent(signal.SIGTERM),
    )  # fmt: skip
    try:
        with (folder / DATABASE).open("xb") as target, counted("导出数据库 dump", expected) as done:
            assert process.stdout is not None
            plain = Compressed(process.stdout, done)
            await asyncio.to_thread(seal, plain, target, identity)
            sync_to_disk(target)
        refuse_failed(process)
    finally:
        process.kill()
        process.communicate()
    return plain.bytes


def refuse_failed(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate()
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise DumpFailed(f"数据库没有完整导出:{lines[-1] if lines else process.returncode}。没有留下备份。")


class Compressed:
    """A stream, gzipped as it is read."""

    def __init__(self, source: IO[bytes], done: Callable[[int], None]) -> None:
        self.source = source
        self.done = done
        self.bytes = 0
        self.packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP)
        self.packed = b""
        self.ended = False

    def read(self, size: int, /) -> bytes:
        while not self.packed and not self.ended:
            plain = self.source.read(CHUNK_BYTES)
            self.bytes += len(plain)
            self.done(len(plain))
            self.ended = not plain
            self.packed = self.packer.compress(plain) if plain else self.packer.flush()
        part, self.packed = self.packed[:size], self.packed[size:]
        return part
