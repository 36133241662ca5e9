"""One line to a database, with a sentence where there is none."""

from typing import Any

import asyncpg

from app.launch.refusals import CannotStart

CONNECT_SECONDS = 10


async def connect(url: str, settings: dict[str, str] | None = None) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=None, server_settings=settings
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise CannotStart(
            f"不能连接数据库({type(error).__name__})。请检查数据库是否在运行以及 DATABASE_URL。"
        ) from error


async def value(connection: asyncpg.Connection, sql: str, *arguments: Any) -> Any:
    return await connection.fetchval(sql, *arguments)
