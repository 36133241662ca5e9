"""Every route as every role, with rows of the role's own patient and with a stranger's."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.billing.channels import close_channels
from app.edge import limits
from app.edge.counting import BUCKETS
from app.kernel import database
from app.kernel.settings import settings
from app.main import app
from tests.make import identity
from tests.make.two_patients import World, two_patients
from tests.rollback import OnePool
from tests.walls.asking import Request, request
from tests.walls.expected_access import (
    ABSENT,
    ELSEWHERE,
    EXPECTED,
    OK,
    REFUSED,
    UNSEEN,
    WHO,
    Line,
    Outcome,
)

# Nobody started a hub or built the pages here.
MAY_BE_DOWN = {"/readyz", "/ui/display", "/ui/kiosk", "/ui/login", "/ui/signed-in"}
AWAY = {"pay_channel_unavailable", "platform_unavailable"}  # who was let in learns that the outside is away
WRONG_PROOF = {
    "login_refused",
    "invitation_invalid",
}  # let in, and proved it badly
SERVER_ERRORS = range(500, 600)
# Says that the question was wrong, and nothing of the wall behind it.
BAD_QUESTION = {"malformed", "invalid", "too_many_requests", "idempotency_key_missing"}


def served() -> set[tuple[str, str]]:
    """What the app answers to; HEAD and OPTIONS are made of GET and of nothing."""
    found: set[tuple[str, str]] = set()
    for route in app.routes:
        handlers: Any = getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]
        for handler in handlers:
            methods = getattr(handler, "http_methods", None) or {"WEBSOCKET"}
            found |= {(str(method), route.path) for method in methods if method not in ("HEAD", "OPTIONS")}
    return found


def test_every_route_has_its_line_and_no_line_is_left_over() -> None:
    lines = [(line.method, line.path) for line in EXPECTED]
    assert len(lines) == len(set(lines))
    assert served() == {*lines, *ELSEWHERE}


@pytest.fixture
async def no_channels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[None]:
    """Payment channels that are not set up, whatever another test of this process had: notices hear 503."""
    monkeypatch.setenv("JIUYI_SIMULATORS", str(tmp_path))
    settings.cache_clear()
    await close_channels()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.usefixtures("no_channels")
async def test_every_role_meets_what_the_hospital_expects(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", limits.scaled(1000))
    mine, strangers = await two_patients()
    asked: Counter[Outcome] = Counter()
    wrong: list[str] = []
    for line in EXPECTED:
        for who in WHO:
            for own in (True, False):
                expected = line.expected(who, own=own)
                met = await meet(
                    client, line, who, me=mine, about=mine if own else strangers, stranger=strangers
                )
                asked[expected] += 1
                if not fits(expected, met):
                    whose = "own" if own else "stranger's"
                    wrong.append(f"{line.method} {line.path} as {who}, {whose}: {met}, expected {expected}")
    assert not wrong, "\n".join(["", *wrong])
    assert sum(asked.values()) == len(EXPECTED) * len(WHO) * 2
    assert set(asked) == set(Outcome)


def fits(expected: Outcome, met: str) -> bool:
    return met == expected or (expected in (OK, ABSENT) and met == f"{ABSENT}")


async def meet(
    client: httpx.AsyncClient, line: Line, who: str, *, me: World, about: World, stranger: World
) -> str:
    """One request, whose traces in the database are taken back; what was met, or what is wrong with it."""
    async with nothing_happened():
        reply = await ask(
            client, request(line.method, line.path, who, me=me, about=about), me.tokens.get(who)
        )
    return outcome(reply, line.path, stranger)


def outcome(reply: httpx.Response, path: str, stranger: World) -> str:
    if reply.status_code in (401, 403) and code(reply) not in WRONG_PROOF:
        return REFUSED
    missing = reply.status_code == 404 and not path.startswith(("/ui", "/schema"))
    if missing and not (path.endswith("/accept") and code(reply) in WRONG_PROOF):
        return UNSEEN
    if reply.status_code in SERVER_ERRORS and path not in MAY_BE_DOWN and code(reply) not in AWAY:
        return f"a server error, {said(reply)}"
    if code(reply) in BAD_QUESTION:
        return f"a bad question, {said(reply)}"
    read = {id_ for id_ in stranger.traces() if id_ in reply.text}
    return OK if read else ABSENT


def code(reply: httpx.Response) -> str:
    problem = "problem+json" in reply.headers.get("content-type", "")
    return reply.json()["code"] if problem else ""


def said(reply: httpx.Response) -> str:
    return f"{reply.status_code} {reply.text[:300]}"


async def ask(client: httpx.AsyncClient, asked: Request, token: str | None) -> httpx.Response:
    headers = asked.headers | identity.bearer(token or "")
    if token is None:
        del headers["Authorization"]
    return await client.request(
        asked.method, asked.path, params=asked.params, headers=headers, json=asked.body
    )


@asynccontextmanager
async def nothing_happened() -> AsyncIterator[None]:
    """The next one meets the same story, and is never one too many."""
    BUCKETS.forget()
    pool = database.DB.pool
    assert isinstance(pool, OnePool)
    await pool.connection.execute("SAVEPOINT one_cell")
    try:
        yield
    finally:
        await pool.connection.execute("ROLLBACK TO SAVEPOINT one_cell; RELEASE SAVEPOINT one_cell")
