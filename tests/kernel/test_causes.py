"""Whatever a request brings about says so: its events, deliveries, follow-up events and jobs."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import structlog
from structlog.testing import LogCapture

from app import logs
from app.kernel.actor import ANONYMOUS, Actor, ActorKind, cause, caused_by, system
from app.kernel.database import action, fetch, fetch_value, query
from app.kernel.events import Event, Lane, Subscription, emit, fact
from app.kernel.ids import new_id
from app.kernel.jobs import JobRun, due_jobs, enqueue, run_job
from app.kernel.relay import Relay

pytestmark = pytest.mark.commits
log = structlog.get_logger()


@fact(kind="letterbox.filled", aggregate="letterbox", key="box_id")
class LetterboxFilled(msgspec.Struct, frozen=True):
    box_id: UUID


@fact(kind="letterbox.emptied", aggregate="letterbox", key="box_id")
class LetterboxEmptied(msgspec.Struct, frozen=True):
    box_id: UUID


@action
async def fill(actor: Actor, *, box_id: UUID) -> None:
    await emit(actor, LetterboxFilled(box_id))


@action
async def ring(actor: Actor, *, box_id: UUID) -> None:
    await emit(actor, LetterboxEmptied(box_id))


async def empty(actor: Actor, told: Any, event: Event) -> None:
    log.info("emptying")
    await emit(actor, LetterboxEmptied(told.box_id))
    await enqueue(actor, kind="tests.ring", arguments={"box_id": str(told.box_id)})


async def ringing(run: JobRun) -> None:
    log.info("ringing")
    await ring(system("bell"), box_id=UUID(run.arguments["box_id"]))


@query
async def events_of(actor: Actor, *, box_id: UUID) -> list[tuple[str, str]]:
    rows = await fetch(
        "SELECT kind, request_id FROM event WHERE aggregate_id = $1 ORDER BY aggregate_version", box_id
    )
    return [(row["kind"], row["request_id"]) for row in rows]


@query
async def written_request_id(actor: Actor) -> str:
    return await fetch_value("SELECT current_setting('app.request_id')")


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    kept = structlog.get_config()
    capture = LogCapture()
    structlog.configure(processors=[*logs.BEFORE, capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**kept)


def by_phone(request_id: str) -> Actor:
    return Actor(kind=ActorKind.ACCOUNT, id=new_id(), channel="test", request_id=request_id)


async def follow_up() -> None:
    relay = Relay([Subscription("tests.empty", LetterboxFilled, empty)])
    while await relay.turn(Lane.LIVE):
        pass
    while due := await due_jobs(system("test")):
        for job_id in due:
            await run_job(job_id, {"tests.ring": ringing})


async def test_one_request_is_found_in_all_that_came_of_it(db: str, lines: list[Any]) -> None:
    boxes = {str(uuid4()): new_id() for _ in range(3)}
    for request_id, box_id in boxes.items():
        await fill(by_phone(request_id), box_id=box_id)
    await follow_up()
    for request_id, box_id in boxes.items():
        assert await events_of(system("test"), box_id=box_id) == [
            ("letterbox.filled", request_id),
            ("letterbox.emptied", request_id),  # by the subscriber
            ("letterbox.emptied", request_id),  # by the job, under an actor of its own
        ]
        said = [line["event"] for line in lines if line.get("request_id") == request_id]
        assert said == ["emptying", "delivered", "ringing", "job_ran"]
    assert all("request_id" in line for line in lines)


async def test_a_failing_delivery_says_whose_it_is_and_leaves_nothing_to_the_next(
    db: str, lines: list[Any]
) -> None:
    async def fail(actor: Actor, told: Any, event: Event) -> None:
        raise ValueError("no box")

    await fill(by_phone("a-request-of-somebody"), box_id=new_id())
    await Relay([Subscription("tests.fail", LetterboxFilled, fail)]).turn(Lane.LIVE)
    [line] = [line for line in lines if line["event"] == "delivery_failed"]
    assert line["request_id"] == "a-request-of-somebody"
    assert line["subscriber"] == "tests.fail"
    log.info("afterwards")
    assert not {"request_id", "subscriber", "delivery_id"} & lines[-1].keys()


async def test_an_actor_without_a_request_takes_the_cause_of_its_context(db: str) -> None:
    assert await written_request_id(ANONYMOUS) == ""
    with caused_by("somebodys"):
        assert await written_request_id(ANONYMOUS) == "somebodys"
        assert await written_request_id(by_phone("own")) == "own"
    assert cause() == ""


async def test_side_by_side_each_task_has_its_own_cause(db: str) -> None:
    async def one(number: int) -> str:
        with caused_by(f"request-{number}"):
            await asyncio.sleep(0)
            return await written_request_id(system("test"))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(50)]
    assert [task.result() for task in tasks] == [f"request-{number}" for number in range(50)]
