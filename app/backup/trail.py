"""The audit trail of a restored hospital: its anchors, and whether its chain of seals holds."""

from pathlib import Path

import asyncpg

from app.backup.escrow import Escrow
from app.kernel.settings import Settings


def anchor_folders(config: Settings) -> list[Path]:
    return [config.anchors]


def unpack_anchors(anchors: Escrow, config: Settings) -> list[Path]:
    """The backup's anchors into folders that were lost. Those that are left know more and stay as they are.

    Returns the latter: they tell of seals that the restored database has not.
    """
    left: list[Path] = []
    for folder in anchor_folders(config):
        if folder.is_dir() and any(folder.iterdir()):
            left.append(folder)
        else:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            anchors.unpack(folder, below="anchors")
    return left


async def trail_problems(connection: asyncpg.Connection, data: Path) -> list[str]:
    """What the verification of the seals finds in a restored copy, against the anchors in its backup."""
    if await connection.fetchval("SELECT to_regclass('public.seal') IS NULL"):
        return []
    raise NotImplementedError(data)
