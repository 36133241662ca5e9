"""The phone's inbox: one line for each account that may read about the person, and a nudge to look."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_value, query
from app.kernel.errors import NotFound
from app.kernel.events import Event
from app.kernel.ids import new_id
from app.patients.queries import Scope, accounts_of
from notifications.push import push
from notifications.streams import account_inbox

SHOWN_MAX = 50


class MessageNotFound(NotFound):
    code = "message_not_found"
    message = "没有找到这条消息，请返回消息列表刷新。"


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, for whom and where to look. The content stays behind the link."""

    id: UUID
    person_id: UUID
    kind: str
    title: str
    ref_id: UUID
    at: datetime
    read: bool


@action
async def tell_phones(
    actor: Actor,
    *,
    person_id: UUID,
    title: str,
    ref_id: UUID,
    event: Event,
    prio: int = 2,
    scope: Scope = Scope.READ,
) -> None:
    """Leave a line in the inbox of every account that has the scope; told twice, it is there once."""
    for account_id in await accounts_of(actor, person_id=person_id, scope=scope):
        await tell_account(
            actor,
            account_id=account_id,
            person_id=person_id,
            title=title,
            ref_id=ref_id,
            event=event,
            prio=prio,
        )


@action
async def tell_account(
    actor: Actor,
    *,
    account_id: UUID,
    person_id: UUID,
    title: str,
    ref_id: UUID,
    event: Event,
    prio: int = 2,
) -> None:
    message_id = await fetch_value(
        "INSERT INTO message (id, account_id, person_id, kind, title, ref_id, once_key, at, body)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '') ON CONFLICT (once_key) DO NOTHING RETURNING id",
        new_id(),
        account_id,
        person_id,
        event.kind,
        title,
        ref_id,
        f"{event.id}:{account_id}",
        event.business_at,
    )
    if message_id is not None:
        data = {"message_id": message_id, "person_id": person_id, "ref_id": ref_id}
        await push(actor, stream=account_inbox(account_id), type=event.kind, data=data, prio=prio)


@action
async def forget_messages_about(actor: Actor, *, person_id: UUID) -> int:
    """The person wants them gone: every inbox loses what it was told so far. How many went."""
    gone = await fetch(
        "DELETE FROM message WHERE person_id IN (SELECT jiuyi.same_person($1)) RETURNING id", person_id
    )
    return len(gone)


@query
async def messages_of(
    actor: Actor, *, account_id: UUID, limit: int = SHOWN_MAX, after: UUID | None = None
) -> list[MessageView]:
    """The newest lines of an inbox; `after` is the last one of the page before."""
    rows = await fetch(
        "SELECT id, person_id, kind, title, ref_id, at, read_at IS NOT NULL AS read FROM message"
        " WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        account_id,
        after,
        limit,
    )
    return [msgspec.convert(dict(row), MessageView) for row in rows]


@action
async def mark_read(actor: Actor, *, message_id: UUID) -> UUID:
    """The account has seen its line. Somebody else's line does not exist."""
    now = await clock.now()
    found = await fetch_value(
        "UPDATE message SET read_at = coalesce(read_at, $3) WHERE id = $1 AND account_id = $2 RETURNING id",
        message_id,
        actor.id,
        now,
    )
    if found is None:
        raise MessageNotFound(message_id=message_id)
    return found


async def inbox_state(actor: Actor, account_id: UUID) -> dict[str, Any]:
    """What a phone that just connected needs: the newest lines, to be compared with what it shows."""
    return {"messages": await messages_of(actor, account_id=account_id)}
