"""A record as it was at any moment, and who changed it when and why, from the versions the database keeps."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.actor import Actor
from app.kernel.database import fetch, fetch_value, query
from app.kernel.errors import NotFound
from app.kernel.http import PAGE_MAX

# A blind index tells equal values apart from others: whoever reads histories has no use for that.
LEFT_OUT_ENDING = "_index"


class VersionNotFound(NotFound):
    code = "version_not_found"
    message = "没有这条记录，或者它在那个时刻还不存在、已被删除。请核对表名、编号和时间。"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One change: `op` is I, U or D; `record` as the change left it, or as it was when it was deleted.

    `actor_kind` is `database` for who changed it outside of the program; `db_user` is the login then.
    """

    entry: int
    at: datetime
    op: str
    record: dict[str, Any]
    actor_kind: str
    actor_id: UUID | None
    channel: str
    request_id: str
    reason: str
    db_user: str


@query
async def as_of(actor: Actor, *, table: str, record_id: str, at: datetime) -> dict[str, Any]:
    """The record as it stood at that moment of the database's clock. Raises VersionNotFound."""
    body = await fetch_value("SELECT jiuyi.as_of($1, $2, $3)", table, record_id, at)
    if body is None:
        raise VersionNotFound
    return _shown(body)


@query
async def history(
    actor: Actor, *, table: str, record_id: str, older: int | None = None, limit: int = PAGE_MAX
) -> list[Version]:
    """Its changes, the newest first; `older` is the entry that the page before ended with."""
    rows = await fetch("SELECT * FROM jiuyi.history_of($1, $2, $3, $4)", table, record_id, older, limit)
    return [Version(record=_shown(row["body"]), **_rest(row)) for row in rows]


@query
async def persons_of(actor: Actor, *, table: str, record: dict[str, Any]) -> list[UUID]:
    """Whom the record is about, also where it says so by another record only: a result by its report."""
    body = msgspec.json.encode(record).decode()
    rows = await fetch("SELECT jiuyi.persons_of_record($1, $2) AS id", table, body)
    return [row["id"] for row in rows]


def _rest(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "body"}


def _shown(body: str) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.json.decode(body)
    return {name: value for name, value in record.items() if not name.endswith(LEFT_OUT_ENDING)}
