"""`jiuyi restore DIR`: a hospital from a backup, whole or not at all."""

import asyncio
import os
import pwd
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app import schema
from app.backup.envelope import Identity
from app.backup.escrow import CONFIGURATION, Escrow
from app.backup.folder import Manifest, open_backup, program_version
from app.backup.loading import equal_to, load, start_over
from app.backup.room import room_made, was_loaded
from app.backup.trail import lost_anchors, tell_anchors
from app.kernel.settings import Settings, settings
from app.launch.embedded import SERVERS_SECONDS
from app.launch.lock import hold
from app.launch.postgres import start_postgres
from app.launch.processes import stop_all
from app.launch.refusals import CannotStart
from app.launch.unfinished import Restore


class NewerBackup(CannotStart):
    """Made by a program that knows more than this one."""


def run(folder: Path, passphrase: str, *, replace: bool) -> None:
    """Raises CannotStart with the sentence to show."""
    began = time.monotonic()
    config = settings()
    manifest, identity = opened(folder, passphrase)
    secrets = Escrow(folder, identity)
    with hold(config.data, restoring=True) as lock, room_made(config, secrets, replace=replace) as attempt:
        secrets.unpack(config.data)
        with database(config, lock) as url:
            if not was_loaded(url, attempt):
                fill(folder, manifest, identity, url, attempt)
            migrate(url)
            ahead = asyncio.run(tell_anchors(url, lost_anchors(folder, identity, config), manifest))
    click.echo(f"恢复完成并已逐表核对,用时 {time.monotonic() - began:.1f} 秒。")
    tell(manifest, config, attempt, ahead)


def opened(folder: Path, passphrase: str) -> tuple[Manifest, Identity]:
    """A whole backup that this version understands."""
    manifest, identity = open_backup(folder, passphrase)
    if unknown := sorted(set(manifest.migrations) - schema.known_migrations()):
        raise NewerBackup(
            f"备份来自更新的程序版本({manifest.program},{unknown[-1]}),请先升级程序再恢复。数据没有改动。"
        )
    click.echo(
        f"备份文件完整:{manifest.taken_at.astimezone():%Y-%m-%d %H:%M:%S},"
        f"{len(manifest.tables)} 张表 {sum(table.rows for table in manifest.tables)} 行"
    )
    return manifest, identity


@contextmanager
def database(config: Settings, lock: int) -> Iterator[str]:
    """The given, empty one, or a new embedded one."""
    if config.database_url:
        yield config.database_url
        return
    postgres = start_postgres(config.data, lock, durable=True)
    try:
        yield postgres.url
    finally:
        stop_all([postgres.child], patience_seconds=SERVERS_SECONDS)


def fill(folder: Path, manifest: Manifest, identity: Identity, url: str, attempt: Restore) -> None:
    load(
        folder,
        manifest,
        identity,
        url,
        ending=equal_to(manifest, identity) + start_over(record(manifest, attempt)),
    )


def record(manifest: Manifest, attempt: Restore) -> str:
    """Who restored what: the one row that says why later events are missing."""
    by = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
    values = [
        attempt.id, str(manifest.id), manifest.taken_at.isoformat(), manifest.program,
        program_version(), by, len(manifest.tables),
        sum(table.rows for table in manifest.tables),
        "NULL" if manifest.last_seal is None else manifest.last_seal,
    ]  # fmt: skip
    literals = [
        _literal(value) if isinstance(value, str) and value != "NULL" else str(value) for value in values
    ]
    return (
        "INSERT INTO restoration (id, backup_id, backup_at, backup_program, program, restored_by, tables,"  # noqa: S608
        f" rows, last_seal) VALUES ({', '.join(literals)});"
    )


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def migrate(url: str) -> None:
    """An older version's backup goes forward; ours stays as it is."""
    try:
        asyncio.run(schema.migrate(dsn=url))
    except schema.CannotMigrate as refusal:
        raise CannotStart(str(refusal)) from refusal


def tell(manifest: Manifest, config: Settings, attempt: Restore, anchors: list[Path]) -> None:
    lines = [
        f"  {manifest.taken_at.astimezone():%Y-%m-%d %H:%M:%S} 之后的数据没有恢复:"
        "请核对此后的收费、退款和纸质记录",
        "  所有登录已退出:职工和患者重新登录即可,密码、动态口令、设备密钥和合作系统密钥不变",
        "  正在运行的任务已放回队列;编号跳过 1000 个,不会重复使用;各屏幕会自动重新取数",
        f"  原来的环境变量:{config.data / CONFIGURATION}(含数据库地址,不要外传)",
    ]
    if attempt.aside:
        lines.append(f"  被替换的旧数据:{config.data / attempt.aside}(确认后可以删除)")
    lines += [f"  已在锚点 {folder} 声明:数据库由备份恢复" for folder in anchors]
    click.echo("\n".join(lines))
