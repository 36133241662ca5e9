"""`jiuyi audit archive`: old months of the traces into encrypted files, and only then out of the database."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import asyncpg
import click

from app.backup.connecting import connect
from app.backup.envelope import Identity, new_identity, open_identity, seal_identity
from app.backup.folder import IDENTITY, facts_of, sync_names, sync_to_disk
from app.backup.month_files import UnusableArchive, read_month, write_month
from app.kernel import clock
from app.kernel.crypto import keys_folder
from app.kernel.settings import settings
from app.launch.refusals import CannotStart
from app.traces.anchors import archived_in, tell_archived
from app.traces.archived import archives, kept_until, leaves_of
from app.traces.chain import KEY_FILE, Archived, key_id_of, public_keys, seal_key, sign
from app.traces.findings import CannotTell
from app.traces.verifying import SOURCES, bring_functions, verify

LOCK_SECONDS = 5  # who waits longer for the table lets the hospital go first
MONTHS = """
SELECT left(right(c.relname, 6), 4) || '-' || right(c.relname, 2) AS month
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass AND c.relname ~ '_[0-9]{6}$' ORDER BY 1
"""


class MustStay(CannotStart):
    """The law, or a patient's right, still asks for this month."""


class NotArchived(CannotStart):
    """Something is not as it must be; the month stays in the database."""


def run(before: str, folder: Path, passphrase: str) -> None:
    """Raises CannotStart with the sentence to show; what was not dropped is in the database as before."""
    with one_sentence(folder):
        asyncio.run(archive(before=before, folder=folder, passphrase=passphrase, today=clock.wall().date()))


@contextmanager
def one_sentence(folder: Path) -> Iterator[None]:
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise NotArchived("医院正在使用这张表，这个月没有移出。请稍后重试同一条命令。") from error
    except OSError as error:
        raise NotArchived(
            f"不能写入归档目录 {folder} 或锚点目录（{error.strerror or error}）。"
            "数据仍在数据库中，请检查后重试。"
        ) from error


async def archive(*, before: str, folder: Path, passphrase: str, today: date) -> list[Archived]:
    """Every month before `before` (2026-03) that may go, the oldest first. Returns what went.

    Begun anew after any interruption, it goes on: a file that is whole is kept, half of one written again.
    """
    connection = await connect(settings().database_url)
    try:
        due = await due_months(connection, before=before, today=today)
        if not due:
            click.echo(f"{before} 之前没有可以归档的月份。")
            return []
        await refuse_broken(connection)
        identity = await asyncio.to_thread(identity_of, folder, passphrase)
        return [
            await archive_month(connection, folder, identity, source=source, month=month)
            for month, source in due
        ]
    finally:
        await connection.close()


async def due_months(connection: asyncpg.Connection, *, before: str, today: date) -> list[tuple[str, str]]:
    """Month and trace. Raises MustStay where the access log is asked for too early; versions just stay."""
    due: list[tuple[str, str]] = []
    for source in SOURCES:
        for row in await connection.fetch(MONTHS, source):
            month = row["month"]
            until = kept_until(source, month)
            if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {partition_of(source, month)})"):  # noqa: S608 - a name of ours
                continue
            if month < before and today > until:
                due.append((month, source))
            elif month < before and source == "access_log":
                raise MustStay(
                    f"{month} 的访问日志必须在数据库中保留到 {until}，没有归档任何月份。"
                    "请指定更早的 --before。"
                )
    return sorted(due)


def partition_of(source: str, month: str) -> str:
    return f"public.{source}_{month.replace('-', '')}"


async def refuse_broken(connection: asyncpg.Connection) -> None:
    """What is archived was whole until then; afterwards nobody could tell any more who broke it."""
    try:
        keys = public_keys([keys_folder() / KEY_FILE])
        report = await verify(connection, anchors=settings().anchors, keys=keys)
    except CannotTell as error:
        raise NotArchived(f"审计链不能核对，没有归档：{error}") from error
    if not report.whole:
        raise NotArchived(
            f"审计链有 {report.found} 处问题，没有归档：{report.findings[0]}。"
            "请运行 jiuyi audit verify，先查明原因。"
        )


def identity_of(folder: Path, passphrase: str) -> Identity:
    """The folder's key, made at its first use; under one passphrase for all its months."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / IDENTITY
    if path.exists():
        return open_identity(path.read_bytes(), passphrase)
    identity, half = new_identity(), path.with_suffix(".new")
    with half.open("wb") as file:
        half.chmod(0o600)
        file.write(seal_identity(identity, passphrase))
        sync_to_disk(file)
    half.rename(path)
    sync_names(folder)
    return identity


async def archive_month(
    connection: asyncpg.Connection, folder: Path, identity: Identity, *, source: str, month: str
) -> Archived:
    path = folder / f"{source}-{month}.jsonl.gz.age"
    if path.exists():
        entries, leaves = await asyncio.to_thread(read_month, path, identity)
    else:
        half = path.with_suffix(".new")
        half.unlink(missing_ok=True)
        await bring_functions(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await write_month(connection, half, identity, source=source, month=month)
        entries, leaves = await asyncio.to_thread(read_month, half, identity)
        half.rename(path)
        sync_names(folder)
    line = signed_line(path, source=source, month=month, entries=entries, leaves=leaves)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        await drop_month(connection, line, told=lambda: tell_all(line))
    click.echo(f"已归档 {source} {month}：{entries} 条，{path}")
    return line


def signed_line(path: Path, *, source: str, month: str, entries: int, leaves: str) -> Archived:
    """What an earlier, interrupted try has told the anchors is told again, word for word."""
    sha256 = facts_of(path).sha256
    for folder in settings().anchors:
        for told in archived_in(folder):
            if (told.source, told.month, told.leaves, told.sha256) == (source, month, leaves, sha256):
                return told
    key = seal_key(keys_folder())
    return sign(
        Archived(
            source=source,
            month=month,
            entries=entries,
            leaves=leaves,
            file=path.name,
            sha256=sha256,
            at=clock.wall(),
            key_id=key_id_of(key.public_key()),
        ),
        key,
    )


def tell_all(line: Archived) -> None:
    for folder in settings().anchors:
        tell_archived(folder, line)


async def drop_month(connection: asyncpg.Connection, line: Archived, *, told: Callable[[], None]) -> None:
    """In a transaction: the partition is what the file holds, the anchors have heard, it goes."""
    partition = partition_of(line.source, line.month)
    await connection.execute(f"LOCK TABLE {partition} IN SHARE MODE")
    there = await connection.fetchval(f"SELECT count(*) FROM {partition}")  # noqa: S608 - our own name
    known = await leaves_of(connection, source=line.source, month=line.month)
    if there != line.entries or known != (line.entries, line.leaves):
        raise NotArchived(
            f"归档文件 {line.file} 与数据库不一致（文件 {line.entries} 条，表 {there} 条，"
            f"封存 {known[0]} 条），数据没有改动。请换一个空目录重试。"
        )
    told()
    await connection.execute(
        "INSERT INTO trace_archive (source, month, entries, leaves, file, sha256, at, key_id, signature)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(getattr(line, name) for name in line.__struct_fields__),
    )
    await connection.execute(f"DROP TABLE {partition}")


def check(folder: Path, passphrase: str) -> None:
    """Raises CannotStart with the sentence to show."""
    asyncio.run(check_files(folder, passphrase))


async def check_files(folder: Path, passphrase: str) -> None:
    """Compares every month that left with its file in this folder. Raises for the first bad one."""
    identity = await asyncio.to_thread(identity_of, folder, passphrase)
    connection = await connect(settings().database_url)
    try:
        await refuse_broken(connection)
        lines = [line for line in await archives(connection) if (folder / line.file).exists()]
    finally:
        await connection.close()
    for line in lines:
        if await asyncio.to_thread(read_month, folder / line.file, identity) != (line.entries, line.leaves):
            raise UnusableArchive(f"归档文件 {folder / line.file} 不是当初归档的内容，请使用它的另一份副本。")
        click.echo(f"{line.file} 完好：{line.entries} 条，与封条一致。")
    click.echo(f"核对了 {len(lines)} 个归档文件。")
