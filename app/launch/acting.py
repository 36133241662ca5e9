"""One action of a command, in a process that ends with it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def in_database(act: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """What the action returns. Imports late: a command that refuses at once waits for no house."""
    from app.kernel import database

    async def do() -> R:
        await database.open_pool(size=1)
        try:
            return await act()
        finally:
            await database.close_pool()

    return asyncio.run(do())
