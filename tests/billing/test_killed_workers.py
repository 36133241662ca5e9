"""`jiuyi worker` is killed fifty times in the middle of refunds, and every refund happens once."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from app.billing.refunds import SUBMIT_REFUND, request_refund
from app.billing.tables import PayMethod
from app.kernel.actor import system
from app.kernel.hints import close_hints
from app.kernel.jobs import LEASE_SECONDS
from app.kernel.settings import settings
from app.launch.processes import Child, stop_all
from tests.billing.conftest import PayingHospital
from tests.errands import start_worker
from tests.evidence import evidence, spread
from tests.make import billing as make
from tests.make.rows import value
from tests.own_redis import Redis

pytestmark = [pytest.mark.commits, pytest.mark.long]

TEST = system("test")
KILLS = 50
REFUNDS_EACH = 2
METHODS = (PayMethod.WECHAT_JSAPI, PayMethod.ALIPAY_MINI)
REFUND_CALL = {"wechat": "refund", "alipay": "alipay.trade.refund"}
ANSWER_SECONDS = 1.0  # how long a platform takes over a refund: the middle that is aimed at
LIFE_SECONDS = 4.0  # arq still knows what died with a worker: the next one waits 2 s for it before it acts
BEGUN_SECONDS_MAX = 30.0
END_SECONDS_MAX = 180.0
RECOVERY_SECONDS_MAX = LEASE_SECONDS + 60.0  # who died over it often looks again ever more seldom

# One holding of a job: a later worker's holding of the same job has a later epoch.
IN_THE_MIDDLE = (
    "SELECT coalesce(array_agg(id || '/' || lease_epoch), '{}') FROM job WHERE kind = $1"
    " AND status = 'running' AND leased_until > now() AND id || '/' || lease_epoch <> ALL($2)"
)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server, before = Redis(tmp_path), os.environ["REDIS_URL"]
    server.start()
    os.environ["REDIS_URL"] = server.url
    settings.cache_clear()
    yield server
    server.signal(signal.SIGKILL)
    os.environ["REDIS_URL"] = before
    settings.cache_clear()


@pytest.fixture
async def workers(redis: Redis, hospital: PayingHospital) -> AsyncIterator[list[Child]]:
    started: list[Child] = []
    yield started
    stop_all(started, patience_seconds=5)
    await close_hints()


async def paid(hospital: PayingHospital, number: int) -> UUID:
    """A paid bill, by turns on both platforms."""
    method = METHODS[number % len(METHODS)]
    payer = await hospital.payer(method.split("_")[0])
    bill_id = await make.bill(payer.person_id)
    await hospital.pay(payer, bill_id, method)
    return bill_id


async def slow_platforms(hospital: PayingHospital, name: str) -> None:
    """Every refund takes its time, before or after it has taken effect."""
    await hospital.clear_faults()
    for channel, endpoint in REFUND_CALL.items():
        await hospital.fault(channel, name, endpoint=endpoint, times=10_000, seconds=ANSWER_SECONDS)


async def kill_in_the_middle(worker: Child, dead: dict[str, float], dice: random.Random) -> int:
    """Kill it once it holds a job; how many it died over. `dead`: each cut-off holding, and when."""
    end = time.monotonic() + BEGUN_SECONDS_MAX
    while not await value(IN_THE_MIDDLE, SUBMIT_REFUND, list(dead)):
        assert time.monotonic() < end, "no refund was begun"
        await asyncio.sleep(0.01)
    await asyncio.sleep(dice.uniform(0, ANSWER_SECONDS))
    worker.ask(signal.SIGKILL)
    worker.popen.wait()
    died = await value("SELECT extract(epoch FROM clock_timestamp())::float8")
    held = await value(IN_THE_MIDDLE, SUBMIT_REFUND, list(dead))
    dead.update(dict.fromkeys(held, died))
    return len(held)


async def all_over() -> None:
    end = time.monotonic() + END_SECONDS_MAX
    while left := await value("SELECT count(*) FROM job WHERE kind = $1 AND status <> 'done'", SUBMIT_REFUND):
        assert time.monotonic() < end, f"{left} refunds are still under way"
        await asyncio.sleep(0.2)


async def refunds_not_single(hospital: PayingHospital, bills: list[UUID]) -> list[UUID]:
    """The check: at the platform, in our rows and among our facts, one refund of each bill."""
    wrong: list[UUID] = []
    for bill_id in bills:
        attempt_id = await value("SELECT id FROM attempt WHERE bill_id = $1", bill_id)
        there = [refund["amount_fen"] for refund in (await hospital.order_at(attempt_id))["refunds"]]
        here = await value(
            "SELECT array_agg(amount_fen) FROM refund WHERE bill_id = $1 AND status = 'succeeded'", bill_id
        )
        told = await value(
            "SELECT count(*) FROM event WHERE kind = 'refund.succeeded' AND aggregate_id = $1",
            bill_id,
        )
        if (there, here, told) != ([1234], [1234], 1):
            wrong.append(bill_id)
    return wrong


async def test_refunds_survive_fifty_deaths_of_the_worker(
    hospital: PayingHospital, workers: list[Child], tmp_path: Path
) -> None:
    what = "kill -9 of `jiuyi worker` in the middle of refunds at both platforms"
    with evidence("worker-killed", what) as numbers:
        dice, dead, hit = random.Random(9), dict[str, float](), 0
        bills = [await paid(hospital, n) for n in range(KILLS * REFUNDS_EACH)]
        for n in range(KILLS):
            await slow_platforms(hospital, ("delay_before", "delay_after")[n % 2])
            workers.append(start_worker(tmp_path / "worker.log", sys.executable, "-m", "app.cli", "worker"))
            await asyncio.sleep(LIFE_SECONDS)
            for bill_id in bills[n * REFUNDS_EACH : (n + 1) * REFUNDS_EACH]:
                await request_refund(TEST, bill_id=bill_id)
            hit += await kill_in_the_middle(workers.pop(), dead, dice) > 0
        await hospital.clear_faults()
        workers.append(start_worker(tmp_path / "worker.log", sys.executable, "-m", "app.cli", "worker"))
        await all_over()
        last = {holding.split("/")[0]: died for holding, died in dead.items()}  # in the order of time
        took = [await known_after(UUID(job_id), died) for job_id, died in last.items()]
        numbers.update(
            kills=KILLS, kills_in_the_middle=hit, holdings_cut_off=len(dead), jobs_cut_off=len(last),
            refunds=len(bills), not_single=len(await refunds_not_single(hospital, bills)),
            recovery_seconds=spread(took), lease_seconds=LEASE_SECONDS,
        )  # fmt: skip
        assert numbers["not_single"] == 0
        assert hit >= KILLS * 0.8, "most deaths came in the middle"
        assert max(took) < RECOVERY_SECONDS_MAX
        await hospital.assert_books_agree()


async def known_after(job_id: UUID, died: float) -> float:
    """Seconds from the last death over it until we knew the money to be back; 0 where a notice was first."""
    return await value(
        "SELECT greatest(0, extract(epoch FROM e.at)::float8 - $2) FROM job j"
        " JOIN event e ON e.kind = 'refund.succeeded' AND e.fact->>'refund_id' = j.unique_key"
        " WHERE j.id = $1",
        job_id,
        died,
    )
