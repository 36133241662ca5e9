"""Figures that the database knows: asked when somebody scrapes, the same whichever process is asked."""

import asyncio
import time
from collections.abc import Iterable

import asyncpg
import msgspec
import structlog

from app.alerts.tables import AlertLevel
from app.kernel.actor import Actor, system
from app.kernel.database import DATABASE_AWAY, fetch, query
from app.kernel.errors import DomainError
from app.kernel.events import Lane
from app.metrics.families import Family, Sample
from app.metrics.processes import ProcessKind
from app.partitions import PARTITIONED

log = structlog.get_logger()

KEPT_SECONDS = 2.0  # two scrapers and a curious person cost one look
ASK_SECONDS_MAX = 3.0
SERIES_MAX = 200  # of one figure
ALIVE_SECONDS = 20  # four beats: app/metrics/processes.py


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One gauge. `sql` returns its labels' columns and `value`."""

    name: str
    about: str
    labels: tuple[str, ...] = ()
    sql: str


def each(column: str, values: Iterable[str]) -> str:
    """A list of words as a table, so that what has no row is told as 0."""
    words = ", ".join(f"('{value}')" for value in values)
    return f"(VALUES {words}) AS every ({column})"


LANES, LEVELS, KINDS = each("lane", Lane), each("level", AlertLevel), each("kind", ProcessKind)
UNANSWERED = "a.status IN ('raised', 'delivered', 'displayed')"

QUESTIONS: list[Question] = [
    Question(
        name="jiuyi_outbox_rows",
        about="Committed events that no relay has fanned out yet",
        labels=("lane",),
        sql=f"SELECT every.lane, count(o.event_id) AS value FROM {LANES} LEFT JOIN outbox o USING (lane)"
        " GROUP BY 1",
    ),
    Question(
        name="jiuyi_lane_lag_seconds",
        about="Age of the oldest event that some subscriber has not been given yet",
        labels=("lane",),
        sql="SELECT every.lane, coalesce(extract(epoch FROM now() - least("
        " (SELECT min(event_at) FROM outbox o WHERE o.lane = every.lane),"
        " (SELECT min(event_at) FROM delivery d WHERE d.lane = every.lane AND d.status = 'due'"
        f"  AND d.attempts = 0))), 0) AS value FROM {LANES}",
    ),
    Question(
        name="jiuyi_deliveries_open",
        about="Deliveries that are not done: due, failing (tried in vain, tried again) or dead",
        labels=("subscriber", "status"),
        sql="SELECT subscriber, CASE WHEN attempts = 0 THEN 'due' ELSE 'failing' END AS status,"
        " count(*) AS value FROM delivery WHERE status = 'due' GROUP BY 1, 2"
        " UNION ALL SELECT subscriber, 'dead', count(*) FROM delivery WHERE status = 'dead' GROUP BY 1",
    ),
    Question(
        name="jiuyi_jobs_open",
        about="Jobs that are not done: due, running or dead",
        labels=("kind", "status"),
        sql=" UNION ALL ".join(
            f"SELECT kind, '{status}' AS status, count(*) AS value FROM job"
            f" WHERE status = '{status}' GROUP BY 1"
            for status in ("due", "running", "dead")
        ),
    ),
    Question(
        name="jiuyi_job_lag_seconds",
        about="How long the job that has waited longest could have run",
        sql="SELECT coalesce(extract(epoch FROM now() - min(run_at)), 0) AS value FROM job"
        " WHERE status = 'due' AND run_at <= now()",
    ),
    Question(
        name="jiuyi_alerts_unanswered",
        about="Alerts that nobody has accepted yet",
        labels=("level",),
        sql=f"SELECT every.level, count(a.id) AS value FROM {LEVELS}"
        f" LEFT JOIN alert a ON a.level = every.level AND {UNANSWERED} GROUP BY 1",
    ),
    Question(
        name="jiuyi_alerts_escalated",
        about="Unanswered alerts that have climbed at least once",
        labels=("level",),
        sql=f"SELECT every.level, count(a.id) AS value FROM {LEVELS}"
        f" LEFT JOIN alert a ON a.level = every.level AND {UNANSWERED} AND a.escalations > 0 GROUP BY 1",
    ),
    Question(
        name="jiuyi_alert_overdue_seconds",
        about="How long the escalator has let an alert stand after its deadline; 0 while it climbs in time",
        sql="SELECT greatest(coalesce(extract(epoch FROM jiuyi.now() - min(a.ack_deadline)), 0), 0) AS value"
        f" FROM alert a WHERE {UNANSWERED}",
    ),
    Question(
        name="jiuyi_partition_stray_rows",
        about="Rows that fell into a default partition because their month was missing",
        labels=("partitioned",),
        sql="SELECT every.partitioned, jiuyi.stray_rows(every.partitioned) AS value"
        f" FROM {each('partitioned', PARTITIONED)}",
    ),
    Question(
        name="jiuyi_partitions_ahead",
        about="Monthly partitions that are made for the months to come",
        labels=("partitioned",),
        sql=f"SELECT every.partitioned, count(c.oid) AS value FROM {each('partitioned', PARTITIONED)}"
        " LEFT JOIN pg_inherits i ON i.inhparent = every.partitioned::regclass"
        " LEFT JOIN pg_class c ON c.oid = i.inhrelid AND c.relname ~ '_[0-9]{6}$'"
        " AND right(c.relname, 6) > to_char(now() AT TIME ZONE 'UTC', 'YYYYMM') GROUP BY 1",
    ),
    Question(
        name="jiuyi_processes",
        about="Processes that said within the last seconds that they live",
        labels=("kind",),
        sql=f"SELECT every.kind, count(b.id) AS value FROM {KINDS} LEFT JOIN process_beat b"
        f" ON b.kind = every.kind AND b.beat_at > now() - interval '{ALIVE_SECONDS} s' GROUP BY 1",
    ),
    Question(
        name="jiuyi_seal_lag_seconds",
        about="Age of the oldest committed trace that no seal covers",
        sql="SELECT jiuyi.seal_lag_seconds() AS value",
    ),
    Question(
        name="jiuyi_anchors_ailing",
        about="Folders of anchors that could not be told of the last seals",
        sql="SELECT count(*) AS value FROM anchor_state WHERE ails <> ''",
    ),
    Question(
        name="jiuyi_watch_age_seconds",
        about="How long ago the last whole round over the seals of the last hours ended",
        sql="SELECT coalesce(extract(epoch FROM now() - coalesce((SELECT whole_at FROM trace_watch),"
        " (SELECT at FROM seal ORDER BY no LIMIT 1))), 0) AS value",
    ),
    Question(
        name="jiuyi_watched_seal",
        about="Number of the last seal that the watch has verified",
        sql="SELECT coalesce((SELECT seal_no FROM trace_watch), 0) AS value",
    ),
    Question(
        name="jiuyi_trace_problems",
        about="What the watch found wrong with the traces in its last whole round, or already in this one",
        sql="SELECT coalesce((SELECT greatest(problems, found) FROM trace_watch), 0) AS value",
    ),
]


@query
async def answers(actor: Actor, *, questions: list[Question]) -> list[Family]:
    """One short transaction for all of them."""
    return [await _answer(question) for question in questions]


async def _answer(question: Question) -> Family:
    rows = await fetch(f"SELECT * FROM ({question.sql}) AS told LIMIT {SERIES_MAX}")
    samples = [
        Sample(question.name, {label: str(row[label]) for label in question.labels}, float(row["value"]))
        for row in rows
    ]
    return Family(question.name, "gauge", question.about, samples)


class Answers:
    """The last answers, for a moment. Without a database there is one: that it is away."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.known: list[Family] = []
        self.known_until = 0.0

    async def now(self) -> list[Family]:
        async with self.lock:
            if time.monotonic() >= self.known_until:
                self.known = await self._ask()
                self.known_until = time.monotonic() + KEPT_SECONDS
            return self.known

    async def _ask(self) -> list[Family]:
        try:
            async with asyncio.timeout(ASK_SECONDS_MAX):
                found = await answers(system("metrics"), questions=QUESTIONS)
        except (DomainError, TimeoutError, asyncpg.PostgresError, *DATABASE_AWAY):
            # Also where a question itself is wrong: what the processes count must still be seen.
            log.warning("figures_unknown", exc_info=True)
            return [_database(up=0)]
        return [_database(up=1), *found]


def _database(*, up: int) -> Family:
    name = "jiuyi_database_up"
    return Family(name, "gauge", "Whether the database answered these figures", [Sample(name, {}, up)])
