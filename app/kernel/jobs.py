"""Outside effects as rows: claimed by id, fenced by an epoch, retried, and never only in Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Histogram
from structlog.contextvars import bound_contextvars

from app.kernel.actor import Actor, caused_by, system
from app.kernel.database import action, after_commit, fetch, fetch_one, fetch_value
from app.kernel.errors import Unavailable, storable
from app.kernel.hints import wake
from app.kernel.ids import new_id
from app.kernel.tables import JOB_FLOW, JobStatus

log = structlog.get_logger()

LEASE_SECONDS = 30
ATTEMPTS_MAX = 10
BACKOFF_SECONDS_MAX = 600
CLAIM_MAX = 100
FINISH_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)  # together well within the lease

RUNS = Counter("jiuyi_job_runs", "Runs of jobs, by how they ended", ["kind", "outcome"])
RUN_SECONDS = Histogram("jiuyi_job_run_seconds", "How long a run took, with its outside call", ["kind"])


class JobRun(msgspec.Struct, frozen=True):
    """One attempt at a job; its epoch proves that nobody else has taken the job over since."""

    id: UUID
    kind: str
    arguments: dict[str, Any]
    lease_epoch: int
    attempts: int
    request_id: str = ""  # whose request this goes back to


class Fenced(Exception):
    """Another runner holds the job now: what this one was about to write must not be written."""


class RetryLater(Exception):
    """Raised by a job that has nothing to report yet: try again in `seconds`, without an error."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(seconds)


JobHandler = Callable[[JobRun], Awaitable[None]]


@action
async def enqueue(
    actor: Actor,
    *,
    kind: str,
    arguments: dict[str, Any],
    unique_key: str | None = None,
    run_at: datetime | None = None,
) -> UUID | None:
    """Ask for an effect when this transaction commits. None where `unique_key` asked already."""
    job_id = await fetch_value(
        "INSERT INTO job (id, kind, arguments, unique_key, status, run_at, request_id)"
        " VALUES ($1, $2, $3, $4, 'due', coalesce($5, now()), current_setting('app.request_id'))"
        " ON CONFLICT ON CONSTRAINT job_once DO NOTHING RETURNING id",
        new_id(),
        kind,
        msgspec.json.encode(arguments).decode(),
        unique_key,
        run_at,
    )
    after_commit(lambda: wake("jobs"))
    return job_id


@action
async def due_jobs(actor: Actor) -> list[UUID]:
    """Jobs that may run now, with those whose runner's lease ran out."""
    rows = await fetch(
        "SELECT id FROM job WHERE status = 'due' AND run_at <= now()"
        " UNION ALL SELECT id FROM job WHERE status = 'running' AND leased_until < now() LIMIT $1",
        CLAIM_MAX,
    )
    return [row["id"] for row in rows]


@action
async def claim(actor: Actor, *, job_id: UUID) -> JobRun | None:
    """Take a job for LEASE_SECONDS. None where it is done, not due, or in other hands."""
    row = await fetch_one(
        "UPDATE job SET status = 'running', lease_epoch = lease_epoch + 1, attempts = attempts + 1,"
        " leased_until = now() + $2 * interval '1 second'"
        " WHERE id = $1 AND ((status = 'due' AND run_at <= now())"
        "   OR (status = 'running' AND leased_until < now()))"
        " RETURNING id, kind, arguments, lease_epoch, attempts, request_id",
        job_id,
        LEASE_SECONDS,
    )
    if row is None:
        return None
    return JobRun(**{**dict(row), "arguments": msgspec.json.decode(row["arguments"])})


async def fence(run: JobRun) -> None:
    """Inside the transaction that records an effect: raise Fenced if the job was taken over."""
    held = await fetch_value(
        "SELECT 1 FROM job WHERE id = $1 AND status = 'running' AND lease_epoch = $2 FOR UPDATE",
        run.id,
        run.lease_epoch,
    )
    if held is None:
        raise Fenced(str(run.id))


@action
async def finish(actor: Actor, *, run: JobRun) -> None:
    await fence(run)
    await JOB_FLOW.move(run.id, JobStatus.DONE)
    await fetch("UPDATE job SET done_at = now(), leased_until = NULL WHERE id = $1", run.id)


@action
async def retry(actor: Actor, *, run: JobRun, error: str, seconds: float | None = None) -> None:
    """Hand the job back. Without `seconds` it was a failure, counted towards the last attempt."""
    await fence(run)
    if seconds is None and run.attempts >= ATTEMPTS_MAX:
        await JOB_FLOW.move(run.id, JobStatus.DEAD, last_error=error)
        log.error("job_dead", job_id=str(run.id), kind=run.kind)
        return
    pause = min(2.0**run.attempts, BACKOFF_SECONDS_MAX) if seconds is None else seconds
    await JOB_FLOW.move(run.id, JobStatus.DUE, last_error=error)
    await fetch(
        "UPDATE job SET run_at = now() + $2 * interval '1 second', leased_until = NULL,"
        " attempts = attempts - $3 WHERE id = $1",
        run.id,
        pause,
        0 if seconds is None else 1,
    )


async def run_job(job_id: UUID, handlers: dict[str, JobHandler]) -> bool:
    """Claim and run one job. The handler does its outside call first and records inside its own action.

    False where there was nothing to do, or no connection to begin with: the feeder comes back.
    """
    actor = system("job")
    try:
        run = await claim(actor, job_id=job_id)
    except Unavailable:
        return False
    if run is None:
        return False
    with caused_by(run.request_id), bound_contextvars(job_id=str(run.id), kind=run.kind):
        began = time.monotonic()
        outcome = await _run(actor, run, handlers)
        seconds = time.monotonic() - began
        RUNS.labels(run.kind, outcome).inc()
        RUN_SECONDS.labels(run.kind).observe(seconds)
        log.info("job_ran", outcome=outcome, ms=round(1000 * seconds, 1))
    return True


async def _run(actor: Actor, run: JobRun, handlers: dict[str, JobHandler]) -> str:
    """How it ended: done, fenced, later, or failed."""
    try:
        await handlers[run.kind](run)
        await _surely_finish(actor, run)
    except Fenced:
        log.warning("job_fenced")
        return "fenced"
    except RetryLater as later:
        await _hand_back(actor, run, error="", seconds=later.seconds)
        return "later"
    except Exception as error:
        # The worker's outermost loop: an effect may fail in any way, and must be tried again.
        log.warning("job_failed", exc_info=True)
        await _hand_back(actor, run, error=storable(error), seconds=None)
        return "failed"
    return "done"


async def _hand_back(actor: Actor, run: JobRun, *, error: str, seconds: float | None) -> None:
    """Give the job back; where even that is not possible now, its lease ends by itself."""
    try:
        await retry(actor, run=run, error=error, seconds=seconds)
    except (Fenced, Unavailable):
        log.warning("job_left_to_its_lease")


async def _surely_finish(actor: Actor, run: JobRun) -> None:
    """The effect has happened: a busy moment of ours must not make it happen again."""
    for pause in FINISH_PAUSES_S:
        try:
            return await finish(actor, run=run)
        except Unavailable:
            await asyncio.sleep(pause)
    return await finish(actor, run=run)
