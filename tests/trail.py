"""The access log inside a test's own transaction, and what it says."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.kernel.actor import ANONYMOUS, Actor
from app.kernel.database import DB, action, fetch
from app.traces.access_log import ACCESS_LOG, INSERT, Line, Row
from tests.rollback import OnePool


class OwnTransaction(Line):
    """Writes as the house does, where a rolled back test finds it and nobody else."""

    async def write(self, rows: Sequence[Row]) -> None:
        await _write(ANONYMOUS, rows=rows)


@action
async def _write(actor: Actor, *, rows: Sequence[Row]) -> None:
    await fetch(INSERT, *zip(*rows, strict=True))


def open_log(*, commits: bool) -> None:
    ACCESS_LOG.lines = [Line(), Line()] if commits else [OwnTransaction()]
    ACCESS_LOG.open()


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the access log, as far as tests ask."""

    person_id: UUID | None
    permission: str
    status: int
    actor_id: UUID | None
    reason: str


async def left_by(request_id: str) -> list[Left]:
    """What a request of this test's own transaction left; read as the owner, for nobody of ours may."""
    pool = DB.pool
    assert isinstance(pool, OnePool)
    await pool.connection.execute("RESET ROLE")
    rows = await pool.connection.fetch(
        "SELECT * FROM access_log WHERE request_id = $1 ORDER BY entry", request_id
    )
    return [msgspec.convert(dict(row), Left) for row in rows]
