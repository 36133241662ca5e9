"""Real failures, made by a failing subscriber and a failing job: listed, retried once, or set aside."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.kernel import jobs, relay
from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.kernel.events import Event, Lane, Subscription, emit, fact
from app.kernel.ids import new_id
from app.kernel.jobs import JobRun, claim, enqueue, run_job
from app.kernel.relay import Relay, due_deliveries
from app.letters.rules import REASON_LENGTH_MIN, RETRY_ALL_MAX, STUCK_SECONDS
from app.metrics.processes import Beats, ProcessKind, beat
from tests.make import identity
from tests.make.rows import value

pytestmark = pytest.mark.commits
TEST = system("test")
API = "/api/staff/v1"
WHY = {"reason": "数据库已恢复，重新投递"}


@fact(kind="crate.moved", aggregate="crate", key="crate_id")
class CrateMoved(msgspec.Struct, frozen=True):
    crate_id: UUID


class House:
    """A relay and a job runner whose work fails while `broken`, and counts what it has brought about."""

    def __init__(self, subscriber: str = "tests.follow") -> None:
        self.broken = True
        self.done: list[UUID] = []
        self.error = "no bed for 李小明, tel 13812345678"
        self.relay = Relay([Subscription(subscriber, CrateMoved, self.hear)])

    async def hear(self, actor: Actor, told: Any, event: Event) -> None:
        self._work(told.crate_id)

    async def effect(self, run: JobRun) -> None:
        self._work(UUID(run.arguments["refund_id"]))

    def _work(self, id_: UUID) -> None:
        if self.broken:
            raise ValueError(self.error)
        self.done.append(id_)

    async def turn(self) -> None:
        while await self.relay.turn(Lane.LIVE):
            pass

    async def run(self, job_id: UUID) -> None:
        await run_job(job_id, {"tests.effect": self.effect})


@action
async def move_crate(actor: Actor, *, crate_id: UUID) -> None:
    await emit(actor, CrateMoved(crate_id))


@pytest.fixture
async def house(db: str, monkeypatch: pytest.MonkeyPatch) -> House:
    """The first failure is the last attempt. Nothing of an earlier test is left."""
    monkeypatch.setattr(relay, "ATTEMPTS_MAX", 1)
    monkeypatch.setattr(jobs, "ATTEMPTS_MAX", 1)
    for table in ("delivery", "outbox", "job", "process_beat"):
        await value(f"DELETE FROM {table}")
    return House()


async def dead_delivery(house: House, crate: UUID | None = None) -> str:
    crate = crate or new_id()
    await move_crate(TEST, crate_id=crate)
    await house.turn()
    return str(await value("SELECT max(id::text) FROM delivery WHERE aggregate_id = $1", crate))


async def dead_job(house: House) -> str:
    job_id = await enqueue(TEST, kind="tests.effect", arguments={"refund_id": str(new_id())})
    assert job_id is not None
    await house.run(job_id)
    return str(job_id)


class Admin:
    """A system administrator at a screen."""

    def __init__(self, client: httpx.AsyncClient, staff_id: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.staff_id = staff_id
        self.headers = headers

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(API + path, params=params, headers=self.headers)

    async def items(self, path: str = "/dead-letters", **params: Any) -> list[dict[str, Any]]:
        reply = await self.get(path, **params)
        assert reply.status_code == 200, reply.text
        return reply.json()["items"]

    async def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        headers = {**self.headers, "Idempotency-Key": key or str(new_id())}
        return await self.client.post(API + path, json=body, headers=headers)


async def new_admin(client: httpx.AsyncClient, *, role: str = "system_admin") -> Admin:
    staff_id = new_id()
    return Admin(client, staff_id, await identity.staff_headers(role=role, staff_id=staff_id))


@pytest.fixture
async def admin(client: httpx.AsyncClient, house: House) -> Admin:
    return await new_admin(client)


async def test_failures_are_listed_without_what_they_were_about(admin: Admin, house: House) -> None:
    crate = new_id()
    letter, job = await dead_delivery(house, crate), await dead_job(house)
    shown = {item["id"]: item for item in await admin.items()}
    assert set(shown) == {letter, job}
    assert (
        shown[letter] | {"kind": "crate.moved", "subscriber": "tests.follow", "status": "dead"}
        == shown[letter]
    )
    assert (shown[letter]["aggregate"], shown[letter]["aggregate_id"]) == ("crate", str(crate))
    assert (shown[job]["kind"], shown[job]["aggregate"], shown[job]["attempts"]) == (
        "tests.effect",
        "refund",
        1,
    )
    for item in shown.values():
        assert "ValueError" in item["last_error"]
        assert [part for part in ("李", "1381", "5678") if part in item["last_error"]] == []
        assert 0 <= item["age_seconds"] < 60
    stored = await value("SELECT last_error FROM job WHERE id = $1", UUID(job))
    assert "李小明" in stored, "positive control: the name was there to be shown"
    assert "13812345678" not in stored


async def test_the_list_is_filtered_and_paged(admin: Admin, house: House) -> None:
    letters = [await dead_delivery(house) for _ in range(3)]
    job = await dead_job(house)
    for question, expected in (
        ({"source": "job"}, [job]),
        ({"source": "delivery"}, letters),
        ({"kind": "tests.effect"}, [job]),
        ({"kind": "crate.moved", "subscriber": "tests.follow"}, letters),
        ({"subscriber": "tests.nobody"}, []),
        ({"status": "aside"}, []),
        ({"status": "failing"}, []),
    ):
        assert [item["id"] for item in await admin.items(**question)] == expected, question
    first = (await admin.get("/dead-letters", limit=3)).json()
    rest = (await admin.get("/dead-letters", limit=3, after=first["next"])).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [*letters, job]
    assert rest["next"] is None
    assert (await admin.get("/dead-letters", limit=101)).status_code == 400


async def test_what_is_retried_happens_exactly_once(admin: Admin, house: House) -> None:
    crate = new_id()
    letter, job = await dead_delivery(house, crate), await dead_job(house)
    house.broken = False
    await house.turn()
    await house.run(UUID(job))
    assert house.done == [], "nobody tries the dead again by itself"
    key = str(new_id())
    for _ in range(2):
        reply = await admin.post(f"/dead-letters/{letter}/retry", WHY, key=key)
        assert (reply.status_code, reply.json()["status"]) == (200, "due")
    assert (await admin.post(f"/dead-letters/{job}/retry", WHY)).status_code == 200
    for _ in range(2):
        await house.turn()
        await house.run(UUID(job))
    assert house.done == [crate, house.done[1]]
    assert await admin.items() == []
    story = (await admin.get(f"/dead-letters/{letter}")).json()
    assert story["letter"]["status"] == "done"
    (decision,) = story["decisions"]
    assert decision | {"kind": "dead_letter.retried", "staff_id": str(admin.staff_id), **WHY} == decision


async def test_of_two_administrators_who_press_at_once_one_is_told(admin: Admin, house: House) -> None:
    other = await new_admin(admin.client)
    for letter in (await dead_delivery(house), await dead_job(house)):
        pressed = [each.post(f"/dead-letters/{letter}/retry", WHY) for each in (admin, other)]
        replies = await asyncio.gather(*pressed)
        assert sorted(reply.status_code for reply in replies) == [200, 409]
        assert {reply.json().get("code") for reply in replies} == {None, "wrong_state"}
        assert len((await admin.get(f"/dead-letters/{letter}")).json()["decisions"]) == 1


async def test_what_is_running_is_not_retried(admin: Admin, house: House) -> None:
    job_id = await enqueue(TEST, kind="tests.effect", arguments={})
    assert job_id is not None
    assert await claim(TEST, job_id=job_id) is not None
    reply = await admin.post(f"/dead-letters/{job_id}/retry", WHY)
    assert (reply.status_code, reply.json()["code"]) == (409, "wrong_state")
    assert await value("SELECT status FROM job WHERE id = $1", job_id) == "running"


async def test_all_of_a_kind_are_retried_up_to_a_bound(
    admin: Admin, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RETRY_ALL_MAX == 100
    monkeypatch.setattr("app.letters.deciding.RETRY_ALL_MAX", 2)
    monkeypatch.setattr("app.letters.routes.RETRY_ALL_MAX", 2)
    letters = [await dead_delivery(house) for _ in range(3)]
    job = await dead_job(house)
    asked, key = {"source": "delivery", "kind": "crate.moved", **WHY}, str(new_id())
    first, again = [(await admin.post("/dead-letters/retry", asked, key=key)).json() for _ in range(2)]
    assert first == again
    assert (first["letter_ids"], first["more"]) == (letters[:2], True)
    rest = (await admin.post("/dead-letters/retry", asked)).json()
    assert (rest["letter_ids"], rest["more"]) == (letters[2:], False)
    assert [item["id"] for item in await admin.items()] == [job]
    house.broken = False
    await house.turn()
    assert len(house.done) == 3
    for letter in letters:
        assert len((await admin.get(f"/dead-letters/{letter}")).json()["decisions"]) == 1


async def test_a_failing_fact_holds_up_later_ones_and_a_dead_one_is_overtaken(
    admin: Admin, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ATTEMPTS_MAX", 2)
    crate = new_id()
    for _ in range(3):
        await move_crate(TEST, crate_id=crate)
    await house.turn()
    (failing,) = await admin.items(status="failing")
    assert (failing["status"], failing["waiting_behind"], failing["gone_ahead"]) == ("due", 2, 0)
    await value("UPDATE delivery SET retry_at = now()")
    (due,) = await due_deliveries(TEST, lane=Lane.LIVE)
    await house.relay.deliver(due)
    house.broken = False
    await house.turn()
    (dead,) = await admin.items()
    assert (dead["id"], dead["waiting_behind"], dead["gone_ahead"]) == (failing["id"], 0, 2)


async def test_what_only_tells_can_be_set_aside_and_taken_up_again(admin: Admin, db: str) -> None:
    house = House("notifications.phone_paid")
    letter = await dead_delivery(house)
    reply = await admin.post(f"/dead-letters/{letter}/set-aside", {"reason": "患者已当面告知 13812345678"})
    assert (reply.status_code, reply.json()["status"]) == (200, "aside")
    assert await admin.items() == []
    assert [item["id"] for item in await admin.items(status="aside")] == [letter]
    again = await admin.post(f"/dead-letters/{letter}/set-aside", WHY)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert (await admin.post(f"/dead-letters/{letter}/retry", WHY)).status_code == 200
    told = (await admin.get(f"/dead-letters/{letter}")).json()["decisions"]
    assert [decision["kind"] for decision in told] == ["dead_letter.set_aside", "dead_letter.retried"]
    assert told[0]["reason"] == "患者已当面告知 138****5678"


async def test_money_and_care_are_never_set_aside(admin: Admin, house: House) -> None:
    for letter in (await dead_delivery(house), await dead_job(house)):
        reply = await admin.post(f"/dead-letters/{letter}/set-aside", WHY)
        assert (reply.status_code, reply.json()["code"]) == (409, "letter_must_happen")
    assert len(await admin.items()) == 2


async def test_a_reason_is_needed(admin: Admin, house: House) -> None:
    letter = await dead_delivery(house)
    for path, body in (
        (f"/dead-letters/{letter}/retry", {}),
        (f"/dead-letters/{letter}/set-aside", {}),
        ("/dead-letters/retry", {"source": "delivery", "kind": "crate.moved"}),
        ("/stuck-events/wake", {"lane": "live"}),
    ):
        reply = await admin.post(path, body | {"reason": " " * 9 + "x" * (REASON_LENGTH_MIN - 1)})
        assert (reply.status_code, reply.json()["code"]) == (422, "letter_reason_needed"), path
        assert (await admin.post(path, body)).status_code == 400, path
    assert len(await admin.items()) == 1


async def test_unknown_letters_are_not_found(admin: Admin) -> None:
    for reply in (
        await admin.get(f"/dead-letters/{new_id()}"),
        await admin.post(f"/dead-letters/{new_id()}/retry", WHY),
        await admin.post(f"/dead-letters/{new_id()}/set-aside", WHY),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "letter_not_found")


async def test_nobody_else_sees_or_moves_a_failure(admin: Admin, house: House) -> None:
    letter = await dead_delivery(house)
    for role in ("doctor", "cashier", "security_admin", "audit_admin"):
        stranger = await new_admin(admin.client, role=role)
        for reply in (
            await stranger.get("/dead-letters"),
            await stranger.get("/stuck-events"),
            await stranger.post(f"/dead-letters/{letter}/retry", WHY),
            await stranger.post(f"/dead-letters/{letter}/set-aside", WHY),
        ):
            assert (reply.status_code, reply.json()["code"]) == (403, "wrong_role")
    assert len(await admin.items()) == 1


async def test_a_fact_that_no_relay_takes_up_is_shown_and_its_lane_woken(
    admin: Admin, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr("app.letters.deciding.wake", woken.append)
    crate = new_id()
    await move_crate(TEST, crate_id=crate)
    assert await admin.items("/stuck-events") == [], "a young one is on its way"
    await age_outbox(TEST)
    (stuck,) = await admin.items("/stuck-events", lane="live")
    assert (stuck["kind"], stuck["aggregate_id"]) == ("crate.moved", str(crate))
    assert stuck["age_seconds"] > STUCK_SECONDS
    assert await admin.items("/stuck-events", lane="urgent") == []
    assert await admin.items("/stuck-events", after=stuck["position"]) == []
    assert (await admin.post("/stuck-events/wake", {"lane": "live", **WHY})).status_code == 200
    assert woken == ["lane:live"]
    assert (await admin.get("/stuck-events")).json()["workers_alive"] == 0
    await beat(system("beat"), beats=Beats(ProcessKind.WORKER))
    await beat(system("beat"), beats=Beats(ProcessKind.SERVE))
    assert (await admin.get("/stuck-events")).json()["workers_alive"] == 1
    house.broken = False
    await house.turn()
    assert (await admin.items("/stuck-events"), house.done) == ([], [crate])


@action
async def age_outbox(actor: Actor) -> None:
    """Facts are append-only, so a day-old one is made: the same fact, told yesterday."""
    await fetch(
        "WITH old AS (INSERT INTO event SELECT (jsonb_populate_record(e, jsonb_build_object('at',"
        " e.at - interval '1 day'))).* FROM event e JOIN outbox o ON o.event_id = e.id RETURNING id, at)"
        " UPDATE outbox SET event_at = old.at FROM old WHERE event_id = old.id"
    )
