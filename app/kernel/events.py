"""What the house tells itself: facts, written in the transaction of the change they tell."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.database import after_commit, current_transaction, fetch_value
from app.kernel.hints import wake
from app.kernel.ids import new_id


class Lane(StrEnum):
    """Lanes never wait for each other: an alert does not stand behind a booking rush."""

    URGENT = "urgent"
    LIVE = "live"
    BULK = "bulk"


class FactKind(msgspec.Struct, frozen=True):
    kind: str
    aggregate: str
    key: str
    lane: Lane
    schema_version: int
    struct: type[msgspec.Struct]


F = TypeVar("F", bound=msgspec.Struct)

FACTS: dict[str, FactKind] = {}
_KIND_OF: dict[type[msgspec.Struct], FactKind] = {}


def fact(
    *, kind: str, aggregate: str, key: str, lane: Lane = Lane.LIVE, schema_version: int = 1
) -> Callable[[type[F]], type[F]]:
    """Declare a frozen Struct as a fact: its stable kind, its aggregate and the field with its id.

    All facts of one aggregate share a lane, or their order could not be kept.
    """

    def declare(struct: type[F]) -> type[F]:
        assert kind not in FACTS, kind
        assert key in struct.__struct_fields__, f"{kind}: no field {key}"
        lanes = {other.lane for other in FACTS.values() if other.aggregate == aggregate}
        assert lanes <= {lane}, f"{aggregate} is told on {lanes} already"
        FACTS[kind] = _KIND_OF[struct] = FactKind(kind, aggregate, key, lane, schema_version, struct)
        return struct

    return declare


async def emit(actor: Actor, told: msgspec.Struct) -> None:
    """Tell a fact. It reaches its subscribers if, and only if, this transaction commits."""
    meta = _KIND_OF[type(told)]
    assert current_transaction().actor == actor
    await fetch_value(
        "SELECT jiuyi.emit($1, $2, $3, $4, $5, $6, $7)",
        new_id(),
        meta.kind,
        meta.schema_version,
        meta.aggregate,
        getattr(told, meta.key),
        str(meta.lane),
        msgspec.json.encode(told).decode(),
    )
    after_commit(lambda: wake(f"lane:{meta.lane}"))


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber may want to know beside the fact."""

    id: UUID
    at: datetime
    business_at: datetime
    kind: str
    aggregate_id: UUID
    aggregate_version: int
    actor_kind: str
    actor_id: UUID | None
    channel: str


Handler = Callable[[Actor, Any, Event], Awaitable[None]]


class Subscription(msgspec.Struct, frozen=True):
    """`name` is stable: renaming it would deliver old events again."""

    name: str
    fact: type[msgspec.Struct]
    handler: Handler

    @property
    def kind(self) -> str:
        return _KIND_OF[self.fact].kind


def read_fact(kind: str, stored: str) -> msgspec.Struct:
    """The fact of a stored event. Older schema versions decode by their defaults."""
    return msgspec.json.decode(stored, type=FACTS[kind].struct)
