"""The kinds of stream there are: who may listen, and what a newcomer is shown first."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from app.identity.policy_rows import POLICY
from app.kernel.actor import Actor

MayListen = Callable[[Actor, UUID], Awaitable[bool]]
State = Callable[[Actor, UUID], Awaitable[dict[str, Any]]]
Arrived = Callable[[Actor, list[str]], Awaitable[None]]
Shown = Callable[[dict[str, Any]], list[str]]


def nothing_to_prove(state: dict[str, Any]) -> list[str]:
    return []


class StreamKind(msgspec.Struct, frozen=True, kw_only=True):
    """`zone:{id}:queue` and its siblings: prefix and topic around one id.

    `state` runs as the system: `may_listen` has decided by then, and newcomers may share its answer.
    """

    prefix: str
    topic: str
    may_listen: MayListen
    state: State
    arrived: Arrived | None = None  # told which alerts a client acknowledged
    shown: Shown = nothing_to_prove  # the alerts that a snapshot brings

    @property
    def permission(self) -> str:
        return f"stream.{self.prefix}"

    def name(self, owner_id: UUID) -> str:
        return f"{self.prefix}:{owner_id}:{self.topic}"


def find(kinds: dict[str, StreamKind], stream: str) -> tuple[StreamKind, UUID] | None:
    """The kind and the owner's id of a stream's name, or None for a name that cannot be."""
    prefix, _, rest = stream.partition(":")
    owner, _, topic = rest.partition(":")
    kind = kinds.get(prefix)
    if kind is None or kind.topic != topic:
        return None
    try:
        owner_id = UUID(owner)
    except ValueError:
        return None
    # An id can be spelled in many ways; on a stream of another spelling nothing would ever be heard.
    return (kind, owner_id) if kind.name(owner_id) == stream else None


async def may_join(actor: Actor, kind: StreamKind, owner_id: UUID) -> bool:
    """The policy names the roles that may hear this kind of stream; the kind knows whose place it is."""
    if POLICY.find(actor, kind.permission) is None:
        return False
    return await kind.may_listen(actor, owner_id)


def zone_queue(zone_id: UUID) -> str:
    return f"zone:{zone_id}:queue"


def room_queue(room_id: UUID) -> str:
    return f"room:{room_id}:queue"


def window_queue(window_id: UUID) -> str:
    return f"window:{window_id}:queue"


def ward_alerts(ward_id: UUID) -> str:
    return f"ward:{ward_id}:alerts"


def account_inbox(account_id: UUID) -> str:
    return f"account:{account_id}:inbox"


def bedside(device_id: UUID) -> str:
    return f"bed:{device_id}:settle"
