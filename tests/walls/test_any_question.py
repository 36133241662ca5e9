"""Whatever is asked, by whomever: an answer or a refusal, never an error of ours."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest

from app.identity.signed_in import forget_sessions
from app.kernel import database
from app.main import app
from app.traces.access_log import ACCESS_LOG
from tests.evidence import evidence
from tests.make.two_patients import World, two_patients
from tests.rollback import OnePool
from tests.trail import open_log
from tests.walls.expected_access import EXPECTED, WHO
from tests.walls.questions import MODES, draw, operations, to_send
from tests.walls.test_matrix import AWAY, SERVER_ERRORS, code, nothing_happened

SEED = 20261123
QUESTIONS = 2  # of each mode for each operation, in the short form
LONG_SECONDS = 30 * 60
STORY_SECONDS = 240  # a terminal's token lives five minutes; then the story is told again

MAY = {(line.method, line.path.replace(":uuid}", "}").replace(":str}", "}")): line.may for line in EXPECTED}


class Asking:
    """Two stories, and what came of asking everybody about them."""

    def __init__(self, client: httpx.AsyncClient, worlds: tuple[World, World], number: int) -> None:
        self.client = client
        self.worlds = worlds
        self.random = Random(number)
        self.statuses: Counter[int] = Counter()
        self.roles: Counter[str] = Counter()
        self.broken: list[str] = []

    async def ask(self, case: Any, who: str) -> None:
        mine, about = self.worlds[0], self.random.choice(self.worlds)
        sent = to_send(case, about=about, token=mine.tokens.get(who), random=self.random)
        async with nothing_happened():
            reply = await self.client.request(**sent)
        self.statuses[reply.status_code] += 1
        self.roles[who] += 1
        if reply.status_code in SERVER_ERRORS and code(reply) not in AWAY:
            self.broken.append(f"{who}: {sent} -> {reply.status_code} {reply.text[:300]}")

    async def everybody(self, operation: Any, cases: list[Any]) -> None:
        """Every role asks once, and who may use the route asks everything that was drawn."""
        may = MAY[operation.method.upper(), operation.path]
        for place, who in enumerate(WHO):
            chosen = cases if who in may and len(may) < len(WHO) else [cases[place % len(cases)]]
            for case in chosen if cases else ():
                await self.ask(case, who)


def drawn(operation: Any, number: int) -> list[Any]:
    return [
        case
        for turn, mode in enumerate(MODES)
        for case in draw(operation, mode=mode, count=QUESTIONS, number=number + turn)
    ]


async def test_no_question_breaks_the_hospital(client: httpx.AsyncClient) -> None:
    # Drawn before anything stands in the database: a transaction that rests for ten seconds is ended.
    questions = [(operation, drawn(operation, SEED)) for operation in operations()]
    asking = Asking(client, await two_patients(), SEED)
    for operation, cases in questions:
        await asking.everybody(operation, cases)
    assert not asking.broken, "\n".join(["", *asking.broken])
    assert set(asking.roles) == set(WHO)
    assert asking.statuses[200] > 0
    assert asking.statuses[404] > 0


@asynccontextmanager
async def story(database_url: str, number: int) -> AsyncIterator[Asking]:
    """A hospital of its own for a few minutes, forgotten afterwards."""
    pool = await OnePool.open(database_url)
    database.DB.pool = pool  # type: ignore[assignment] - the part of a pool that the gate uses
    open_log(commits=False)
    forget_sessions()
    asgi: Any = app
    transport = httpx.ASGITransport(app=asgi, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as client:
            yield Asking(client, await two_patients(), number)
    finally:
        await ACCESS_LOG.close()
        database.DB.pool = None
        await pool.roll_back()


@pytest.mark.long
async def test_half_an_hour_of_questions_breaks_nothing(database_url: str) -> None:
    ends = time.monotonic() + LONG_SECONDS
    statuses: Counter[int] = Counter()
    roles: Counter[str] = Counter()
    number, known = SEED, list(operations())
    with evidence(
        "any-question", "schemathesis asks every operation as every role: no server error"
    ) as numbers:
        while time.monotonic() < ends:
            async with story(database_url, number) as asking:
                number = await until(min(ends, time.monotonic() + STORY_SECONDS), asking, known, number)
            statuses, roles = statuses + asking.statuses, roles + asking.roles
            assert not asking.broken, "\n".join(["", *asking.broken])
        numbers["requests"] = sum(statuses.values())
        numbers["by_status"] = {str(status): count for status, count in sorted(statuses.items())}
        numbers["by_role"] = dict(sorted(roles.items()))
        numbers["operations"] = len(known)
        numbers["server_errors"] = 0


async def until(ends: float, asking: Asking, known: list[Any], number: int) -> int:
    """Operation after operation with ever new questions; the number to go on with."""
    while time.monotonic() < ends:
        for operation in known:
            number += len(MODES)
            await asking.everybody(operation, drawn(operation, number))
            if time.monotonic() > ends or asking.broken:
                return number
    return number
