"""`jiuyi status`: the whole house on one screen, and as JSON for scripts."""

from datetime import datetime

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.database import DATABASE_AWAY, fetch, query
from app.kernel.errors import DomainError
from app.kernel.events import Lane
from app.kernel.settings import settings
from app.metrics.families import Family
from app.metrics.processes import ProcessKind
from app.metrics.questions import ALIVE_SECONDS, QUESTIONS, answers
from app.metrics.surroundings import LastBackup, last_backup, surroundings

KIND_WORDS = {ProcessKind.SERVE: "网页与接口", ProcessKind.WORKER: "后台任务"}


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """`silent_seconds`: since it last said that it lives; it does so every five."""

    kind: str
    host: str
    pid: int
    started_at: datetime
    silent_seconds: float


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    outbox_rows: int
    lag_seconds: float


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found. `troubles` are Chinese sentences; with one of them the command exits with 1."""

    at: datetime
    database: bool
    redis: bool | None  # None: none is configured
    processes: list[Process] = []
    lanes: dict[str, LaneState] = {}
    deliveries: dict[str, int] = {}  # by status: due, failing, dead
    jobs: dict[str, int] = {}  # by status: due, running, dead
    job_lag_seconds: float = 0
    alert_overdue_seconds: float = 0
    seal_lag_seconds: float = 0
    backup: LastBackup | None
    disk_free_bytes: int
    disk_bytes: int
    logs_bytes: int
    troubles: list[str]


async def look() -> Status:
    around = Figures(await surroundings())
    known = {
        "at": clock.wall(),
        "redis": bool(around.one("jiuyi_redis_up")) if settings().redis_url else None,
        "backup": last_backup(settings().data),
        "disk_free_bytes": int(around.one("jiuyi_disk_free_bytes")),
        "disk_bytes": int(around.one("jiuyi_disk_bytes")),
        "logs_bytes": int(around.one("jiuyi_logs_bytes")),
    }
    actor = system("status")
    try:
        figures = Figures(await answers(actor, questions=QUESTIONS))
        processes = await living(actor)
    except (DomainError, *DATABASE_AWAY):
        return Status(**known, database=False, troubles=["数据库没有应答，业务全部停止。"])
    deliveries, jobs = figures.by("jiuyi_deliveries_open", "status"), figures.by("jiuyi_jobs_open", "status")
    return Status(
        **known,
        database=True,
        processes=processes,
        lanes={
            lane: LaneState(
                outbox_rows=int(figures.one("jiuyi_outbox_rows", lane=lane)),
                lag_seconds=round(figures.one("jiuyi_lane_lag_seconds", lane=lane), 1),
            )
            for lane in Lane
        },
        deliveries=deliveries,
        jobs=jobs,
        job_lag_seconds=round(figures.one("jiuyi_job_lag_seconds"), 1),
        alert_overdue_seconds=round(figures.one("jiuyi_alert_overdue_seconds"), 1),
        seal_lag_seconds=round(figures.one("jiuyi_seal_lag_seconds"), 1),
        troubles=troubles(processes, deliveries, jobs),
    )


@query
async def living(actor: Actor) -> list[Process]:
    rows = await fetch(
        "SELECT kind, host, pid, started_at, extract(epoch FROM now() - beat_at)::float8 AS silent_seconds"
        " FROM process_beat WHERE beat_at > now() - $1 * interval '1 second' ORDER BY kind, host, pid",
        ALIVE_SECONDS,
    )
    return [Process(**row) for row in rows]


def troubles(processes: list[Process], deliveries: dict[str, int], jobs: dict[str, int]) -> list[str]:
    """What must not stay as it is; how much lag is too much, the alert rules say."""
    kinds = {process.kind for process in processes}
    found = [
        f"没有{words}进程在运行，请启动 jiuyi {kind}。"
        for kind, words in KIND_WORDS.items()
        if kind not in kinds
    ]
    if dead := deliveries.get("dead", 0):
        found.append(f"{dead} 条消息多次处理失败，已搁置，请系统管理员处理。")
    if dead := jobs.get("dead", 0):
        found.append(f"{dead} 个任务多次失败，已搁置，请系统管理员处理。")
    return found


class Figures:
    """Families, looked up by name and label."""

    def __init__(self, families: list[Family]) -> None:
        self.samples = {family.name: family.samples for family in families}

    def one(self, name: str, **labels: str) -> float:
        found = [s.value for s in self.samples.get(name, []) if labels.items() <= s.labels.items()]
        return found[0] if found else 0.0

    def by(self, name: str, label: str) -> dict[str, int]:
        """Sums over everything else."""
        sums: dict[str, int] = {}
        for sample in self.samples.get(name, []):
            sums[sample.labels[label]] = sums.get(sample.labels[label], 0) + int(sample.value)
        return sums


def screen(status: Status) -> str:
    """Lines of 80 characters at most, for a terminal."""
    return "\n".join([f"就医 jiuyi  {status.at.astimezone():%Y-%m-%d %H:%M:%S}", *_lines(status)])


def _lines(status: Status) -> list[str]:
    redis = {None: "未配置", True: "正常", False: "没有应答(只是变慢)"}[status.redis]
    lines = [f"  数据库 {'正常' if status.database else '没有应答'}    Redis {redis}"]
    for process in status.processes:
        words = KIND_WORDS[ProcessKind(process.kind)]
        lines.append(
            f"  {words} {process.host}:{process.pid}  启动于 {process.started_at.astimezone():%m-%d %H:%M}"
        )
    for lane, state in status.lanes.items():
        lines.append(f"  消息 {lane:<7} 待分发 {state.outbox_rows}  延迟 {state.lag_seconds:.1f} 秒")
    if status.database:
        lines.append(f"  投递 {_counts(status.deliveries, ('due', 'failing', 'dead'))}")
        lines.append(
            f"  任务 {_counts(status.jobs, ('due', 'running', 'dead'))}  等待 {status.job_lag_seconds:.0f} 秒"
        )
        lines.append(f"  病区告警 超时未升级 {status.alert_overdue_seconds:.0f} 秒")
        lines.append(f"  审计封签 延迟 {status.seal_lag_seconds:.1f} 秒")
    backup = (
        f"{status.backup.at.astimezone():%Y-%m-%d %H:%M} {status.backup.directory}"
        if status.backup
        else "从未"
    )
    lines.append(f"  最近备份 {backup}")
    free, size, logs = (
        round(n / 1e9, 1) for n in (status.disk_free_bytes, status.disk_bytes, status.logs_bytes)
    )
    lines.append(f"  磁盘 剩余 {free} / {size} GB  日志 {logs} GB")
    return lines + [f"  注意:{trouble}" for trouble in status.troubles]


def _counts(counts: dict[str, int], statuses: tuple[str, ...]) -> str:
    words = {"due": "待处理", "failing": "重试中", "running": "进行中", "dead": "已搁置"}
    return "  ".join(f"{words[status]} {counts.get(status, 0)}" for status in statuses)
