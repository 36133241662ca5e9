"""Checks that nothing sealed was changed: entries against leaves, leaves and seals, seals and anchors.

Needs the owner's connection, and asks no function of the database it doubts. It reads one snapshot in
windows of bounded size.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.kernel.settings import ROOT
from app.traces.anchors import Told, look
from app.traces.archived import Months, check_archives, month_of
from app.traces.chain import FIRST_PREVIOUS, Seal, is_signed, root_of
from app.traces.comparing import Compared
from app.traces.findings import FINDINGS_MAX, CannotTell, Finding, Kind, Report
from app.traces.live_rows import compare_rows
from app.traces.sealing import COLUMNS, seal_of

WINDOW_ENTRIES = 20_000  # leaves that are looked at together
WINDOW_SEALS = 1_000
UNSEALED_SECONDS_MAX = 60  # a sealer at work leaves nothing longer, unless a transaction stays open
LATE_SECONDS_MAX = 3_600  # how far an entry may lie before the seal before its own, or after its own
SOURCES = ("record_version", "access_log")

LEAVES = """
SELECT l.seal_no, l.place, l.source, l.entry, l.at, l.digest, coalesce(v.xid, a.xid)::text AS xid,
       CASE WHEN v.entry IS NOT NULL THEN pg_temp.leaf_digest(v)
            WHEN a.entry IS NOT NULL THEN pg_temp.leaf_digest(a) END AS now
FROM seal_leaf l
LEFT JOIN record_version v ON l.source = 'record_version' AND v.entry = l.entry AND v.at = l.at
LEFT JOIN access_log a ON l.source = 'access_log' AND a.entry = l.entry AND a.at = l.at
WHERE l.seal_no BETWEEN $1 AND $2
ORDER BY l.seal_no, l.place
"""


async def verify(
    connection: asyncpg.Connection,
    *,
    anchors: Sequence[Path],
    keys: Mapping[str, Ed25519PublicKey],
    since: int = 0,
    copy: bool = False,
    rows: bool = False,
) -> Report:
    """Everything after seal `since`, which is taken for good; `rows` also compares every living record.

    With `anchors` empty only what lies in the database is compared, and a cut tail is not seen. `copy` is a
    restored copy that may be older than the anchors. Raises CannotTell.
    """
    if not keys:
        raise CannotTell("没有公钥，无法核对封条签名。")
    # Before the snapshot: the sealer goes on, and an anchor hears of nothing that was not committed.
    folders = {folder: look(folder) for folder in anchors}
    if folders and all(told.empty for told in folders.values()):
        raise CannotTell("锚点文件夹里没有任何封条，无法判断数据库是否被截断或整体改写。")
    if await connection.fetchval("SELECT to_regclass('public.seal') IS NULL"):
        raise CannotTell("数据库里没有封条表，请先运行 jiuyi migrate。")
    await bring_functions(connection)
    report = Report(anchors=len(folders))
    async with connection.transaction(**_snapshot(connection)):
        await connection.execute(
            "SELECT set_config('app.actor_kind', 'system', true), set_config('search_path', 'public', true),"
            " set_config('TimeZone', 'UTC', true), set_config('jit', 'off', true),"
            " set_config('statement_timeout', '0', true)"
        )
        told = [] if copy else anchors  # a copy may have left later than its anchors were copied
        archived = await check_archives(connection, told, keys, report)
        await _verify_chain(connection, folders, dict(keys), since, archived, copy=copy, report=report)
        if rows:
            some_left = any(source == "record_version" for source, _ in archived)
            await compare_rows(connection, report, some_left=some_left)
    return report


def _snapshot(connection: asyncpg.Connection) -> dict[str, Any]:
    """One moment for all; inside somebody's transaction it is that one's."""
    if connection.is_in_transaction():
        return {}
    return {"isolation": "repeatable_read", "readonly": True}


async def bring_functions(connection: asyncpg.Connection) -> None:
    """Our own digest functions, for this session: what a doubted database calls so may lie."""
    ours = (ROOT / "app/traces/leaves.sql").read_text().replace("jiuyi.", "pg_temp.")
    await connection.execute(ours)


async def _verify_chain(
    connection: asyncpg.Connection,
    folders: dict[Path, Told],
    keys: dict[str, Ed25519PublicKey],
    since: int,
    archived: Months,
    *,
    copy: bool,
    report: Report,
) -> None:
    before = await _seal_before(connection, since, keys)
    compared = [Compared(folder, told, keys, report, since=since) for folder, told in folders.items()]
    # The planner knows neither how few leaves a window has nor that each has one entry.
    await connection.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    async for window in _windows(connection, since):
        leaves = await _leaves(connection, window[0].no, window[-1].no)
        for seal in window:
            check_link(seal, before, keys, report)
            check_leaves(seal, before, leaves.pop(seal.no, []), report, archived)
            for anchor in compared:
                anchor.check(seal)
            before = seal
            report.seals += 1
            report.entries += seal.entries
        for no in leaves:
            report.add(Finding(kind=Kind.DELETE, what="叶子没有封条", seal=no))
    await connection.execute("RESET enable_hashjoin; RESET enable_mergejoin")
    report.last_seal = before.no if before else 0
    await _find_orphans(connection, report)
    now: Any = await connection.fetchval("SELECT clock_timestamp()")
    for anchor in compared:
        anchor.finish(before, now=now, copy=copy)
    await _find_unsealed(connection, before, since, report)


async def _seal_before(
    connection: asyncpg.Connection, since: int, keys: dict[str, Ed25519PublicKey]
) -> Seal | None:
    if not since:
        return None
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM seal WHERE no = $1", since)  # noqa: S608 - our own
    if row is None or not is_signed(seal_of(row), keys):
        raise CannotTell(f"数据库里没有有效的第 {since} 号封条，请从头核对。")
    return seal_of(row)


async def _windows(connection: asyncpg.Connection, since: int) -> AsyncIterator[list[Seal]]:
    """The seals after `since` in their order, as many at a time as have a bounded number of entries."""
    window: list[Seal] = []
    while True:
        rows = await connection.fetch(
            f"SELECT {COLUMNS} FROM seal WHERE no > $1 ORDER BY no LIMIT $2",  # noqa: S608 - our own columns
            since,
            WINDOW_SEALS,
        )
        for seal in map(seal_of, rows):
            if window and sum(s.entries for s in window) + seal.entries > WINDOW_ENTRIES:
                yield window
                window = []
            window.append(seal)
        if window:
            yield window
            window = []
        if len(rows) < WINDOW_SEALS:
            return
        since = rows[-1]["no"]


async def _leaves(connection: asyncpg.Connection, first: int, last: int) -> dict[int, list[asyncpg.Record]]:
    found: dict[int, list[asyncpg.Record]] = {}
    for leaf in await connection.fetch(LEAVES, first, last):
        found.setdefault(leaf["seal_no"], []).append(leaf)
    return found


def check_link(seal: Seal, before: Seal | None, keys: Mapping[str, Ed25519PublicKey], report: Report) -> None:
    """The seal hangs on the one before, and is signed by a key that we trust."""
    expected = before.no + 1 if before else 1
    if seal.no != expected:
        report.add(
            Finding(kind=Kind.DELETE, what=f"第 {expected} 至 {seal.no - 1} 号封条不见了", seal=seal.no)
        )
    elif seal.previous != (before.root if before else FIRST_PREVIOUS):
        report.add(Finding(kind=Kind.REWRITE, what="与前一号封条不相连", seal=seal.no))
    if not is_signed(seal, keys):
        report.add(Finding(kind=Kind.REWRITE, what="不是可信密钥的签名", seal=seal.no))


def check_leaves(
    seal: Seal,
    before: Seal | None,
    leaves: list[asyncpg.Record],
    report: Report,
    archived: Months = frozenset(),
) -> None:
    """Each entry is what its leaf says or was archived, and the leaves are those of the seal."""
    earliest = before.at - timedelta(seconds=LATE_SECONDS_MAX) if before else None
    latest = seal.at + timedelta(seconds=LATE_SECONDS_MAX)
    for leaf in leaves:
        if leaf["now"] is None and (leaf["source"], month_of(leaf["at"])) in archived:
            report.archived += 1
        elif leaf["now"] is None:
            _add(report, Kind.DELETE, "已封存的记录不见了", leaf)
        elif leaf["now"] != leaf["digest"]:
            _add(report, Kind.EDIT, "记录与封存时不同", leaf)
        if leaf["at"] > latest or (earliest is not None and leaf["at"] < earliest):
            _add(report, Kind.INSERT, "记录自称的时间与封存时间不符", leaf)
    root = root_of(previous=seal.previous, no=seal.no, digests=[leaf["digest"] for leaf in leaves])
    if root != seal.root or len(leaves) != seal.entries:
        _name_the_leaf(seal, leaves, report)


def _name_the_leaf(seal: Seal, leaves: list[asyncpg.Record], report: Report) -> None:
    """The leaves are not those that were sealed. As near to which one as what is left can tell."""
    if len(leaves) != seal.entries:
        fewer = len(leaves) < seal.entries
        what = f"应有 {seal.entries} 片叶子，实有 {len(leaves)} 片"
        report.add(Finding(kind=Kind.DELETE if fewer else Kind.INSERT, what=what, seal=seal.no))
        return
    for first, second in pairwise(leaves):
        if None not in (first["xid"], second["xid"]) and _order(first) > _order(second):
            _add(report, Kind.REORDER, "叶子的次序被调换", first)
            return
    report.add(Finding(kind=Kind.REWRITE, what="叶子与封条的根不符", seal=seal.no))


def _order(leaf: asyncpg.Record) -> tuple[int, int]:
    return int(leaf["xid"]), leaf["entry"]


def _add(report: Report, kind: Kind, what: str, leaf: asyncpg.Record) -> None:
    report.add(Finding(kind=kind, what=what, seal=leaf["seal_no"], table=leaf["source"], entry=leaf["entry"]))


async def _find_orphans(connection: asyncpg.Connection, report: Report) -> None:
    """A seal and its leaves are one commit: leaves beyond the last seal have lost theirs."""
    beyond = await connection.fetchval(
        "SELECT min(seal_no) FROM seal_leaf WHERE seal_no > $1", report.last_seal
    )
    if beyond is not None:
        report.add(Finding(kind=Kind.CUT, what="叶子没有封条", seal=beyond))


async def _find_unsealed(
    connection: asyncpg.Connection, last: Seal | None, since: int, report: Report
) -> None:
    """Entries that no seal knows: forged where they lie before the horizon, else waiting for the sealer."""
    here = str(await connection.fetchval("SELECT system_identifier::text FROM pg_control_system()"))
    after = "(xid, entry) > ((SELECT horizon FROM seal WHERE no = $1), 0)" if since else "$1 = 0"
    for source in SOURCES:
        rows = await connection.fetch(
            "SELECT entry, at, xid::text, at < clock_timestamp() - make_interval(secs => $2) AS late,"  # noqa: S608 - the two names above
            " count(*) OVER () AS counted"
            f" FROM {source} kept WHERE {after} AND NOT EXISTS"
            " (SELECT FROM seal_leaf l WHERE l.entry = kept.entry AND l.at = kept.at AND l.source = $3"
            "  AND l.seal_no <= $4) ORDER BY xid, entry LIMIT $5",
            since,
            float(UNSEALED_SECONDS_MAX),
            source,
            last.no if last else 0,
            FINDINGS_MAX,
        )
        for row in rows:
            where = {"table": source, "entry": row["entry"]}
            if last is not None and _is_forged(row, last, here):
                report.add(Finding(kind=Kind.INSERT, what="没有封条认得它，而它早该封存", **where))
            elif row["late"]:
                report.add(Finding(kind=Kind.UNSEALED, what="久未封存，封存程序可能停了", **where))
        if rows:
            report.waiting += rows[0]["counted"]


def _is_forged(row: asyncpg.Record, last: Seal, here: str) -> bool:
    """Everything before the horizon has its seal. On another server numbers say nothing, and time must do."""
    if last.cluster != here:
        return row["at"] < last.at - timedelta(seconds=LATE_SECONDS_MAX)
    return (int(row["xid"]), row["entry"]) <= (int(last.horizon), last.horizon_entry)
