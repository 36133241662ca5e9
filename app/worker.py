"""`jiuyi worker`: relay, sweeps and jobs as watched tasks, beside an arq that may die with Redis."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool

from app.alerts.escalation import escalate_overdue
from app.billing.channels import close_channels
from app.billing.charges import expire_bills
from app.billing.late import refund_undecided
from app.billing.refund_submission import submit_refund
from app.billing.refunds import SUBMIT_REFUND
from app.billing.resolving import sweep_attempts
from app.identity.enrolment import forget_tries
from app.identity.forgetting import forget_spent
from app.identity.proofs import forget_nonces
from app.inpatient.daily import post_nightly_fees
from app.kernel.actor import caused_by, system
from app.kernel.database import close_pool, open_pool
from app.kernel.events import Lane
from app.kernel.hints import REDIS_AWAY, Wakeups, close_hints
from app.kernel.ids import new_id
from app.kernel.jobs import JobHandler, due_jobs, run_job
from app.kernel.relay import Relay
from app.kernel.settings import settings
from app.kernel.tasks import Watched
from app.logs import configure_logs
from app.metrics.processes import ProcessKind, telling
from app.outpatient.arrival import mark_no_shows
from app.outpatient.identifying import forget_identifications
from app.outpatient.paying import expire_holds
from app.outpatient.schedule import free_numbers, roll_sessions
from app.partitions import keep_partitions
from app.patients.break_glass import tell_overdue
from app.patients.majority import tell_majority
from app.rights.answering import tell_overdue as tell_requests_overdue
from app.subscriptions import SUBSCRIPTIONS
from app.traces.sealing import keep_sealing
from app.traces.watching import watch_traces
from notifications.retention import forget_old

log = structlog.get_logger()

LANE_POLL_SECONDS = {Lane.URGENT: 0.2, Lane.LIVE: 0.3, Lane.BULK: 1.0}
JOB_POLL_SECONDS = 0.5
ARQ_POLL_SECONDS = 0.05
ARQ_JOBS_MAX = 8
ARQ_PATIENCE_SECONDS = 2.0  # a job that arq was given and has not begun by then is done here
REDIS_SECONDS_MAX = 2.0
FINISH_SECONDS_MAX = 2.0  # what a job that runs while we stop, or while Redis dies, has to end
DRAIN_JOBS_MAX = 4  # jobs run at once by ourselves while Redis is away

# What an outside effect is done by: one line each.
JOB_HANDLERS: dict[str, JobHandler] = {
    SUBMIT_REFUND: submit_refund,
}

# What is looked at again and again: (name, every seconds, what).
SWEEPS: list[tuple[str, float, Callable[[], Awaitable[object]]]] = [
    ("partitions.keep", 3600, keep_partitions),
    ("identity.forget_nonces", 30, forget_nonces),
    ("identity.forget_tries", 60, forget_tries),
    ("traces.seal", 1, keep_sealing),
    ("traces.watch", 300, watch_traces),
    ("alerts.escalate", 1, escalate_overdue),
    ("billing.attempts", 1, sweep_attempts),
    ("billing.bills", 2, expire_bills),
    ("billing.late", 10, refund_undecided),
    ("outpatient.roll_sessions", 60, roll_sessions),  # often, and cheap: the clock may have moved
    ("outpatient.expire_holds", 5, expire_holds),
    ("outpatient.free_numbers", 5, free_numbers),
    ("outpatient.mark_no_shows", 60, mark_no_shows),
    ("outpatient.forget_identifications", 3600, forget_identifications),
    ("patients.majority", 60, tell_majority),  # often, and cheap: the clock may have moved
    ("patients.break_glass_overdue", 60, tell_overdue),
    ("rights.requests_overdue", 60, tell_requests_overdue),
    ("inpatient.nightly_fees", 60, post_nightly_fees),
    ("identity.forget_spent", 3600, forget_spent),
    ("notifications.forget_old", 3600, forget_old),
]


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    configure_logs()
    asyncio.run(_main())


async def _main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = Work()
    await work.start()
    async with telling(ProcessKind.WORKER):
        log.info("worker_ready")
        await stop.wait()
    await work.stop()


class Work:
    """The worker's tasks, startable inside a test as well as in a process of its own."""

    def __init__(self) -> None:
        self.watched = Watched()
        self.wakeups = Wakeups()
        self.relay = Relay(SUBSCRIPTIONS)
        self.arq: ArqRedis | None = None
        self.handed: dict[UUID, float] = {}
        self.running: dict[UUID, asyncio.Task[bool]] = {}

    async def start(self, *, pool: bool = True) -> None:
        if pool:
            await open_pool()
        self.watched.start("hints", self.wakeups.listen)
        for lane in Lane:
            self.watched.start(f"relay:{lane}", self._relaying(lane))
        for name, seconds, sweep in SWEEPS:
            self.watched.start(f"sweep:{name}", _sweeping(seconds, sweep))
        self.watched.start("jobs", self._feed_jobs)
        if settings().redis_url:
            self.watched.start("arq", self._run_arq)

    async def stop(self, *, pool: bool = True) -> None:
        await self.watched.stop()
        await _let_finish(list(self.running.values()))
        await close_channels()
        await close_hints()
        if pool:
            await close_pool()

    def _relaying(self, lane: Lane) -> Callable[[], Awaitable[None]]:
        async def forever() -> None:
            while True:
                if await self.relay.turn(lane) == 0:
                    await self.wakeups.wait(f"lane:{lane}", poll_s=LANE_POLL_SECONDS[lane])

        return forever

    async def _feed_jobs(self) -> None:
        """Hand due jobs to arq by id; do them here while arq is away, or does not get to them."""
        while True:
            due = await due_jobs(system("jobs"))
            self.handed = {job_id: at for job_id, at in self.handed.items() if job_id in due}
            for job_id in due:
                if job_id in self.running or await self._arq_has(job_id):
                    continue
                if len(self.running) < DRAIN_JOBS_MAX:
                    self._run_here(job_id)
            await self.wakeups.wait("jobs", poll_s=JOB_POLL_SECONDS)

    def _run_here(self, job_id: UUID) -> None:
        task = asyncio.create_task(run_job(job_id, JOB_HANDLERS))
        self.running[job_id] = task
        task.add_done_callback(lambda _: self.running.pop(job_id, None))

    async def _arq_has(self, job_id: UUID) -> bool:
        if self.arq is None:
            return False
        handed_at = self.handed.get(job_id)
        if handed_at is not None:
            return time.monotonic() - handed_at < ARQ_PATIENCE_SECONDS
        try:
            await self.arq.enqueue_job("run_job", str(job_id), _job_id=str(job_id))
        except REDIS_AWAY:
            return False
        self.handed[job_id] = time.monotonic()
        return True

    async def _run_arq(self) -> None:
        """arq inside this process. Any end of it, Redis dying first of all, is a restart by the watcher."""
        pool = ConnectionPool.from_url(
            settings().redis_url, socket_timeout=REDIS_SECONDS_MAX, socket_connect_timeout=REDIS_SECONDS_MAX
        )
        client = ArqRedis(pool, job_serializer=_dump, job_deserializer=_load)
        await client.ping()
        worker = Worker(
            functions=[func(_run_job_by_id, name="run_job", keep_result=0, max_tries=1)],
            redis_pool=client,
            handle_signals=False,
            poll_delay=ARQ_POLL_SECONDS,
            max_jobs=ARQ_JOBS_MAX,
            job_timeout=60,
            job_completion_wait=0,
            job_serializer=_dump,
            job_deserializer=_load,
            log_results=False,
        )
        self.arq = client
        try:
            await worker.main()
        finally:
            self.arq = None
            self.handed.clear()
            await _let_finish(list(worker.tasks.values()))
            await pool.disconnect()


async def _let_finish(tasks: list[asyncio.Task[Any]]) -> None:
    """Jobs need no Redis to end well. Cut off between effect and receipt, one would be done again."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=FINISH_SECONDS_MAX)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run_job_by_id(ctx: dict[Any, Any], job_id: str) -> None:
    await run_job(msgspec.convert(job_id, type=UUID), JOB_HANDLERS)


def _dump(value: dict[str, object]) -> bytes:
    """JSON, never pickle: whoever can write to Redis must not run code here."""
    return msgspec.json.encode(value)


def _load(raw: bytes) -> dict[str, object]:
    return msgspec.json.decode(raw)


def _sweeping(seconds: float, sweep: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    async def forever() -> None:
        while True:
            with caused_by(str(new_id())):  # what a turn brings about goes back to this turn
                await sweep()
            await asyncio.sleep(seconds)

    return forever
