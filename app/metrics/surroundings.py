"""Figures of what stands around us: disk, Redis, the last backup."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import redis.asyncio as redis

from app.kernel.hints import REDIS_AWAY
from app.kernel.settings import settings
from app.metrics.families import Family, Sample

PING_SECONDS_MAX = 0.5
LAST_BACKUP = "last_backup.json"  # in the data folder, written when a backup was made and verified


class LastBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What `jiuyi backup` says of the last one that it verified."""

    at: datetime
    directory: str
    bytes: int


async def surroundings() -> list[Family]:
    return [*_disk(settings().data), *_backup(settings().data), *await _redis()]


def note_backup(data: Path, last: LastBackup) -> None:
    """Whole or not at all: a scrape may read it at any moment."""
    writing = data / f"{LAST_BACKUP}.part"
    writing.write_bytes(msgspec.json.encode(last))
    writing.replace(data / LAST_BACKUP)


def last_backup(data: Path) -> LastBackup | None:
    with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
        return msgspec.json.decode((data / LAST_BACKUP).read_bytes(), type=LastBackup)
    return None


def _gauge(name: str, about: str, value: float) -> Family:
    return Family(name, "gauge", about, [Sample(name, {}, value)])


def _disk(data: Path) -> Iterator[Family]:
    disk = shutil.disk_usage(data)
    yield _gauge("jiuyi_disk_bytes", "Size of the disk that JIUYI_DATA lies on", disk.total)
    yield _gauge("jiuyi_disk_free_bytes", "What is free on it", disk.free)
    logs = sum(path.stat().st_size for path in data.glob("log/*") if path.is_file())
    yield _gauge("jiuyi_logs_bytes", "What the logs in JIUYI_DATA take, with the kept ones", logs)


def _backup(data: Path) -> Iterator[Family]:
    last = last_backup(data)
    at = last.at.timestamp() if last else 0
    yield _gauge("jiuyi_backup_timestamp_seconds", "When the last verified backup was made; 0: never", at)
    yield _gauge("jiuyi_backup_bytes", "How large it was", last.bytes if last else 0)


async def _redis() -> list[Family]:
    if not settings().redis_url:
        return []
    client = redis.Redis.from_url(settings().redis_url, socket_connect_timeout=PING_SECONDS_MAX)
    up = 0
    with contextlib.suppress(*REDIS_AWAY):
        await asyncio.wait_for(client.ping(), PING_SECONDS_MAX)
        up = 1
    with contextlib.suppress(*REDIS_AWAY):
        await client.aclose()
    return [_gauge("jiuyi_redis_up", "Whether Redis answered; without it everything is only slower", up)]
