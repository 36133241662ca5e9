"""Months of a trace that left the database: how long each must stay, and who vouches for what left."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.traces.anchors import archived_in
from app.traces.chain import Archived, is_signed
from app.traces.findings import Finding, Kind, Report

Months = frozenset[tuple[str, str]]  # the trace and its month

# A patient may ask who looked in up to 366 days; the Cybersecurity Law asks for six months of logs.
ACCESS_DAYS_MIN = 366
# The longest that anything in a version must be kept is thirty years, which begin with the next year.
VERSION_YEARS_MIN = 30
WINDOW_LEAVES = 10_000


def month_of(at: datetime) -> str:
    """The month, as partitions are cut: in UTC."""
    return f"{at.astimezone(UTC):%Y-%m}"


def first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def kept_until(source: str, month: str) -> date:
    """The last day on which this month must be in the database: docs/algorithms/retention.md."""
    first = first_day(month)
    if source == "access_log":
        return next_month(first) - timedelta(days=1) + timedelta(days=ACCESS_DAYS_MIN)
    return date(first.year + 1 + VERSION_YEARS_MIN, 1, 1)


async def leaves_of(connection: asyncpg.Connection, *, source: str, month: str) -> tuple[int, str]:
    """How many leaves the month has, and the SHA-256 of all of them in their order. In a transaction."""
    first = first_day(month)
    count, digest = 0, hashlib.sha256()
    async for row in connection.cursor(
        "SELECT digest FROM seal_leaf WHERE source = $1 AND at >= $2 AND at < $3 ORDER BY seal_no, place",
        source,
        _midnight(first),
        _midnight(next_month(first)),
        prefetch=WINDOW_LEAVES,
    ):
        count += 1
        digest.update(row["digest"])
    return count, digest.hexdigest()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


async def archives(connection: asyncpg.Connection) -> list[Archived]:
    """What the database says has left; nothing where an older version made it."""
    if await connection.fetchval("SELECT to_regclass('public.trace_archive') IS NULL"):
        return []
    rows = await connection.fetch("SELECT * FROM trace_archive ORDER BY month, source")
    return [Archived(**dict(row)) for row in rows]


async def check_archives(
    connection: asyncpg.Connection,
    anchors: Sequence[Path],
    keys: Mapping[str, Ed25519PublicKey],
    report: Report,
) -> Months:
    """The months whose entries need not be here: signed for, anchored, and with all their leaves."""
    believed: set[tuple[str, str]] = set()
    for line in await archives(connection):
        wrong = _wrong(line, anchors, keys)
        if wrong is None and await leaves_of(connection, source=line.source, month=line.month) != (
            line.entries,
            line.leaves,
        ):
            wrong = Kind.REWRITE, "归档的叶子与声明不符"
        if wrong is None:
            believed.add((line.source, line.month))
            report.notes.append(f"{line.month} 的 {line.source} 已归档：{line.entries} 条，文件 {line.file}")
        else:
            report.add(Finding(kind=wrong[0], what=f"{line.month}：{wrong[1]}", table=line.source))
    return frozenset(believed)


def _wrong(
    line: Archived, anchors: Sequence[Path], keys: Mapping[str, Ed25519PublicKey]
) -> tuple[Kind, str] | None:
    if not is_signed(line, keys):
        return Kind.REWRITE, "归档声明不是可信密钥的签名"
    for folder in anchors:
        if line not in archived_in(folder):
            return Kind.ANCHOR, f"锚点 {folder.name} 不知道这次归档"
    return None
