"""Where a restore goes: nothing is overwritten, and what was cut off can be told from what was there."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from app.backup.connecting import connect, value
from app.backup.escrow import KEPT, Escrow
from app.backup.loading import is_empty
from app.kernel import clock
from app.kernel.ids import new_id
from app.kernel.settings import Settings
from app.launch.refusals import CannotStart
from app.launch.unfinished import Restore, done, mark, unfinished

SERVERS = ("postgres", "valkey")


class WouldOverwrite(CannotStart):
    """There is a hospital here already."""


@contextmanager
def room_made(config: Settings, secrets: Escrow, *, replace: bool) -> Iterator[Restore]:
    """A place for the hospital, marked as unfinished until the block ends; on an error all is as before.

    After kill -9 the mark stays and refuses every start. What lies here then is the killed restore's own,
    and is begun anew by the next one.
    """
    former = unfinished(config.data)
    if config.database_url:
        refuse_filled(config.database_url, former, replace=replace)
    attempt = former or Restore(
        id=str(new_id()), aside=aside_for(config, secrets, replace=replace), filling=False
    )
    mark(config.data, attempt)
    if attempt.filling:
        for name in SERVERS:
            shutil.rmtree(config.data / name, ignore_errors=True)
    else:
        set_aside(config, attempt.aside)
        mark(config.data, attempt := msgspec.structs.replace(attempt, filling=True))
    there = {name for name in names(config) if (config.data / name).exists()}
    try:
        yield attempt
    except BaseException:
        if former is None and not (config.database_url and was_loaded(config.database_url, attempt)):
            put_back(config, attempt.aside, there)
            done(config.data)
        raise
    done(config.data)


def names(config: Settings) -> tuple[str, ...]:
    """What a restore writes in the data folder. A given server's hospital has no servers of its own here."""
    if config.database_url:
        return tuple(name for name in KEPT if name != "secrets")
    return (*KEPT, *SERVERS)


def aside_for(config: Settings, secrets: Escrow, *, replace: bool) -> str:
    """The folder for what is in the way, or "" where nothing is."""
    found = [
        name
        for name in names(config)
        if (name in SERVERS and (config.data / name).exists()) or secrets.differs(config.data, name)
    ]
    if not found:
        return ""
    if not replace:
        raise WouldOverwrite(
            f"{config.data} 里已有数据({'、'.join(found)}),没有改动。"
            "请用 JIUYI_DATA 指定一个新目录;确认要替换时加上 --replace,旧数据会改名保留。"
        )
    return f"replaced-{clock.wall():%Y%m%dT%H%M%S}"


def refuse_filled(url: str, former: Restore | None, *, replace: bool) -> None:
    if asyncio.run(is_empty(url)) or (former is not None and was_loaded(url, former)):
        return
    hint = "--replace 不会清空指定的数据库:" if replace else ""
    raise WouldOverwrite(
        f"DATABASE_URL 指定的数据库不是空的,没有改动。{hint}请新建一个空数据库,把 DATABASE_URL 指向它再恢复。"
    )


def was_loaded(url: str, attempt: Restore) -> bool:
    return asyncio.run(_was_loaded(url, attempt.id))


async def _was_loaded(url: str, attempt: str) -> bool:
    connection = await connect(url)
    try:
        if await value(connection, "SELECT to_regclass('public.restoration')") is None:
            return False
        return await value(connection, "SELECT EXISTS (SELECT FROM restoration WHERE id = $1)", attempt)
    finally:
        await connection.close()


def set_aside(config: Settings, aside: str) -> None:
    """Moves one name after another; begun anew after a kill, it moves the rest."""
    if not aside:
        return
    (config.data / aside).mkdir(mode=0o700, exist_ok=True)
    for name in names(config):
        if (config.data / name).exists():
            (config.data / name).rename(config.data / aside / name)


def put_back(config: Settings, aside: str, there: set[str]) -> None:
    for name in names(config):
        if name not in there:
            shutil.rmtree(config.data / name, ignore_errors=True)
        if aside and (config.data / aside / name).exists():
            (config.data / aside / name).rename(config.data / name)
    if aside:
        (config.data / aside).rmdir()
