"""Every route as every role: whoever is shown a patient leaves that patient's row, nobody else does."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import httpx
import msgspec
import pytest

from app.edge import limits
from app.identity.policy import PUBLIC
from app.identity.policy_rows import POLICY
from app.kernel.ids import new_id
from app.traces import showing
from tests.access_page import handlers, permission_of
from tests.make.two_patients import World, two_patients
from tests.trail import Left, left_by
from tests.walls.asking import Request, request
from tests.walls.expected_access import EXPECTED, OK, WHO, Line
from tests.walls.test_matrix import ask, nothing_happened

PERMISSIONS = {(method, path): permission_of(handler) for method, path, handler in handlers()}
REFUSED = (401, 403, 404)
SHOWS = (200, 201)  # 204 shows nothing


async def wrong_with(
    client: httpx.AsyncClient, line: Line, who: str, own: bool, mine: World, strangers: World
) -> list[str]:
    """What the traces of one request lack, or tell too much."""
    about = mine if own else strangers
    asked = request(line.method, line.path, who, me=mine, about=about)
    request_id = str(new_id())
    asked = msgspec.structs.replace(asked, headers=asked.headers | {"X-Request-ID": request_id})
    async with nothing_happened():
        reply = await ask(client, asked, mine.tokens.get(who))
        left = await left_by(request_id)
    return list(judged(line, who, own, asked, reply, left, mine, strangers))


def judged(
    line: Line, who: str, own: bool, asked: Request, reply: httpx.Response, left: list[Left],
    mine: World, strangers: World,
) -> Iterator[str]:  # fmt: skip
    permission = PERMISSIONS[line.method, line.path]
    is_logged = POLICY.is_logged(permission)
    persons = {row.person_id for row in left}
    if {(row.permission, row.status) for row in left} - {(permission, reply.status_code)}:
        yield f"rows of something else: {left}"
    if permission == PUBLIC or who not in mine.tokens:
        expected: set[UUID | None] | None = set()
    elif reply.status_code in REFUSED:
        expected = {None} if is_logged or reply.status_code == 403 else set()
    else:
        expected = None
        if is_logged:
            yield from of_served(asked, reply, persons, mine if own else None, mine, strangers)
        elif left:
            yield f"{reply.status_code} left {len(left)} rows"
    if expected is not None and persons != expected:
        yield f"{reply.status_code}, expected {expected}, left {persons}"


def of_served(
    asked: Request, reply: httpx.Response, persons: set[UUID | None], meant: World | None,
    mine: World, strangers: World,
) -> Iterator[str]:  # fmt: skip
    """`meant` is the world whose rows were asked for, by one who may."""
    if reply.status_code < 400 and not persons:
        yield f"{reply.status_code} left no row"
    for about in (mine, strangers):
        asked_for = about is meant and names_in(asked, about) and reply.status_code in SHOWS
        if (told(asked, reply, about) or asked_for) and about.person_id not in persons:
            yield f"{reply.status_code} shows somebody and leaves no row of theirs: {reply.text[:200]}"
    # Whose card lies on the desk is shown, also where the reply has no id of theirs left.
    carded = strangers.said["id_number"] in words_of(asked)
    if strangers.person_id in persons and not carded and not named_anyhow(reply, strangers):
        yield f"{reply.status_code} leaves a row of somebody whom it does not show: {reply.text[:200]}"


def told(asked: Request, reply: httpx.Response, about: World) -> bool:
    """Does the reply tell something of the patient that the asking one has not said?"""
    said = words_of(asked)
    return any(id_ in reply.text and id_ not in said for id_ in about.traces())


def named_anyhow(reply: httpx.Response, about: World) -> bool:
    return any(id_ in reply.text for id_ in about.traces())


def names_in(asked: Request, about: World) -> bool:
    said = words_of(asked)
    return any(id_ in said for id_ in about.traces())


def words_of(asked: Request) -> str:
    return str((asked.path, asked.params, asked.body))


async def asked_all(client: httpx.AsyncClient) -> tuple[list[str], Counter[str]]:
    mine, strangers = await two_patients()
    wrong: list[str] = []
    asked: Counter[str] = Counter()
    for line in EXPECTED:
        for who in WHO:
            for own in (True, False):
                found = await wrong_with(client, line, who, own, mine, strangers)
                asked["all"] += 1
                asked["served"] += line.expected(who, own=own) is OK
                whose = "own" if own else "stranger's"
                wrong += [f"{line.method} {line.path} as {who}, {whose}: {one}" for one in found]
    return wrong, asked


async def test_every_reply_leaves_whom_it_showed_and_nobody_else(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", limits.scaled(1000))
    wrong, asked = await asked_all(client)
    assert not wrong, "\n".join(["", *wrong])
    assert asked["all"] == len(EXPECTED) * len(WHO) * 2


async def test_a_reply_whose_persons_nobody_gathered_is_found(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: neither the walls nor the replies say whom they show."""
    monkeypatch.setattr(limits, "LIMITS", limits.scaled(1000))
    monkeypatch.setattr(showing.Trace, "note", lambda *_: None)
    wrong, _ = await asked_all(client)
    assert len(wrong) > 50
