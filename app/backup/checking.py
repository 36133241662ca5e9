"""`jiuyi restore DIR --check`: does this backup bring the hospital back? On a server that is thrown away."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import click

from app.backup.connecting import connect, value
from app.backup.envelope import Identity, row_salt
from app.backup.escrow import Escrow, unpack_anchors
from app.backup.fingerprints import TEXT_FORM, fingerprint, tables
from app.backup.folder import Manifest
from app.backup.loading import load
from app.backup.progress import counted
from app.backup.restoring import opened
from app.backup.trail import trail_problems
from app.kernel import crypto
from app.keys.sealed import SEALED
from app.launch import environment
from app.launch.embedded import SERVERS_SECONDS
from app.launch.lock import hold, running
from app.launch.postgres import start_postgres
from app.launch.processes import stop_all

PREFIX = "jiuyi-check-"
HAS_COLUMN = (
    "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || $1) AND attname = $2)"
)


def run(folder: Path, passphrase: str) -> int:
    """Prints what was found; 0 when everything is in order. The scratch is gone afterwards."""
    began = time.monotonic()
    manifest, identity = opened(folder, passphrase)
    with scratch() as data, hold(data) as lock:
        Escrow(folder, identity).unpack(data)
        unpack_anchors(folder, identity, data / "anchors")
        postgres = start_postgres(data, lock, durable=False)
        try:
            load(folder, manifest, identity, postgres.url, ending="")
            problems = asyncio.run(examine(postgres.url, manifest, identity, data))
        finally:
            stop_all([postgres.child], patience_seconds=SERVERS_SECONDS)
    for problem in problems:
        click.echo(f"  有问题:{problem}")
    verdict = "这份备份不可用,请立即重新备份" if problems else "这份备份可以恢复"
    click.echo(f"{verdict}({len(problems)} 个问题,用时 {time.monotonic() - began:.1f} 秒)")
    return 1 if problems else 0


@contextmanager
def scratch() -> Iterator[Path]:
    """A data folder of our own that ends with the block; those of killed checks go first."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if left.stat().st_uid == os.geteuid() and not running(left):
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        environment.use_data(Path(folder))
        yield Path(folder)


async def examine(url: str, manifest: Manifest, identity: Identity, data: Path) -> list[str]:
    connection = await connect(url)
    try:
        return [
            *await different_tables(connection, manifest, identity),
            *await unreadable_columns(connection),
            *await trail_problems(connection, data),
        ]
    finally:
        await connection.close()


async def different_tables(
    connection: asyncpg.Connection, manifest: Manifest, identity: Identity
) -> list[str]:
    """Tables whose rows are not those of the moment of the backup."""
    told = {table.name: table for table in manifest.tables}
    problems: list[str] = []
    async with connection.transaction(readonly=True):
        await connection.execute(TEXT_FORM)
        there = await tables(connection)
        with counted("逐表核对 compare", len(told)) as done:
            for name, expected in told.items():
                done(1)
                found = await fingerprint(connection, name, row_salt(identity)) if name in there else None
                if found is None:
                    problems.append(f"缺少表 {name}")
                elif found.rows != expected.rows:
                    problems.append(f"表 {name} 应有 {expected.rows} 行,实有 {found.rows} 行")
                elif found != expected:
                    problems.append(f"表 {name} 的内容与备份时不同")
    problems += [f"多出表 {name}" for name in there if name not in told]
    if not problems:
        click.echo(f"  {len(told)} 张表的行数和哈希与清单一致")
    return problems


async def unreadable_columns(connection: asyncpg.Connection) -> list[str]:
    """Encrypted columns of which the escrowed keys do not open a sample."""
    problems: list[str] = []
    opened_columns: list[str] = []
    for sealed in SEALED:
        if not await value(connection, HAS_COLUMN, sealed.table, sealed.column):
            continue  # an older version's backup
        # The names are ours.
        sample = await connection.fetchrow(
            f"SELECT {sealed.id_column}::text, {sealed.column} FROM public.{sealed.table}"  # noqa: S608
            f" WHERE {sealed.column} IS NOT NULL ORDER BY {sealed.id_column} DESC LIMIT 1"
        )
        if sample is None:
            continue
        try:
            crypto.decrypt(sample[1], context=f"{sealed.place}.{sample[0]}")
        except crypto.Undecipherable:
            problems.append(f"托管的密钥解不开 {sealed.place}")
        else:
            opened_columns.append(sealed.place)
    told = "、".join(opened_columns) or "没有加密数据"
    click.echo(f"  托管的密钥能解开 {len(opened_columns)} 个加密字段:{told}")
    return problems
