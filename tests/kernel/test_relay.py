"""Facts reach their subscribers once, in order, and only if the change they tell was committed."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.events import Event, Lane, Subscription, emit, fact
from app.kernel.ids import new_id
from app.kernel.relay import ATTEMPTS_MAX, Relay, fan_out
from app.letters.deciding import retry_letter

pytestmark = pytest.mark.commits
TEST = system("test")


@fact(kind="parcel.moved", aggregate="parcel", key="parcel_id")
class ParcelMoved(msgspec.Struct, frozen=True):
    parcel_id: UUID
    to: str


@fact(kind="siren.raised", aggregate="siren", key="siren_id", lane=Lane.URGENT)
class SirenRaised(msgspec.Struct, frozen=True):
    siren_id: UUID


@action
async def move_parcel(actor: Actor, *, parcel_id: UUID, to: str, fails: bool = False) -> None:
    await emit(actor, ParcelMoved(parcel_id, to))
    if fails:
        raise ValueError(to)


@query
async def delivery_of(actor: Actor, *, aggregate_id: UUID) -> Any:
    return await fetch_one("SELECT * FROM delivery WHERE aggregate_id = $1", aggregate_id)


class Hearing:
    """A subscriber that notes what it heard in the database, and fails for the words in `failing`."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.runs = 0
        self.relay = Relay([Subscription("tests.hear", ParcelMoved, self.hear)])

    async def hear(self, actor: Actor, told: Any, event: Event) -> None:
        self.runs += 1
        await fetch(
            "INSERT INTO ledger_account (code, kind, name) VALUES ($1, 'heard', $2)",
            f"{event.aggregate_id}:{event.aggregate_version}",
            told.to,
        )
        if told.to in self.failing:
            raise ValueError(told.to)

    async def until_quiet(self) -> None:
        while await self.relay.turn(Lane.LIVE):
            pass

    @staticmethod
    @query
    async def heard(actor: Actor, *, parcel_id: UUID) -> list[str]:
        rows = await fetch(
            "SELECT name FROM ledger_account WHERE code LIKE $1 || ':%' ORDER BY code", str(parcel_id)
        )
        return [row["name"] for row in rows]


async def test_a_fact_is_delivered_once_and_in_order(db: str) -> None:
    hearing, parcel = Hearing(), new_id()
    await move_parcel(TEST, parcel_id=parcel, to="a")
    await move_parcel(TEST, parcel_id=parcel, to="b")
    await hearing.until_quiet()
    await hearing.until_quiet()
    assert await hearing.heard(TEST, parcel_id=parcel) == ["a", "b"]
    assert hearing.runs == 2


async def test_a_rolled_back_fact_is_never_told(db: str) -> None:
    hearing, parcel = Hearing(), new_id()
    with pytest.raises(ValueError, match="x"):
        await move_parcel(TEST, parcel_id=parcel, to="x", fails=True)
    await hearing.until_quiet()
    assert hearing.runs == 0


async def test_a_failing_subscriber_leaves_nothing_and_tries_again_later(db: str) -> None:
    hearing, parcel = Hearing(), new_id()
    hearing.failing = {"a"}
    await move_parcel(TEST, parcel_id=parcel, to="a")
    await move_parcel(TEST, parcel_id=parcel, to="b")
    await hearing.until_quiet()
    assert await hearing.heard(TEST, parcel_id=parcel) == []
    assert hearing.runs == 1, "b must not overtake a"

    hearing.failing = set()
    await _make_due(TEST)
    await hearing.until_quiet()
    assert await hearing.heard(TEST, parcel_id=parcel) == ["a", "b"]


async def test_a_poisonous_fact_is_laid_aside_and_the_rest_goes_on(db: str) -> None:
    hearing, parcel = Hearing(), new_id()
    hearing.failing = {"poison"}
    await move_parcel(TEST, parcel_id=parcel, to="poison")
    for _ in range(ATTEMPTS_MAX):
        await _make_due(TEST)
        await hearing.until_quiet()
    row = await delivery_of(TEST, aggregate_id=parcel)
    assert (row["status"], row["attempts"]) == ("dead", ATTEMPTS_MAX)
    assert "poison" in row["last_error"]

    await move_parcel(TEST, parcel_id=parcel, to="b")
    await hearing.until_quiet()
    assert await hearing.heard(TEST, parcel_id=parcel) == ["b"]

    hearing.failing = set()
    await retry_letter(TEST, letter_id=row["id"], reason="已排除故障")
    await hearing.until_quiet()
    assert await hearing.heard(TEST, parcel_id=parcel) == ["poison", "b"]


async def test_two_relays_deliver_each_fact_once(db: str) -> None:
    hearing = Hearing()
    parcels = [new_id() for _ in range(20)]
    for parcel in parcels:
        await move_parcel(TEST, parcel_id=parcel, to="a")
    await asyncio.gather(*(hearing.until_quiet() for _ in range(4)))
    await hearing.until_quiet()
    for parcel in parcels:
        assert await hearing.heard(TEST, parcel_id=parcel) == ["a"]


async def test_an_alert_does_not_wait_behind_the_other_lanes(db: str) -> None:
    hearing = Hearing()
    await move_parcel(TEST, parcel_id=new_id(), to="a")

    @action
    async def raise_siren(actor: Actor) -> None:
        await emit(actor, SirenRaised(new_id()))

    await raise_siren(TEST)
    assert await fan_out(TEST, lane=Lane.URGENT, relay=hearing.relay) == 1
    assert hearing.runs == 0
    await hearing.until_quiet()


async def test_events_are_immutable(db: str) -> None:
    import asyncpg

    @action
    async def rewrite(actor: Actor, *, sql: str) -> None:
        await fetch(sql)

    await move_parcel(TEST, parcel_id=new_id(), to="a")
    for sql in ("UPDATE event SET kind = 'x'", "DELETE FROM event"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rewrite(TEST, sql=sql)
    owner = await asyncpg.connect(db)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute("DELETE FROM public.event")
    await owner.close()
    await Hearing().until_quiet()


def test_one_aggregate_has_one_lane() -> None:
    with pytest.raises(AssertionError, match="told on"):

        @fact(kind="parcel.lost", aggregate="parcel", key="parcel_id", lane=Lane.URGENT)
        class ParcelLost(msgspec.Struct, frozen=True):
            parcel_id: UUID


@action
async def _make_due(actor: Actor) -> None:
    await fetch_value("UPDATE delivery SET retry_at = now() WHERE status = 'due' RETURNING 1")
