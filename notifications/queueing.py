"""What phones, halls, doors and windows hear of the queues."""

from typing import Any
from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.events import Event
from app.patients.queries import Scope
from app.queueing.displays import (
    CALL_TTL_S,
    CallShown,
    room_queue_state,
    window_queue_state,
    zone_queue_state,
)
from app.queueing.events import QueueChanged, TicketCalled, WindowQueueChanged
from notifications.inbox import tell_phones
from notifications.push import push_state
from notifications.streams import room_queue, window_queue, zone_queue

CHANGED = "queue.changed"


async def show_in_zone(actor: Actor, fact: QueueChanged, event: Event) -> None:
    """The hall's and the doors' boards: the whole state as it is now, and the call if it was one."""

    async def board() -> dict[str, Any]:
        state = await zone_queue_state(actor, zone_id=fact.zone_id)
        return {"reason": fact.reason, "state": state} | _spoken(state.calling, fact)

    await push_state(
        actor, stream=zone_queue(fact.zone_id), type=CHANGED, read=board, prio=1, ttl_s=_ttl_of(fact)
    )
    for room_id in fact.room_ids:
        await _show_at_desk(actor, room_id, fact.reason)


async def _show_at_desk(actor: Actor, room_id: UUID, reason: str) -> None:
    async def desk() -> dict[str, Any]:
        return {"reason": reason, "state": await room_queue_state(actor, room_id=room_id)}

    await push_state(actor, stream=room_queue(room_id), type=CHANGED, read=desk, prio=1)


async def show_at_window(actor: Actor, fact: WindowQueueChanged, event: Event) -> None:
    async def board() -> dict[str, Any]:
        state = await window_queue_state(actor, window_id=fact.window_id)
        return {"reason": fact.reason, "state": state} | _spoken(state.calling, fact)

    await push_state(
        actor, stream=window_queue(fact.window_id), type=CHANGED, read=board, prio=1, ttl_s=_ttl_of(fact)
    )


def _ttl_of(fact: QueueChanged | WindowQueueChanged) -> int | None:
    return None if fact.call_id is None else CALL_TTL_S


def _spoken(calling: list[CallShown], fact: QueueChanged | WindowQueueChanged) -> dict[str, Any]:
    """What is read aloud, at most once per display and never after its time; nothing if it is over."""
    call = next((c for c in calling if (c.call_id, c.repeat_no) == (fact.call_id, fact.repeat_no)), None)
    if call is None:
        return {}
    kept = ("call_id", "repeat_no", "number", "masked_name", "room", "ttl_s")
    return {"call": {name: getattr(call, name) for name in kept}}


async def call_phones(actor: Actor, fact: TicketCalled, event: Event) -> None:
    title = "正在叫您的号，请到诊室就诊" if fact.room_id else "正在叫您的号，请到窗口办理"
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title=title,
        ref_id=fact.ticket_id,
        event=event,
        prio=1,
        scope=Scope.BOOK,
    )


async def zone_state(actor: Actor, zone_id: UUID) -> dict[str, Any]:
    return msgspec.to_builtins(await zone_queue_state(actor, zone_id=zone_id))


async def room_state(actor: Actor, room_id: UUID) -> dict[str, Any]:
    return msgspec.to_builtins(await room_queue_state(actor, room_id=room_id))


async def window_state(actor: Actor, window_id: UUID) -> dict[str, Any]:
    return msgspec.to_builtins(await window_queue_state(actor, window_id=window_id))
