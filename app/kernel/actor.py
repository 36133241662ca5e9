"""Who is acting: known at the gate, set once for a transaction, written into every event."""

from enum import StrEnum
from uuid import UUID

import msgspec


class ActorKind(StrEnum):
    ACCOUNT = "account"  # a person's login on a phone
    STAFF = "staff"
    DEVICE = "device"  # a terminal or a wall display that proved its key
    SYSTEM = "system"  # our own relay, sweeper, scheduler or a verified gateway notice
    ANONYMOUS = "anonymous"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One identity of one request or task. `channel` is where it came in and stays with what it makes."""

    kind: ActorKind
    id: UUID | None = None
    channel: str = ""
    session_id: UUID | None = None
    request_id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id or self.channel}"


def system(task: str) -> Actor:
    """The actor of our own background work; `task` says which."""
    return Actor(kind=ActorKind.SYSTEM, channel=task)


ANONYMOUS = Actor(kind=ActorKind.ANONYMOUS)
