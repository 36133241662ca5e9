"""`jiuyi audit` and `jiuyi record` at the terminal: what they say, and their exit codes."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
import click
import msgspec

from app.kernel.actor import system
from app.kernel.crypto import keys_folder
from app.kernel.database import DATABASE_AWAY
from app.kernel.settings import settings
from app.traces.chain import KEY_FILE, NoSealKey, public_keys
from app.traces.findings import CannotTell, Report
from app.traces.sealing import tell_restored
from app.traces.verifying import verify
from app.traces.versions import PAGE_MAX, Version, as_of, history

WHOLE, FOUND, CANNOT_TELL = 0, 1, 2
OPS = {"I": "新建", "U": "修改", "D": "删除"}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to verify, against what; empty paths are this hospital's own."""

    anchors: Sequence[Path] = ()
    keys: Sequence[Path] = ()
    since: int = 0
    copy: bool = False
    rows: bool = False


def check(asked: Asked, *, as_json: bool) -> int:
    """Verify and say what was found. Returns the exit code: 0 whole, 1 something found, 2 cannot tell."""
    began = time.monotonic()
    try:
        report = asyncio.run(_verify(asked))
    except (CannotTell, NoSealKey, asyncpg.PostgresError, *DATABASE_AWAY) as error:
        click.echo(f"jiuyi: 无法判断：{error}", err=True)
        return CANNOT_TELL
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        told = {"whole": report.whole, "seconds": seconds, **msgspec.to_builtins(report)}
        click.echo(msgspec.json.encode(told))
    else:
        _say(report, seconds)
    return WHOLE if report.whole else FOUND


async def _verify(asked: Asked) -> Report:
    keys = public_keys(asked.keys or [keys_folder() / KEY_FILE])
    connection = await asyncpg.connect(settings().database_url)
    try:
        return await verify(
            connection,
            anchors=asked.anchors or settings().anchors,
            keys=keys,
            since=asked.since,
            copy=asked.copy,
            rows=asked.rows,
        )
    finally:
        await connection.close()


def _say(report: Report, seconds: float) -> None:
    click.echo(
        f"核对了 {report.entries} 条记录、{report.seals} 号封条（到第 {report.last_seal} 号）、"
        f"{report.anchors} 个锚点文件夹、{report.rows} 行现有数据，用时 {seconds} 秒；"
        f"{report.waiting} 条尚待封存，{report.archived} 条已归档（只核对叶子）。"
    )
    for note in report.notes:
        click.echo(f"注意：{note}")
    for finding in report.findings:
        click.echo(f"发现：{finding}")
    if report.found > len(report.findings):
        click.echo(f"……另有 {report.found - len(report.findings)} 处，未逐条列出。")
    click.echo("完好：没有发现改动。" if report.whole else f"不完好：共发现 {report.found} 处。")


async def acknowledge_restore(reason: str) -> None:
    told = await tell_restored(reason=reason)
    for folder in told:
        click.echo(f"已在锚点 {folder} 声明：数据库由备份恢复（{reason}）。")
    if not told:
        click.echo("没有锚点超前于数据库，无需声明。")


async def show_record(*, table: str, record_id: str, at: datetime | None) -> None:
    """The record as it stood at that moment, or without one everything that was done to it."""
    actor = system("record")
    if at is not None:
        _show(await as_of(actor, table=table, record_id=record_id, at=at))
        return
    older: int | None = None
    while found := await history(actor, table=table, record_id=record_id, older=older):
        for version in found:
            click.echo(_heading(version))
            _show(version.record)
        older = found[-1].entry
        if len(found) < PAGE_MAX:
            return


def _heading(version: Version) -> str:
    who = f"{version.actor_kind}:{version.actor_id or version.db_user}"
    why = f"，原因：{version.reason}" if version.reason else ""
    return f"{version.at.astimezone():%Y-%m-%d %H:%M:%S} {OPS[version.op]} {who} {version.channel}{why}"


def _show(record: dict[str, object]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
