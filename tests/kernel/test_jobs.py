"""Outside effects: asked for with the change, done once, fenced, retried, and laid aside in the end."""

from typing import Any
from uuid import UUID

import pytest

from app.kernel import jobs
from app.kernel.actor import Actor, system
from app.kernel.database import PoolBusy, action, fetch, fetch_one, query
from app.kernel.jobs import (
    ATTEMPTS_MAX,
    Fenced,
    JobRun,
    RetryLater,
    claim,
    due_jobs,
    enqueue,
    fence,
    finish,
    run_job,
)
from app.letters.deciding import retry_letter

pytestmark = pytest.mark.commits
TEST = system("test")


@query
async def job_row(actor: Actor, *, job_id: UUID) -> Any:
    return await fetch_one("SELECT * FROM job WHERE id = $1", job_id)


@action
async def lapse(actor: Actor, *, job_id: UUID) -> None:
    """The lease runs out, the pause is over."""
    await fetch(
        "UPDATE job SET leased_until = now() - interval '1 s', run_at = now() - interval '1 s' WHERE id = $1",
        job_id,
    )


async def new_job(**arguments: Any) -> UUID:
    job_id = await enqueue(TEST, kind="tests.effect", arguments=arguments)
    assert job_id is not None
    return job_id


async def test_a_job_runs_once(db: str) -> None:
    seen: list[dict[str, Any]] = []

    async def effect(run: JobRun) -> None:
        seen.append(run.arguments)

    job_id = await new_job(order="7")
    assert job_id in await due_jobs(TEST)
    assert await run_job(job_id, {"tests.effect": effect})
    assert not await run_job(job_id, {"tests.effect": effect})
    assert seen == [{"order": "7"}]
    assert (await job_row(TEST, job_id=job_id))["status"] == "done"


async def test_the_same_unique_key_asks_once(db: str) -> None:
    first = await enqueue(TEST, kind="tests.effect", arguments={}, unique_key="refund-1")
    again = await enqueue(TEST, kind="tests.effect", arguments={}, unique_key="refund-1")
    assert first is not None
    assert again is None


async def test_a_failing_job_is_retried_with_a_pause_and_dies_in_the_end(db: str) -> None:
    async def effect(run: JobRun) -> None:
        raise ConnectionResetError("gateway away")

    job_id = await new_job()
    await run_job(job_id, {"tests.effect": effect})
    assert not await run_job(job_id, {"tests.effect": effect}), "it must pause first"
    for _ in range(ATTEMPTS_MAX - 1):
        await lapse(TEST, job_id=job_id)
        await run_job(job_id, {"tests.effect": effect})
    row = await job_row(TEST, job_id=job_id)
    assert (row["status"], row["attempts"]) == ("dead", ATTEMPTS_MAX)
    assert "gateway away" in row["last_error"]
    await retry_letter(TEST, letter_id=job_id, reason="网关已恢复")
    assert job_id in await due_jobs(TEST)


async def test_waiting_for_the_other_side_is_no_failure(db: str) -> None:
    async def effect(run: JobRun) -> None:
        raise RetryLater(0)

    job_id = await new_job()
    for _ in range(ATTEMPTS_MAX + 2):
        await lapse(TEST, job_id=job_id)
        await run_job(job_id, {"tests.effect": effect})
    row = await job_row(TEST, job_id=job_id)
    assert (row["status"], row["attempts"]) == ("due", 0)


async def test_a_runner_that_was_thought_dead_is_fenced(db: str) -> None:
    job_id = await new_job()
    zombie = await claim(TEST, job_id=job_id)
    assert zombie is not None
    assert await claim(TEST, job_id=job_id) is None, "the lease holds"
    await lapse(TEST, job_id=job_id)
    heir = await claim(TEST, job_id=job_id)
    assert heir is not None

    @action
    async def record(actor: Actor, *, run: JobRun) -> None:
        await fence(run)

    with pytest.raises(Fenced):
        await record(TEST, run=zombie)
    with pytest.raises(Fenced):
        await finish(TEST, run=zombie)
    await record(TEST, run=heir)
    await finish(TEST, run=heir)
    assert (await job_row(TEST, job_id=job_id))["status"] == "done"


async def test_a_job_that_is_taken_over_while_it_runs_ends_quietly(db: str) -> None:
    job_id = await new_job()

    async def effect(run: JobRun) -> None:
        await lapse(TEST, job_id=run.id)
        assert await claim(TEST, job_id=run.id) is not None

    assert await run_job(job_id, {"tests.effect": effect})
    assert (await job_row(TEST, job_id=job_id))["status"] == "running"


async def test_a_busy_moment_after_the_effect_does_not_repeat_it(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects: list[UUID] = []
    busy = [PoolBusy(), PoolBusy()]
    finishing = jobs.finish

    async def effect(run: JobRun) -> None:
        effects.append(run.id)

    async def finish_when_free(actor: Actor, *, run: JobRun) -> None:
        if busy:
            raise busy.pop()
        await finishing(actor, run=run)

    monkeypatch.setattr(jobs, "finish", finish_when_free)
    job_id = await new_job()
    await run_job(job_id, {"tests.effect": effect})
    assert (await job_row(TEST, job_id=job_id))["status"] == "done"
    assert effects == [job_id]
