"""Committed entries get their seal once, whoever writes, dies or copies; anchors hear of every seal."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from app.kernel.actor import system
from app.kernel.settings import ROOT, settings
from app.traces import sealing
from app.traces.anchors import last_line, look, standing
from app.traces.chain import Restored, Seal
from app.traces.findings import CannotTell, Kind
from app.traces.sealing import keep_sealing, tell_restored
from tests.traces.sealed_house import (
    ACCESS,
    PERSON,
    UNSEALED,
    check,
    forger,
    our_private_key,
    seal_everything,
    seals_of,
)

pytestmark = pytest.mark.commits
WRITERS, WRITING_SECONDS = 8, 3.0
SEAL_AND_DIE = """
import asyncio, os, signal
from app.kernel.database import open_pool
from app.traces import sealing

async def tell_nobody(*_, **__): ...

async def main():
    await open_pool()
    sealing.keep_anchor = tell_nobody
    while not await sealing.keep_sealing():
        await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
async def looking(db: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await forger(db)
    yield connection
    await connection.close()


async def write(dsn: str, *, persons: int = 1) -> None:
    connection = await forger(dsn)
    await connection.execute(PERSON.replace("$1", str(persons)))
    await connection.close()


async def write_for_a_while(dsn: str, *, seed: int) -> None:
    """Short and long transactions, some with savepoints, a third of them rolled back."""
    random, connection = Random(seed), await forger(dsn)
    until = asyncio.get_running_loop().time() + WRITING_SECONDS
    while asyncio.get_running_loop().time() < until:
        transaction = connection.transaction()
        await transaction.start()
        for _ in range(random.randrange(1, 4)):
            await connection.execute(PERSON.replace("$1", "2"))
            async with connection.transaction():
                await connection.execute(ACCESS.replace("$1", "2"))
            await asyncio.sleep(random.choice([0, 0.005, 0.02, 0.5 if seed == 0 else 0]))
        await (transaction.rollback() if random.random() < 0.3 else transaction.commit())
    await connection.close()


async def seal_all_the_time(stop: asyncio.Event) -> int:
    made = 0
    while not stop.is_set():
        made += await keep_sealing()
        await asyncio.sleep(0.02)
    return made


async def test_every_committed_entry_is_sealed_once_under_load(db: str, looking: asyncpg.Connection) -> None:
    stop = asyncio.Event()
    sealers = [asyncio.create_task(seal_all_the_time(stop)) for _ in range(2)]
    await asyncio.gather(*[write_for_a_while(db, seed=seed) for seed in range(WRITERS)])
    stop.set()
    made = await asyncio.gather(*sealers)
    assert sum(made) + await seal_everything(looking) > 1
    seals = await seals_of(looking)
    assert [seal.no for seal in seals] == list(range(1, len(seals) + 1))
    assert sum(seal.entries for seal in seals) == await looking.fetchval("SELECT count(*) FROM seal_leaf")
    assert sum(seal.entries for seal in seals) > 500
    report = await check(looking, rows=True)
    assert report.whole, report.findings


async def test_a_long_transaction_delays_and_loses_nothing(db: str, looking: asyncpg.Connection) -> None:
    slow = await forger(db)
    await seal_everything(looking)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(PERSON.replace("$1", "1"))
    await write(db)
    assert await keep_sealing() == 0  # the younger one waits for the older
    assert await looking.fetchval("SELECT jiuyi.seal_lag_seconds() BETWEEN 0.001 AND 60")
    assert await looking.fetchval(UNSEALED) == 1
    await transaction.commit()
    assert await seal_everything(looking) >= 1
    assert await looking.fetchval("SELECT jiuyi.seal_lag_seconds()") == 0
    await slow.close()


async def test_a_sealer_killed_before_the_anchor_is_caught_up(db: str, looking: asyncpg.Connection) -> None:
    await seal_everything(looking)
    await write(db)
    folder = settings().anchors[0]
    before = last_line(folder)
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", SEAL_AND_DIE], cwd=ROOT, env=os.environ, check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert last_line(folder) == before
    assert await keep_sealing() == 0
    assert last_line(folder) == (await seals_of(looking))[-1] != before
    assert (await check(looking)).whole


async def test_an_anchor_that_fails_alarms_and_hears_of_everything_later(
    db: str, tmp_path: Path, looking: asyncpg.Connection
) -> None:
    well, broken = tmp_path / "well", tmp_path / "broken"
    broken.write_text("no folder")
    key, actor = our_private_key(), system("sealer")
    await write(db)
    await seal_everything(looking)
    with capture_logs() as logs:
        for _ in range(2):
            for folder in (well, broken):
                await sealing.keep_anchor(actor, folder=folder, key=key)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["anchor_ails"]
    states = await looking.fetch(
        "SELECT told, ails <> '' AS ails FROM anchor_state WHERE folder LIKE $1", f"{tmp_path}%"
    )
    newest = (await seals_of(looking))[-1].no
    assert {tuple(state) for state in states} == {(newest, False), (0, True)}
    broken.unlink()
    await sealing.keep_anchor(actor, folder=broken, key=key)
    assert list(standing(look(broken))) == list(standing(look(well))) == await seals_of(looking)


async def test_a_line_that_was_cut_off_is_written_again(
    db: str, tmp_path: Path, looking: asyncpg.Connection
) -> None:
    key, actor = our_private_key(), system("sealer")
    await write(db)
    await seal_everything(looking)
    await sealing.keep_anchor(actor, folder=tmp_path, key=key)
    [path] = look(tmp_path).files
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    await sealing.keep_anchor(actor, folder=tmp_path, key=key)
    assert list(standing(look(tmp_path))) == await seals_of(looking)
    path.write_bytes(whole.replace(b'"entries":', b'"entries":1', 1))
    report = await check(looking, anchors=[tmp_path])
    assert report.kinds == {Kind.ANCHOR: 1}


async def test_a_restore_is_acknowledged_and_stays_visible(db: str, looking: asyncpg.Connection) -> None:
    """The anchors know more than a restored database: that is a cut tail until somebody signs for it."""
    folder = settings().anchors[0]
    await write(db)
    await seal_everything(looking)
    kept = (await seals_of(looking))[-1]
    await write(db)
    await seal_everything(looking)
    await looking.execute(
        "BEGIN; SET LOCAL session_replication_role = 'replica';"
        f" DELETE FROM record_version WHERE entry IN (SELECT entry FROM seal_leaf WHERE seal_no > {kept.no});"
        f" DELETE FROM seal_leaf WHERE seal_no > {kept.no}; DELETE FROM seal WHERE no > {kept.no}; COMMIT"
    )
    assert set((await check(looking)).kinds) == {Kind.CUT}
    assert (await check(looking, copy=True)).whole
    await write(db)
    with capture_logs() as logs:
        await seal_everything(looking)
    assert [line["ails"] for line in logs if line["event"] == "anchor_ails"] == [
        f"astray: seal {kept.no + 1}"
    ]
    assert (await check(looking)).kinds[Kind.REWRITE] == 1
    await forget_fork(looking, kept)
    assert await tell_restored(reason="机房断电后恢复") == [folder]
    assert isinstance(last_line(folder), Restored)
    await write(db)
    assert await seal_everything(looking) >= 1
    assert isinstance(last_line(folder), Seal)
    report = await check(looking)
    assert report.whole, report.findings
    assert "机房断电后恢复" in report.notes[0]
    assert await tell_restored(reason="再来一次") == []


async def forget_fork(connection: asyncpg.Connection, kept: Seal) -> None:
    """As it is right after the restore, before anything new was sealed."""
    await connection.execute(
        "BEGIN; SET LOCAL session_replication_role = 'replica';"
        f" DELETE FROM seal_leaf WHERE seal_no > {kept.no}; DELETE FROM seal WHERE no > {kept.no}; COMMIT"
    )


async def test_without_anchors_or_keys_nothing_can_be_told(
    db: str, tmp_path: Path, looking: asyncpg.Connection
) -> None:
    with pytest.raises(CannotTell):
        await check(looking, anchors=[tmp_path])


async def test_a_server_made_from_a_copy_goes_on_where_the_old_one_stopped(
    db: str, looking: asyncpg.Connection
) -> None:
    """Its transactions count from the start again: what the horizon says is worth nothing there."""
    await seal_everything(looking)
    await write(db, persons=3)
    await looking.execute(
        "BEGIN; SET LOCAL session_replication_role = 'replica';"
        " UPDATE record_version SET xid = '9000000000' WHERE NOT EXISTS"
        "  (SELECT FROM seal_leaf l WHERE l.entry = record_version.entry);"
        " COMMIT"
    )
    assert await keep_sealing() == 0  # on the old server they would be in the future
    last = (await seals_of(looking))[-1]
    elsewhere = msgspec.structs.replace(last, cluster="1", horizon="8000000000")
    signed = sealing.sign(elsewhere, our_private_key())
    await looking.execute(
        "BEGIN; SET LOCAL session_replication_role = 'replica';"
        f" UPDATE seal SET cluster = '1', horizon = '8000000000', signature = '\\x{signed.signature}'"
        f" WHERE no = {last.no}; COMMIT"
    )
    assert await seal_everything(looking) >= 1
    await write(db)
    assert await seal_everything(looking) >= 1
    report = await check(looking, anchors=())
    assert report.whole, report.findings


async def test_a_back_dated_entry_that_the_sealer_took_is_found(db: str, looking: asyncpg.Connection) -> None:
    """With a number and a transaction of today it is sealed like any other: its moment gives it away."""
    await seal_everything(looking)
    await looking.execute(
        "INSERT INTO access_log (at, actor_kind, role, channel, request_id, address, permission,"
        " status, reason) VALUES"
        " (now() - interval '2 hours', 'staff', 'doctor', 'staff', '', '', 'report.read', 200, '')"
    )
    await seal_everything(looking)
    report = await check(looking, anchors=())
    assert report.kinds == {Kind.INSERT: 1}
