"""What stays behind: rows of a test's database, keys of Redis, and log files of child processes."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import redis
from msgspec.structs import replace

from app.launch.plan import JIUYI, Task
from tests.recording.identifiers import LOOSE
from tests.recording.recorder import Place, Recorder, read_told

# What is told, queued, traced or remembered of a request. Tables of record hold persons, sealed: their
# numbers are looked for in a dump, elsewhere.
TABLES = (
    "event", "outbox", "delivery", "job", "idempotency", "rt_event", "message", "timeline_entry",
    "proof_nonce", "rt_ticket", "pay_alarm", "access_log", "record_version", "seal",
)  # fmt: skip
KEYS_MAX = 20_000
FOLDER = "JIUYI_TEST_RECORDING"  # where a child writes down what it saw, and finds the patients' names
NAMES = "names.txt"
# Simulators play the outside world: a payer's wallet is nobody's secret from itself.
OUTSIDE_LOGS = {"simulators.log"}


def question(tables: list[str]) -> str:
    """(table, rows, those that may hold a number) of each."""
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*), array_agg(line) FILTER (WHERE line ~ $1)"
        f" FROM (SELECT to_jsonb(each)::text AS line FROM public.{table} AS each) AS lines"
        for table in tables
    )


# What this transaction has written to; of partitioned tables, which months.
TOUCHED = "SELECT relname::text FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0"
ALL = (
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    " AND relkind IN ('r', 'p') AND NOT relispartition"
)
MONTH = re.compile(r"_(\d{6}|default)$")


async def look_at_rows(recorder: Recorder, connection: Any, *, of: str = TOUCHED) -> None:
    """Inside a transaction whose end forgets the settings."""
    tables = [row[0] for row in await connection.fetch(of) if MONTH.sub("", row[0]) in TABLES]
    if not tables:
        return
    await connection.execute("RESET ROLE; SELECT set_config('app.actor_kind', 'system', true)")
    for table, rows, suspects in await connection.fetch(question(tables), LOOSE):
        recorder.look(Place.EVENTS, table, b"", count=rows)
        for line in suspects or ():
            recorder.look(Place.EVENTS, MONTH.sub("", table), line.encode(), count=0)


async def look_at_database(recorder: Recorder, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await look_at_rows(recorder, connection, of=ALL)
    finally:
        await connection.close()


async def learn_names(recorder: Recorder, dsn: str) -> None:
    """Of the seeded patients; whose name stands in one of the staff's is not told apart."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.actor_kind', 'system', true)")
            rows = await connection.fetch(
                "SELECT name FROM person p"
                " WHERE NOT EXISTS (SELECT FROM staff s WHERE strpos(s.name, p.name) > 0)"
            )
            for row in rows:
                recorder.learn(row["name"])
    finally:
        await connection.close()


def look_at_redis(recorder: Recorder, url: str) -> None:
    """Keys and whatever stands behind them."""
    with redis.Redis.from_url(url) as client:
        for number, key in enumerate(client.scan_iter(count=1000)):
            if number >= KEYS_MAX:
                break
            recorder.look(Place.REDIS, f"key {key[:40]!r}", key + b" " + _behind(client, key))


def _behind(client: Any, key: bytes) -> bytes:
    match client.type(key):
        case b"string":
            return client.get(key) or b""
        case b"list":
            return b" ".join(client.lrange(key, 0, -1))
        case b"set":
            return b" ".join(client.smembers(key))
        case b"zset":
            return b" ".join(client.zrange(key, 0, -1))
        case b"hash":
            return b" ".join(part for pair in client.hgetall(key).items() for part in pair)
        case _:
            return b""


def look_at_logs(recorder: Recorder, folder: Path) -> None:
    """Every line that the child processes of a hospital have written."""
    for path in sorted(folder.glob("*.log")):
        if path.name not in OUTSIDE_LOGS:
            look_at_log(recorder, path)


def look_at_log(recorder: Recorder, path: Path) -> None:
    for line in path.read_bytes().splitlines():
        recorder.look(Place.LOGS, path.name, line)


def look_at_the_rest(recorder: Recorder, redis_url: str) -> None:
    """At the end of the run, while its servers still live."""
    look_at_redis(recorder, redis_url)
    for path in sorted(recorder.logs):
        if path.exists():
            look_at_log(recorder, path)


def recorded(task: Task) -> Task:
    """The same `jiuyi` command with a recorder at its doors."""
    assert task.argv[:3] == JIUYI
    return replace(task, argv=(JIUYI[0], "-m", "tests.recording.child", *task.argv[3:]))


def begin_hearing(folder: Path, dsn: str) -> dict[str, str]:
    """Variables for child processes whose database is seeded: where they write, and whose names to miss."""
    folder.mkdir()
    known = Recorder()
    asyncio.run(learn_names(known, dsn))
    (folder / NAMES).write_text("\n".join(sorted(known.names)), encoding="utf-8")
    return {FOLDER: str(folder)}


def hear_children(recorder: Recorder, folder: Path) -> None:
    """What the recorders of child processes wrote down."""
    for path in folder.glob("*.json"):
        told = read_told(path.read_bytes())
        recorder.add(told.seen, told.leaks)
