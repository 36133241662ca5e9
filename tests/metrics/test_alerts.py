"""docs/metrics.md and the default alert rules speak of what `/metrics` really exports."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from app import main, worker
from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.kernel.settings import ROOT, settings
from app.metrics import routes
from app.metrics.pool import pool_figures
from app.metrics.questions import QUESTIONS, Answers
from app.metrics.surroundings import LAST_BACKUP, LastBackup, note_backup
from tests.make import inpatient as make

DOCUMENT = ROOT / "docs/metrics.md"
RULES = ROOT / "docs/monitoring/alerts.yml"
PROMTOOL = shutil.which("promtool") or ""
COUNTING = (main, worker)  # what is imported here registers its metrics, as in a whole hospital


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ANSWERS", Answers())


async def scraped() -> str:
    asgi: Any = main.app
    transport = httpx.ASGITransport(app=asgi, client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as client:
        routes.ANSWERS = Answers()
        return (await client.get("/metrics")).text


async def figure(name: str, **labels: str) -> float:
    """The one sample of that name with these labels; 0 where there is none."""
    found = [
        sample.value
        for family in text_string_to_metric_families(await scraped())
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1
    return found[0] if found else 0


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*) ?\|", DOCUMENT.read_text(), re.MULTILINE)
    return {name: (kind, set(filter(None, labels.strip().split(", ")))) for name, kind, labels in rows}


def labels_of_own() -> dict[str, set[str]]:
    """The labels of every metric of this process, also of those that nobody has counted yet."""
    found: dict[str, set[str]] = {}
    for family in (*REGISTRY.collect(), pool_figures()):
        seen = {label for sample in family.samples for label in sample.labels} - {"le"}
        collector = REGISTRY._names_to_collectors.get(family.name)  # pyright: ignore[reportPrivateUsage] - no other way
        found[family.name] = {"process"} | seen | set(getattr(collector, "_labelnames", ()))
    return found


async def exported() -> dict[str, tuple[str, set[str]]]:
    own = labels_of_own()
    asked = {question.name: set(question.labels) for question in QUESTIONS}
    found: dict[str, tuple[str, set[str]]] = {}
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", await scraped(), re.MULTILINE):
        family = name.removesuffix("_total") if kind == "counter" else name
        found[name] = (kind, own.get(family) or asked.get(name, set()))
    return found


@pytest.mark.commits
async def test_the_document_lists_what_is_exported_and_nothing_else(db: str) -> None:
    assert documented() == await exported()


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


WORD = re.compile(r"(\w+)(?:\{([^}]*)\})?")


def spoken(expression: str) -> tuple[set[str], set[str], dict[str, set[str]]]:
    """The metrics of an expression, the labels it groups by, and those that it asks of each metric."""
    grouped = {
        label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")
    }
    asked = {
        name: set(re.findall(r"(\w+)\s*[=!]~?=?", matchers))
        for name, matchers in WORD.findall(expression)
        if re.match(r"jiuyi_|process_", name)
    }
    return set(asked), grouped, asked


def metric_of(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def unknown_words(expression: str, known: dict[str, tuple[str, set[str]]]) -> set[str]:
    names, grouped, asked = spoken(expression)
    wrong = {name for name in names if metric_of(name) not in known}
    for name in names - wrong:
        labels = known[metric_of(name)][1] | {"le"}
        wrong |= (asked[name] | grouped) - labels
    return wrong


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_speaks_of_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    assert spoken(rule["expr"])[0]
    assert unknown_words(rule["expr"], documented()) == set()
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    for words in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        assert re.search(r"[\u4e00-\u9fff]", words)
    used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert used <= spoken(rule["expr"])[1] | {"kind"}


def test_a_planted_word_is_found() -> None:
    """The control of the test above."""
    known = documented()
    assert unknown_words("jiuyi_made_up > 0", known) == {"jiuyi_made_up"}
    assert unknown_words('jiuyi_outbox_rows{colour="red"}', known) == {"colour"}
    assert unknown_words("sum by (shape) (jiuyi_request_seconds_bucket)", known) == {"shape"}


def test_every_threshold_is_asked_for() -> None:
    """What must be watched is: one rule at least speaks of each of these."""
    watched = set().union(*(spoken(rule["expr"])[0] for rule in rules()))
    assert watched >= {
        "jiuyi_lane_lag_seconds", "jiuyi_deliveries_open", "jiuyi_jobs_open", "jiuyi_pool_refusals_total",
        "jiuyi_rt_look_age_seconds", "jiuyi_processes", "jiuyi_seal_lag_seconds",
        "jiuyi_alert_overdue_seconds",
        "jiuyi_backup_timestamp_seconds", "jiuyi_partition_stray_rows", "jiuyi_disk_free_bytes",
        "jiuyi_requests_total", "jiuyi_database_up", "jiuyi_anchors_ailing", "jiuyi_trace_problems",
        "jiuyi_watch_age_seconds",
    }  # fmt: skip


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed (Debian: apt-get install prometheus)")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "docs/monitoring/alerts.yml"),
        ("check", "config", "--syntax-only", "docs/monitoring/prometheus.yml"),
        ("test", "rules", "tests/metrics/alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_own_tool_agrees(words: tuple[str, ...]) -> None:
    done = subprocess.run([PROMTOOL, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class TestConditions:
    """What the rules ask for is to be seen when it happens."""

    async def _delivery(self, *, status: str, attempts: int, minutes: int = 5) -> None:
        await make.write(
            "INSERT INTO delivery (id, event_id, event_at, subscriber, lane, aggregate_id, aggregate_version,"
            " status, attempts, retry_at, last_error) VALUES ($1, $1, now() - $2 * interval '1 minute',"
            " 'tests.hear', 'live', $1, 1, $3, $4, now(), '')",
            uuid4(), minutes, status, attempts,
        )  # fmt: skip

    async def _job(self, *, status: str, minutes: int) -> None:
        await make.write(
            "INSERT INTO job (id, kind, status, run_at)"
            " VALUES ($1, 'tests.do', $2, now() - $3 * interval '1 minute')",
            uuid4(), status, minutes,
        )  # fmt: skip

    async def test_deliveries_that_wait_fail_and_die(self, db: str) -> None:
        await self._delivery(status="due", attempts=0)
        await self._delivery(status="due", attempts=3, minutes=60)
        await self._delivery(status="dead", attempts=8, minutes=600)
        for status in ("due", "failing", "dead"):
            assert await figure("jiuyi_deliveries_open", subscriber="tests.hear", status=status) == 1
        assert 299 < await figure("jiuyi_lane_lag_seconds", lane="live") < 360
        assert await figure("jiuyi_lane_lag_seconds", lane="urgent") == 0

    async def test_events_that_nobody_fans_out(self, db: str) -> None:
        await make.write(
            "INSERT INTO outbox (event_id, event_at, lane, position)"
            " VALUES ($1, now() - interval '1 hour', 'bulk', 1)",
            uuid4(),
        )
        assert await figure("jiuyi_outbox_rows", lane="bulk") == 1
        assert await figure("jiuyi_lane_lag_seconds", lane="bulk") >= 3600

    async def test_jobs_that_wait_and_die(self, db: str) -> None:
        await self._job(status="due", minutes=-60)
        assert await figure("jiuyi_job_lag_seconds") == 0, "its time has not come"
        await self._job(status="due", minutes=2)
        await self._job(status="dead", minutes=600)
        assert await figure("jiuyi_jobs_open", kind="tests.do", status="dead") == 1
        assert await figure("jiuyi_jobs_open", kind="tests.do", status="due") == 2
        assert 119 < await figure("jiuyi_job_lag_seconds") < 180

    async def test_an_alert_that_does_not_climb(self, db: str) -> None:
        ward = await make.new_ward()
        await raise_alert(
            make.TEST, kind=AlertKind.NURSE_CALL, level=AlertLevel.URGENT, ward_id=ward.id, text="呼叫护士"
        )
        assert await figure("jiuyi_alert_overdue_seconds") == 0
        await make.write("UPDATE alert SET ack_deadline = jiuyi.now() - interval '40 s', escalations = 1")
        assert 39 < await figure("jiuyi_alert_overdue_seconds") < 60
        assert await figure("jiuyi_alerts_unanswered", level="urgent") == 1
        assert await figure("jiuyi_alerts_escalated", level="urgent") == 1
        assert await figure("jiuyi_alerts_escalated", level="critical") == 0

    async def test_a_row_that_went_astray(self, db: str) -> None:
        await make.write(
            "INSERT INTO event (id, at, kind, schema_version, aggregate, aggregate_id, aggregate_version,"
            " actor_kind, channel, request_id, business_at, fact) VALUES ($1, '2001-01-01', 'a', 1, 'a', $1,"
            " 1, 'system', '', '', now(), '{}')",
            uuid4(),
        )
        assert await figure("jiuyi_partition_stray_rows", partitioned="event") == 1
        assert await figure("jiuyi_partitions_ahead", partitioned="event") == 3

    @pytest.mark.commits
    async def test_traces_that_wait_for_their_seal(self, db: str) -> None:
        await make.new_ward()
        first = await figure("jiuyi_seal_lag_seconds")
        assert 0 < first < await figure("jiuyi_seal_lag_seconds"), "it grows until the sealer comes"
        # As the sealer leaves it, which waits for the oldest transaction of all databases of the server.
        owner = await asyncpg.connect(db)
        await owner.execute(
            "INSERT INTO seal (no, at, entries, previous, root, cluster, horizon, horizon_entry, key_id,"
            " signature) SELECT 1, now(), 1, none, none, '', pg_snapshot_xmax(pg_current_snapshot()), 0, '',"
            " none FROM (SELECT decode(repeat('00', 32), 'hex') AS none) AS zeros"
        )
        await owner.close()
        assert await figure("jiuyi_seal_lag_seconds") == 0

    async def test_an_anchor_that_cannot_be_told(self, db: str) -> None:
        assert await figure("jiuyi_anchors_ailing") == 0
        await make.write(
            "INSERT INTO anchor_state (folder, told, ails, since) VALUES ('/away', 1, 'unreachable', now())"
        )
        assert await figure("jiuyi_anchors_ailing") == 1

    async def test_traces_that_the_watch_found_broken(self, db: str) -> None:
        assert await figure("jiuyi_trace_problems") == await figure("jiuyi_watched_seal") == 0
        await make.write(
            "INSERT INTO trace_watch (seal_no, seal_at, at_work, found, problems, whole_at)"
            " VALUES (7, now(), true, 2, 1, now() - interval '1 hour')"
        )
        assert await figure("jiuyi_trace_problems") == 2
        assert await figure("jiuyi_watched_seal") == 7
        assert 3599 < await figure("jiuyi_watch_age_seconds") < 3700

    async def test_the_last_backup(self, db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JIUYI_DATA", str(tmp_path))
        settings.cache_clear()
        try:
            assert await figure("jiuyi_backup_timestamp_seconds") == 0
            at = datetime(2026, 11, 23, 3, tzinfo=UTC)
            last = LastBackup(at=at, directory="/backup", bytes=123)
            note_backup(tmp_path, last)
            assert await figure("jiuyi_backup_timestamp_seconds") == at.timestamp()
            assert await figure("jiuyi_backup_bytes") == 123
            (tmp_path / LAST_BACKUP).write_bytes(b"half a fi")
            assert await figure("jiuyi_backup_timestamp_seconds") == 0, "unreadable is as good as none"
        finally:
            monkeypatch.undo()
            settings.cache_clear()

    async def test_redis_that_is_away(self, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert await figure("jiuyi_redis_up") == 1
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
        settings.cache_clear()
        try:
            assert await figure("jiuyi_redis_up") == 0
        finally:
            monkeypatch.undo()
            settings.cache_clear()
