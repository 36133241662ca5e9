"""One way to put a row into a table for a test."""

from typing import Any
from uuid import UUID

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_value
from app.kernel.ids import new_id


async def row(table: str, **values: Any) -> UUID:
    """Insert a row with a new id unless one is given, and return its id."""
    return await _insert(system("test"), table=table, values={"id": new_id(), **values})


@action
async def _insert(actor: Actor, *, table: str, values: dict[str, Any]) -> UUID:
    names = ", ".join(values)
    places = ", ".join(f"${i}" for i in range(1, len(values) + 1))
    await fetch_value(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())
    return values.get("id", new_id())


async def value(sql: str, *arguments: Any) -> Any:
    """One value of the database, for looking."""
    return await _value(system("test"), sql=sql, arguments=arguments)


@action
async def _value(actor: Actor, *, sql: str, arguments: tuple[Any, ...]) -> Any:
    return await fetch_value(sql, *arguments)
