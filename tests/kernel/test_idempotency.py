"""A command happens once, however often and however simultaneously it is sent."""

import asyncio
import hashlib
from uuid import UUID

import msgspec
import pytest

from app.kernel import crypto
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import action, fetch
from app.kernel.idempotency import Command, KeyMissing, KeyReused, command, once
from app.kernel.ids import new_id
from tests.make.rows import value

pytestmark = pytest.mark.commits


def actor() -> Actor:
    return Actor(kind=ActorKind.ACCOUNT, id=new_id())


def asked(key: str = "key-00000001", body: bytes = b"{}", route: str = "POST /things") -> Command:
    return command(key=key, route=route, body=body)


class Maker:
    def __init__(self) -> None:
        self.made: list[UUID] = []

    @property
    def make(self):
        @action
        async def make_thing(actor: Actor, *, refuses: bool = False) -> UUID:
            if refuses:
                raise ValueError("refused")
            thing = new_id()
            self.made.append(thing)
            await fetch("SELECT pg_sleep(0.05)")
            return thing

        return make_thing


async def test_a_repeated_command_answers_with_the_same_resource(db: str) -> None:
    maker, who = Maker(), actor()
    first = await once(asked(), maker.make, who)
    assert await once(asked(), maker.make, who) == first
    assert len(maker.made) == 1


async def test_simultaneous_repeats_make_one(db: str) -> None:
    maker, who = Maker(), actor()
    answers = await asyncio.gather(*(once(asked(), maker.make, who) for _ in range(8)))
    assert len(set(answers)) == 1


async def test_a_stored_body_cannot_be_guessed_and_outlives_a_new_key(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever steals a dump must not try all phone numbers until one hash agrees."""
    maker, who, body = Maker(), actor(), b'{"phone":"13812345678"}'
    first = await once(asked(body=body), maker.make, who)
    stored = await value("SELECT body_index FROM idempotency WHERE resource_id = $1", first)
    assert hashlib.sha256(body).hexdigest() not in stored
    old, (field, index) = crypto.key_ring(), crypto.new_keys(crypto.Suite.SM4_GCM)
    newer = msgspec.structs.replace(
        old, fields={**old.fields, "2": field}, indexes={**old.indexes, "2": index}, index_current="2"
    )
    monkeypatch.setattr(crypto, "key_ring", lambda: newer)
    assert await once(asked(body=body), maker.make, who) == first


async def test_the_same_key_for_another_body_or_route_is_refused(db: str) -> None:
    maker, who = Maker(), actor()
    await once(asked(), maker.make, who)
    with pytest.raises(KeyReused):
        await once(asked(body=b'{"a":1}'), maker.make, who)
    with pytest.raises(KeyReused):
        await once(asked(route="POST /others"), maker.make, who)
    assert len(maker.made) == 1


async def test_keys_of_different_actors_do_not_meet(db: str) -> None:
    maker = Maker()
    assert await once(asked(), maker.make, actor()) != await once(asked(), maker.make, actor())


async def test_a_refusal_leaves_the_key_free(db: str) -> None:
    maker, who = Maker(), actor()
    with pytest.raises(ValueError, match="refused"):
        await once(asked(), maker.make, who, refuses=True)
    assert await once(asked(), maker.make, who) == maker.made[0]


@pytest.mark.parametrize("key", [None, "", "short", "x" * 65, "schlüssel-1", "new\nline-1"])
def test_a_missing_or_odd_key_is_refused(key: str | None) -> None:
    with pytest.raises(KeyMissing):
        command(key=key, route="POST /things", body=b"")


async def test_positive_control_without_the_key_two_things_are_made(db: str) -> None:
    maker = Maker()
    await asyncio.gather(maker.make(system("a")), maker.make(system("a")))
    assert len(maker.made) == 2
