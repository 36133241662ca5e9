"""消息: what happened since the phone was last looked at."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from notifications.inbox import MessageView, mark_read, messages_of


@get("/messages", permission="message.read")
async def list_messages(
    actor: NamedDependency[Actor],
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 20,
    after: FromQuery[UUID | None] = None,
) -> list[MessageView]:
    """The account's messages, newest first."""
    assert actor.id is not None
    return await messages_of(actor, account_id=actor.id, limit=limit, after=after)


@post("/messages/{message_id:uuid}/read", permission="message.read", status_code=204)
async def read_message(
    actor: NamedDependency[Actor], asked: NamedDependency[Command], message_id: FromPath[UUID]
) -> None:
    await once(asked, mark_read, actor, message_id=message_id)


router = Router(path="/api/mini-program/v1", route_handlers=[list_messages, read_message])
