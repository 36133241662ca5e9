"""Any record as it was at any moment, who changed it and why; and who may ask."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from app.kernel.actor import Actor, ActorKind, Reach, system
from app.kernel.database import action, because, fetch, fetch_value, query
from app.kernel.ids import new_id
from app.traces.versions import VersionNotFound, as_of, history
from tests.make import identity, organization, patients
from tests.traces.sealed_house import check, forger

pytestmark = pytest.mark.commits
PAIRS_SHORT, PAIRS_LONG = 200, 5_000
RECORDS = "/api/staff/v1/audit/records"

Row = dict[str, Any]
Key = tuple[str, str]
Moment = tuple[datetime, dict[Key, Row]]


class Did(msgspec.Struct, frozen=True):
    """What the model remembers of a write."""

    key: Key
    op: str
    actor: Actor
    reason: str


@action
async def write(actor: Actor, *, sql: str, values: list[Any], reason: str) -> datetime:
    if reason:
        await because(reason)
    await fetch(sql, *values)
    return await fetch_value("SELECT clock_timestamp()")


@query
async def database_time(actor: Actor) -> datetime:
    return await fetch_value("SELECT clock_timestamp()")


def somebody(random: Random) -> Actor:
    kind = random.choice([ActorKind.STAFF, ActorKind.ACCOUNT, ActorKind.DEVICE, ActorKind.SYSTEM])
    return Actor(
        kind=kind,
        id=None if kind is ActorKind.SYSTEM else uuid4(),
        channel=random.choice(["staff", "mini_program", "bedside"]),
        request_id=uuid4().hex,
    )


class Run:
    """A random life of rows of three tables, and beside it a model in plain dictionaries."""

    def __init__(self, random: Random, campus_id: UUID, zone_id: UUID) -> None:
        self.random = random
        self.campus_id, self.zone_id = campus_id, zone_id
        self.now: dict[Key, Row] = {}
        self.ever: list[Key] = []
        self.moments: list[Moment] = []
        self.did: list[Did] = []

    async def step(self) -> None:
        living = list(self.now)
        op = self.random.choice("IIUUUD") if living else "I"
        key = self._new() if op == "I" else self.random.choice(living)
        row = {} if op == "D" else {**self.now.get(key, {}), "name": self.random.choice("甲乙丙丁'\"\\")}
        if op == "I":
            row |= {"id": key[1], "code": uuid4().hex[:12], **self._parents(key[0])}
        actor, reason = somebody(self.random), self.random.choice(["", "", "更正", "抄错"])
        sql, values = self._statement(op, key, row)
        await write(actor, sql=sql, values=values, reason=reason)
        self.did.append(Did(key, op, actor, reason))
        if op == "D":
            del self.now[key]
        else:
            self.now[key] = row
        self.moments.append((await database_time(system("test")), {k: dict(v) for k, v in self.now.items()}))

    def _new(self) -> Key:
        key = (self.random.choice(["campus", "zone", "department"]), str(new_id()))
        self.ever.append(key)
        return key

    def _parents(self, table: str) -> Row:
        zone = {"campus_id": str(self.campus_id)}
        department = {**zone, "zone_id": str(self.zone_id), "specialty_code": "03.01", "number_only": False}
        return {"campus": {}, "zone": zone, "department": department}[table]

    def _statement(self, op: str, key: Key, row: Row) -> tuple[str, list[Any]]:
        table, record_id = key
        if op == "D":
            return f"DELETE FROM {table} WHERE id = $1", [record_id]
        if op == "U":
            return f"UPDATE {table} SET name = $2 WHERE id = $1", [record_id, row["name"]]
        names, places = ", ".join(row), ", ".join(f"${n}" for n in range(1, len(row) + 1))
        return f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values())


async def a_random_run(steps: int, seed: int) -> Run:
    campus_id = await organization.campus()
    run = Run(Random(seed), campus_id, await organization.zone(campus_id=campus_id))
    for _ in range(steps):
        await run.step()
    return run


async def compare(run: Run, pairs: int) -> int:
    """How many random (record, instant) pairs say the same as the model; deleted and unborn ones, too."""
    equal = 0
    for _ in range(pairs):
        at, model = run.random.choice(run.moments)
        key = run.random.choice(run.ever)
        try:
            found = await as_of(system("test"), table=key[0], record_id=key[1], at=at)
        except VersionNotFound:
            found = None
        expected = model.get(key)
        equal += (found is None) == (expected is None) and (
            expected is None or found is None or {name: found[name] for name in expected} == expected
        )
    return equal


async def test_two_hundred_moments_equal_the_model(db: str) -> None:
    run = await a_random_run(120, seed=1)
    assert await compare(run, PAIRS_SHORT) == PAIRS_SHORT
    deleted = sum(did.op == "D" for did in run.did)
    assert deleted > 5


@pytest.mark.long
async def test_five_thousand_moments_equal_the_model(db: str) -> None:
    run = await a_random_run(2_000, seed=2)
    assert await compare(run, PAIRS_LONG) == PAIRS_LONG


async def test_each_write_says_who_how_and_why(db: str) -> None:
    run = await a_random_run(60, seed=3)
    for key in set(run.ever):
        told = await history(system("test"), table=key[0], record_id=key[1])
        assert [
            (v.op, v.actor_kind, v.actor_id, v.channel, v.request_id, v.reason) for v in reversed(told)
        ] == [
            (did.op, did.actor.kind, did.actor.id, did.actor.channel, did.actor.request_id, did.reason)
            for did in run.did
            if did.key == key
        ]


async def test_real_actions_leave_their_actors_name_on_every_row(db: str) -> None:
    """A guardian binds persons and agrees to texts: each row has its version, under her name."""
    looking = await forger(db)
    last: Any = await looking.fetchval("SELECT coalesce(max(entry), 0) FROM record_version")
    asked: dict[str, UUID | None] = {}
    for number in range(6):
        mother = msgspec.structs.replace(
            await identity.account_actor(), channel="mini_program", request_id=f"r{number}"
        )
        asked[mother.request_id] = mother.id
        await patients.bound_person(mother)
    rows = await looking.fetch(
        "SELECT request_id, actor_id, actor_kind, channel, table_name FROM record_version"
        " WHERE entry > $1 AND request_id <> ''",
        last,
    )
    for row in rows:
        assert row["actor_id"] == asked[row["request_id"]]
        assert (row["actor_kind"], row["channel"]) == ("account", "mini_program")
    for request_id in asked:
        tables = {row["table_name"] for row in rows if row["request_id"] == request_id}
        assert {"person", "binding", "consent"} <= tables
    report = await check(looking, anchors=(), rows=True)
    assert {finding.kind for finding in report.findings} <= {"unsealed"}
    await looking.close()


async def test_who_writes_past_the_program_stands_there_by_login(db: str) -> None:
    campus_id = await organization.campus()
    outside = await asyncpg.connect(db)
    await outside.execute("SET TimeZone = 'America/New_York'")
    await outside.execute("UPDATE campus SET name = '别处' WHERE id = $1", campus_id)
    login = await outside.fetchval("SELECT session_user::text")
    await outside.close()
    newest, *_ = await history(system("test"), table="campus", record_id=str(campus_id))
    assert (newest.actor_kind, newest.actor_id, newest.db_user) == ("database", None, login)


async def test_only_who_may_see_everybody_is_answered(db: str) -> None:
    person_id = await patients.person()
    now = await database_time(system("test"))
    for reach in (Reach.RELATED, Reach.NOBODY):
        doctor = identity.staff_actor(await organization.staff(), reach=reach)
        assert await history(doctor, table="person", record_id=str(person_id)) == []
        with pytest.raises(VersionNotFound):
            await as_of(doctor, table="person", record_id=str(person_id), at=now)


async def test_the_auditor_reads_a_persons_history_without_plain_numbers(
    db: str, client: httpx.AsyncClient
) -> None:
    number = patients.id_number()
    person_id = await patients.person(number=number)
    path = f"{RECORDS}/person/{person_id}"
    headers = await identity.staff_headers(role="audit_admin")
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert number not in answer.text
    [born] = answer.json()["items"]
    assert born["op"] == "I"
    assert "id_number" in born["record"]
    assert not [name for name in born["record"] if name.endswith("_index")]
    at = datetime.fromisoformat(born["at"])
    later = await client.get(path, params={"at": (at + timedelta(seconds=1)).isoformat()}, headers=headers)
    assert later.json()["record"] == born["record"]
    earlier = await client.get(path, params={"at": (at - timedelta(hours=1)).isoformat()}, headers=headers)
    assert (earlier.status_code, earlier.json()["code"]) == (404, "version_not_found")
    doctors = await identity.staff_headers(role="doctor")
    assert (await client.get(path, headers=doctors)).status_code == 403


async def test_a_long_history_comes_in_pages(db: str, client: httpx.AsyncClient) -> None:
    campus_id = await organization.campus()
    for number in range(4):
        sql = "UPDATE campus SET name = $2 WHERE id = $1"
        await write(system("test"), sql=sql, values=[campus_id, str(number)], reason="")
    headers = await identity.staff_headers(role="audit_admin")
    names, params = [], {"limit": 2}
    while True:
        page = (await client.get(f"{RECORDS}/campus/{campus_id}", params=params, headers=headers)).json()
        names += [item["record"]["name"] for item in page["items"]]
        if page["next"] is None:
            break
        params["older"] = page["next"]
    assert names == ["3", "2", "1", "0", "东院区"]
