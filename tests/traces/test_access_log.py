"""The group committer: what waits, what fails, what is given up, and what a closing house still writes."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.kernel.actor import ANONYMOUS
from app.kernel.ids import new_id
from app.traces import access_log
from app.traces.access_log import ACCESS_LOG, AccessLog, Entry, Line, Row, TrailUnavailable
from tests.make import identity, patients
from tests.trail import left_by


class Paper(Line):
    """Keeps batches in memory, when it is let; `error` is raised for batches with this permission."""

    def __init__(self, *, bad: str = "", error: Exception | None = None) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.bad = bad
        self.error = error

    async def write(self, rows: Sequence[Row]) -> None:
        await self.free.wait()
        told = [row[7] for row in rows]
        if self.error is not None and self.bad in told:
            raise self.error
        self.batches.append(told)


def entry(permission: str = "visit.read", persons: int = 0) -> Entry:
    return Entry(
        actor=ANONYMOUS,
        role="",
        permission=permission,
        status=200,
        address="",
        persons=tuple(UUID(int=number) for number in range(persons)),
    )


def on(paper: Paper) -> AccessLog:
    made = AccessLog()
    made.lines = [paper]
    return made


async def test_what_comes_while_a_batch_is_written_is_the_next_batch() -> None:
    paper = Paper()
    paper.free.clear()
    log = on(paper)
    replies = [asyncio.create_task(log.write(entry(f"{n}"))) for n in range(4)]
    await asyncio.sleep(0)
    later = [asyncio.create_task(log.write(entry("later"))) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in (*replies, *later))
    paper.free.set()
    await asyncio.gather(*replies, *later)
    assert [one for batch in paper.batches for one in batch] == [
        "0",
        "1",
        "2",
        "3",
        "later",
        "later",
        "later",
    ]
    assert len(paper.batches) <= 2
    assert log.rows_waiting == 0


async def test_one_after_another_each_finds_a_line() -> None:
    """The moment between the last look and the end of the work loses nobody."""
    paper = Paper()
    log = on(paper)
    async with asyncio.timeout(1):
        for _ in range(50):
            await log.write(entry())
    assert len(paper.batches) == 50


async def test_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "BATCH_ROWS_MAX", 10)
    paper = Paper()
    log = on(paper)
    await asyncio.gather(*(log.write(entry(persons=4)) for _ in range(5)))
    assert [len(batch) for batch in paper.batches] == [8, 8, 4]
    await log.write(entry(persons=40))
    assert len(paper.batches[-1]) == 40  # one reply is never torn


async def test_a_full_queue_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "WAITING_ROWS_MAX", 5)
    paper = Paper()
    paper.free.clear()
    log = on(paper)
    first = asyncio.create_task(log.write(entry(persons=3)))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(log.write(entry(persons=5)))
    await asyncio.sleep(0.01)
    with pytest.raises(TrailUnavailable):
        await log.write(entry())
    paper.free.set()
    await asyncio.gather(first, second)
    await log.write(entry())


async def test_a_line_that_hangs_is_given_up_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "WAIT_SECONDS_MAX", 0.05)
    paper = Paper()
    paper.free.clear()
    log = on(paper)
    with pytest.raises(TrailUnavailable):
        await log.write(entry("hung"))
    with pytest.raises(TrailUnavailable):
        await log.write(entry("queued"))
    paper.free.set()
    await log.write(entry("after"))
    assert paper.batches == [["hung"], ["after"]]  # nobody waits for "queued": nothing was shown


async def test_a_cancelled_reply_costs_the_others_nothing() -> None:
    paper = Paper()
    paper.free.clear()
    log = on(paper)
    gone = asyncio.create_task(log.write(entry("gone")))
    stays = asyncio.create_task(log.write(entry("stays")))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.wait([gone])
    paper.free.set()
    await stays
    assert "stays" in paper.batches[0]


@pytest.mark.parametrize("error", [asyncpg.ConnectionDoesNotExistError(), OSError(), TimeoutError()])
async def test_while_the_database_is_away_nothing_is_given(error: Exception) -> None:
    log = on(Paper(bad="visit.read", error=error))
    for found in await asyncio.gather(*(log.write(entry()) for _ in range(3)), return_exceptions=True):
        assert isinstance(found, TrailUnavailable)
    await log.write(entry("other"))


async def test_a_row_that_is_refused_does_not_cost_the_others_theirs() -> None:
    paper = Paper(bad="bad", error=asyncpg.DataError())
    log = on(paper)
    found = await asyncio.gather(
        *(log.write(entry(name)) for name in ("a", "bad", "b")), return_exceptions=True
    )
    assert [type(one) for one in found] == [type(None), TrailUnavailable, type(None)]
    assert sorted(one for batch in paper.batches for one in batch) == ["a", "b"]


async def test_a_bug_of_the_line_leaves_nobody_waiting() -> None:
    log = on(Paper(bad="visit.read", error=ZeroDivisionError()))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    with pytest.raises(TrailUnavailable):
        await log.write(entry())
    await log.write(entry("next"))


async def test_a_closing_house_writes_what_waits_and_takes_no_more() -> None:
    paper = Paper()
    paper.free.clear()
    log = on(paper)
    replies = [asyncio.create_task(log.write(entry())) for _ in range(3)]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(log.close())
    await asyncio.sleep(0.01)
    with pytest.raises(TrailUnavailable):
        await log.write(entry())
    paper.free.set()
    await asyncio.gather(closing, *replies)
    assert sum(map(len, paper.batches)) == 3
    log.open()
    await log.write(entry())


@pytest.mark.commits
async def test_a_line_that_was_cut_is_made_anew(db: str) -> None:
    await ACCESS_LOG.write(entry())
    connection = ACCESS_LOG.lines[0].connection
    assert connection is not None
    connection.terminate()
    await ACCESS_LOG.write(entry())
    owner = await asyncpg.connect(db)
    try:
        assert await owner.fetchval("SELECT count(*) FROM access_log WHERE actor_kind = 'anonymous'") == 2
    finally:
        await owner.close()


class Away(Line):
    async def write(self, rows: Sequence[Row]) -> None:
        raise OSError


async def test_nothing_is_shown_that_cannot_be_written(client: httpx.AsyncClient) -> None:
    account = await identity.account_actor()
    await patients.bound_person(account, name="欧阳静")
    assert account.id is not None
    headers = identity.bearer(await identity.account_token(account.id))
    request_id = str(new_id())
    path = "/api/mini-program/v1/persons"
    served = await client.get(path, headers=headers | {"X-Request-ID": request_id})
    assert "欧阳静" in served.text
    assert [left.status for left in await left_by(request_id)] == [200]
    ACCESS_LOG.lines = [Away()]
    withheld = await client.get(path, headers=headers)
    assert (withheld.status_code, withheld.json()["code"]) == (503, "trail_unavailable")
    assert "欧阳静" not in withheld.text
    assert withheld.headers["Retry-After"] == "1"
    assert withheld.headers["X-Content-Type-Options"] == "nosniff"
    assert (await client.get("/healthz")).status_code == 200
