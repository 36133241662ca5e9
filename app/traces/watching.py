"""The watch: the worker verifies what was sealed in the last hours, round after round, by itself.

It reads through functions of the database and says nothing of older months, so it replaces no
`jiuyi audit verify`: it finds early what somebody changed by hand.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.kernel.actor import Actor, system
from app.kernel.crypto import keys_folder
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.traces.chain import KEY_FILE, Seal, is_signed, public_keys
from app.traces.findings import FINDINGS_MAX, Finding, Kind, Report
from app.traces.sealing import COLUMNS, seal_of
from app.traces.verifying import check_leaves, check_link

log = structlog.get_logger()

WATCH_LOCK = 7_119_003  # the advisory lock that makes watchers take turns
WATCHED_HOURS = 2
TURN_SECONDS_MAX = 10.0  # a round that needs longer goes on in the next turn
STEP_SEALS = 200
STEP_ENTRIES = 5_000  # or one seal, which has no more


async def watch_traces() -> int:
    """The sweep: goes on with the round until it ends or the turn's time is over. Returns the seals seen."""
    path = keys_folder() / KEY_FILE
    if not path.exists():
        return 0  # nothing was ever sealed here
    actor, keys = system("watch"), await asyncio.to_thread(public_keys, [path])
    seen, until = 0, time.monotonic() + TURN_SECONDS_MAX
    while time.monotonic() < until:
        report = await watch_next(actor, keys=keys)
        if report is None:
            break
        seen += report.seals
        for finding in report.findings:
            log.error(
                "trace_broken", kind=finding.kind, seal=finding.seal, table=finding.table, entry=finding.entry
            )
    return seen


@action
async def watch_next(actor: Actor, *, keys: Mapping[str, Ed25519PublicKey]) -> Report | None:
    """One step of the round; None where it is over, which is noted, or another watcher is at work."""
    if not await fetch_value("SELECT pg_try_advisory_xact_lock($1)", WATCH_LOCK):
        return None
    begin = await fetch_value("SELECT seal_no FROM trace_watch WHERE at_work")
    if begin is None:
        begin = await _begin_round()
    row = await fetch_one(f"SELECT {COLUMNS} FROM seal WHERE no <= $1 ORDER BY no DESC LIMIT 1", begin)  # noqa: S608 - our own columns
    before = seal_of(row) if row is not None else None
    seals = await _next_seals(begin)
    if not seals:
        await fetch(
            "UPDATE trace_watch SET at_work = false, problems = found, found = 0,"
            " whole_at = clock_timestamp()"
        )
        return None
    leaves = await fetch("SELECT * FROM jiuyi.leaves_between($1, $2)", seals[0].no, seals[-1].no)
    report = await asyncio.to_thread(_look, seals, before, leaves, keys)
    for stray in await fetch(
        "SELECT * FROM jiuyi.entries_without_leaf($1, $2, $3)", begin, seals[-1].no, FINDINGS_MAX
    ):
        report.add(
            Finding(kind=Kind.INSERT, what="没有封条认得它", table=stray["source"], entry=stray["entry"])
        )
    await fetch(
        "UPDATE trace_watch SET seal_no = $1, seal_at = $2, found = found + $3",
        seals[-1].no,
        seals[-1].at,
        report.found,
    )
    return report


async def _begin_round() -> int:
    """The last seal that is older than what is watched; 0 where all are younger."""
    last = await fetch_one(
        "SELECT no, at FROM seal WHERE at < clock_timestamp() - make_interval(hours => $1)"
        " ORDER BY no DESC LIMIT 1",
        WATCHED_HOURS,
    )
    begin = last["no"] if last is not None else 0
    await fetch(
        "INSERT INTO trace_watch (seal_no, seal_at, at_work, found, problems)"
        " VALUES ($1, coalesce($2::timestamptz, '-infinity'), true, 0, 0)"
        " ON CONFLICT (one) DO UPDATE SET seal_no = excluded.seal_no, at_work = true, found = 0",
        begin,
        last["at"] if last is not None else None,
    )
    return begin


async def _next_seals(begin: int) -> list[Seal]:
    rows = await fetch(
        f"SELECT {COLUMNS} FROM seal WHERE no > $1 ORDER BY no LIMIT $2",  # noqa: S608 - the same
        begin,
        STEP_SEALS,
    )
    seals: list[Seal] = []
    for seal in map(seal_of, rows):
        if seals and sum(taken.entries for taken in seals) + seal.entries > STEP_ENTRIES:
            break
        seals.append(seal)
    return seals


def _look(
    seals: Sequence[Seal],
    before: Seal | None,
    leaves: Sequence[asyncpg.Record],
    keys: Mapping[str, Ed25519PublicKey],
) -> Report:
    """In a thread: signatures and digests of a step would hold up the worker's other tasks."""
    report, of_seal = Report(), dict[int, list[asyncpg.Record]]()
    for leaf in leaves:
        of_seal.setdefault(leaf["seal_no"], []).append(leaf)
    if before is not None and not is_signed(before, keys):
        report.add(Finding(kind=Kind.REWRITE, what="不是可信密钥的签名", seal=before.no))
    for seal in seals:
        check_link(seal, before, keys, report)
        check_leaves(seal, before, of_seal.get(seal.no, []), report)
        report.seals += 1
        report.entries += seal.entries
        before = seal
    return report
