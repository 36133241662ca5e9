"""Commands happen once: the key, what was asked, and what came of it commit with the change itself."""

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import msgspec

from app.kernel.actor import Actor
from app.kernel.crypto import blind_index, blind_indexes
from app.kernel.database import action, fetch_one, fetch_value
from app.kernel.errors import DomainError, Invalid
from app.kernel.ids import new_id

KEY_LENGTH = range(8, 65)
BODY_COLUMN = "idempotency.body"


class KeyMissing(Invalid):
    code = "idempotency_key_missing"
    status = HTTPStatus.BAD_REQUEST
    message = "请求缺少 Idempotency-Key（8 到 64 个字符），请升级客户端后重试。"


class KeyReused(Invalid):
    code = "idempotency_key_reused"
    message = "这个 Idempotency-Key 已用于另一个请求，请换一个新的再提交。"


class KeyInProgress(DomainError):
    code = "idempotency_key_in_progress"
    message = "同一请求正在处理，请稍候片刻再查看结果。"
    retry_after_s = 1


class Command(msgspec.Struct, frozen=True):
    """A write as it arrived: its key, its route and the hash of its body."""

    key: str
    route: str
    body_hash: str


class Identified(Protocol):
    @property
    def id(self) -> UUID: ...


def command(*, key: str | None, route: str, body: bytes) -> Command:
    if key is None or len(key) not in KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise KeyMissing
    return Command(key, route, hashlib.sha256(body).hexdigest())


async def once(
    asked: Command,
    do: Callable[..., Awaitable[UUID | Identified]],
    actor: Actor,
    **values: Any,
) -> UUID:
    """Run the action `do` unless this actor's key has committed; either way the resource's id returns.

    A refusal rolls back with its key, so that the corrected request may use it again.
    """
    try:
        return await _once(actor, asked=asked, do=do, values=values)
    except asyncpg.LockNotAvailableError as error:
        raise KeyInProgress from error


@action
async def _once(
    actor: Actor,
    *,
    asked: Command,
    do: Callable[..., Awaitable[UUID | Identified]],
    values: dict[str, Any],
) -> UUID:
    row_id = await fetch_value(
        "INSERT INTO idempotency (id, actor, key, route, body_index) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT ON CONSTRAINT idempotency_once DO NOTHING RETURNING id",
        new_id(),
        str(actor),
        asked.key,
        asked.route,
        blind_index(asked.body_hash, column=BODY_COLUMN),
    )
    if row_id is None:
        return await _remembered(actor, asked)
    done = await do(actor, **values)
    resource_id = done if isinstance(done, UUID) else done.id
    await fetch_value(
        "UPDATE idempotency SET resource_id = $2 WHERE id = $1 RETURNING id", row_id, resource_id
    )
    return resource_id


async def _remembered(actor: Actor, asked: Command) -> UUID:
    row = await fetch_one(
        "SELECT route, body_index, resource_id FROM idempotency WHERE actor = $1 AND key = $2",
        str(actor),
        asked.key,
    )
    assert row is not None
    same_body = row["body_index"] in blind_indexes(asked.body_hash, column=BODY_COLUMN)
    if row["route"] != asked.route or not same_body:
        raise KeyReused
    return row["resource_id"]
