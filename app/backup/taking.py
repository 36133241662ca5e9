"""`jiuyi backup DIR`: one folder and one passphrase from which the hospital stands up again."""

import asyncio
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app.backup import escrow, folder
from app.backup.archives import contents
from app.backup.dumping import GZIP, dump, fingerprints, moment
from app.backup.envelope import new_identity, seal_identity, unseal
from app.backup.folder import DATABASE, IDENTITY, Manifest
from app.backup.progress import counted
from app.kernel import clock
from app.kernel.ids import new_id
from app.kernel.settings import Settings, settings
from app.launch import environment
from app.launch.embedded import SERVERS_SECONDS
from app.launch.lock import hold, running
from app.launch.postgres import start_postgres
from app.launch.processes import stop_all
from app.launch.refusals import CannotStart
from app.launch.unfinished import refuse_unfinished
from app.metrics.surroundings import LastBackup, note_backup

DUMP_END = b"-- PostgreSQL database dump complete"
TAIL_BYTES = 400


def run(target: Path, passphrase: str) -> None:
    """Raises CannotStart with the sentence to show; then the folder is as it was."""
    config = settings()
    refuse_unfinished(config.data)
    began = time.monotonic()
    folder.prepare(target)
    with emptied_on_error(target), folder.writing(target), database(config) as url:
        manifest = asyncio.run(write(target, url, config, passphrase))
        prove(target, passphrase)
    rows = sum(table.rows for table in manifest.tables)
    size = sum(file.bytes for file in manifest.files)
    note_last(config, LastBackup(at=manifest.taken_at, directory=str(target), bytes=size))
    click.echo(
        f"备份完成并已核对:{target},{len(manifest.tables)} 张表 {rows} 行,{size / 1e6:.1f} MB,"
        f"用时 {time.monotonic() - began:.1f} 秒。"
        "请复制到另一处保存;没有口令谁也打不开,包括我们。"
    )


def note_last(config: Settings, last: LastBackup) -> None:
    """For `jiuyi status` and the alert rules. The backup is good without it."""
    try:
        note_backup(config.data, last)
    except OSError as error:
        click.echo(f"不能写入 {config.data}({error.strerror}),jiuyi status 不会显示这次备份。")


@contextmanager
def emptied_on_error(target: Path) -> Iterator[None]:
    """The folder was empty when we came."""
    try:
        yield
    except BaseException:
        for path in target.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


@contextmanager
def database(config: Settings) -> Iterator[str]:
    """The given server, or the running hospital's, or our own, started for as long as this takes."""
    if config.database_url:
        yield config.database_url
    elif running(config.data):
        environment.join_running_hospital()
        yield settings().database_url
    elif (config.data / "postgres").exists():
        with hold(config.data) as lock:
            postgres = start_postgres(config.data, lock, durable=True)
            try:
                yield postgres.url
            finally:
                stop_all([postgres.child], patience_seconds=SERVERS_SECONDS)
    else:
        raise CannotStart(
            f"没有找到要备份的医院:{config.data} 里没有数据库,也没有设置 DATABASE_URL。"
            "请检查 JIUYI_DATA 和 DATABASE_URL。"
        )


async def write(target: Path, url: str, config: Settings, passphrase: str) -> Manifest:
    identity = new_identity()
    sealed = await asyncio.to_thread(seal_identity, identity, passphrase)
    with (target / IDENTITY).open("xb") as file:
        file.write(sealed)
        folder.sync_to_disk(file)
    # Anchors first: what they tell of is then in the dump, and not the other way round.
    escrow.write_anchors(target, config.anchors, identity)
    async with moment(url) as at:
        taken_at = clock.wall()
        tables = await fingerprints(at, identity)
        size = await dump(at, url, target, identity)
        escrow.write_secrets(target, config, identity)
        manifest = Manifest(
            id=new_id(),
            taken_at=taken_at,
            program=folder.program_version(),
            migrations=at.migrations,
            postgresql=at.postgresql,
            owner=at.owner,
            dump_bytes=size,
            last_seal=at.last_seal,
            settings=escrow.plain_settings(config),
            tables=tables,
            files=[folder.facts_of(target / name) for name in folder.FILES],
        )
    return folder.write_manifest(target, manifest, identity)


def prove(target: Path, passphrase: str) -> None:
    """Reads everything back from the disk with nothing but the passphrase."""
    manifest, identity = folder.open_backup(target, passphrase)
    for name in (folder.SECRETS, folder.ANCHORS):
        for _ in contents(target / name, identity):
            pass
    with (target / DATABASE).open("rb") as file, counted("重读核对 verify", manifest.dump_bytes) as done:
        plain = Tail(done)
        unseal(file, plain, identity)
    if plain.bytes != manifest.dump_bytes or DUMP_END not in plain.last or not plain.unpacker.eof:
        raise folder.UnusableBackup(
            f"刚写入的备份不能完整读回:{target / DATABASE}。没有留下备份,请检查磁盘。"
        )


class Tail:
    """Unpacks a dump and keeps its size and its last words."""

    def __init__(self, done: Callable[[int], None]) -> None:
        self.done = done
        self.unpacker = zlib.decompressobj(GZIP)
        self.bytes = 0
        self.last = b""

    def write(self, data: bytes, /) -> None:
        plain = self.unpacker.decompress(data)
        self.bytes += len(plain)
        self.done(len(plain))
        self.last = (self.last + plain)[-TAIL_BYTES:]
