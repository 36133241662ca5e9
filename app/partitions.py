"""Monthly partitions: three months are always made ahead, and a row in a default partition alarms."""

from collections.abc import Sequence

import structlog

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_value, query

log = structlog.get_logger()

PARTITIONED: list[str] = ["event", "rt_event", "record_version", "access_log", "seal_leaf"]


@query
async def stray_rows(actor: Actor, *, tables: Sequence[str]) -> dict[str, int]:
    """How many rows lie in each default partition. Anything but 0 means that a month was missing."""
    found: dict[str, int] = {}
    for table in tables:
        count = await fetch_value("SELECT jiuyi.stray_rows($1)", table)
        if count:
            found[table] = count
    return found


@action
async def make_partitions(actor: Actor, *, tables: Sequence[str]) -> int:
    return sum([await fetch_value("SELECT jiuyi.ensure_partitions($1)", table) for table in tables])


async def keep_partitions() -> int:
    """The sweep: make what is missing and say loudly where a row went astray."""
    actor = system("partitions")
    made = await make_partitions(actor, tables=PARTITIONED)
    for table, rows in (await stray_rows(actor, tables=PARTITIONED)).items():
        log.error("rows_in_default_partition", table=table, rows=rows)
    return made
