"""Who is acting: known at the gate, set once for a transaction, written into every event."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from uuid import UUID

import msgspec


class ActorKind(StrEnum):
    ACCOUNT = "account"  # a person's login on a phone
    STAFF = "staff"
    DEVICE = "device"  # a terminal or a wall display that proved its key
    CLIENT = "client"  # a partner's system that signed its own assertion
    SYSTEM = "system"  # our own relay, sweeper, scheduler or a verified gateway notice
    ANONYMOUS = "anonymous"


class Reach(StrEnum):
    """Whose rows the database shows this actor; the second wall, below what the code asks."""

    NOBODY = "nobody"
    RELATED = "related"  # whom a binding, a relation or a place connects the actor with
    EVERYBODY = "everybody"


REACH = {
    ActorKind.ACCOUNT: Reach.RELATED,
    ActorKind.STAFF: Reach.RELATED,
    ActorKind.DEVICE: Reach.RELATED,
    ActorKind.CLIENT: Reach.NOBODY,
    ActorKind.SYSTEM: Reach.EVERYBODY,
    ActorKind.ANONYMOUS: Reach.NOBODY,
}


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One identity of one request or task. `channel` is where it came in and stays with what it makes.

    `role` is what the login says it is. `reason` is why they act, where they were asked: it is kept beside
    what they do. `reach` is what the policy grants this one request; without a word of the policy it is
    the narrowest that this kind of actor can work with.
    """

    kind: ActorKind
    id: UUID | None = None
    channel: str = ""
    session_id: UUID | None = None
    request_id: str = ""
    role: str = ""
    reason: str = ""
    reach: Reach | None = None

    def sees(self) -> Reach:
        return self.reach or REACH[self.kind]

    def __str__(self) -> str:
        return f"{self.kind}:{self.id or self.channel}"


def system(task: str, *, request_id: str = "") -> Actor:
    """The actor of our own background work; `task` says which, `request_id` for whose request it goes on."""
    return Actor(kind=ActorKind.SYSTEM, channel=task, request_id=request_id)


ANONYMOUS = Actor(kind=ActorKind.ANONYMOUS)

_cause: ContextVar[str] = ContextVar("cause", default="")


def cause() -> str:
    """The id of the request that everything here goes back to; empty where nobody asked."""
    return _cause.get()


@contextmanager
def caused_by(request_id: str) -> Iterator[None]:
    """What happens inside goes back to this request: its events, its jobs and its log lines say so.

    The gate writes it for actors that were made without a request of their own, such as `ANONYMOUS`.
    """
    token = _cause.set(request_id)
    try:
        yield
    finally:
        _cause.reset(token)
