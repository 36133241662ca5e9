"""The audit trail of a restored hospital: its anchors, and whether its chain of seals holds."""

import shutil
from pathlib import Path

import asyncpg
import click

from app.backup.connecting import value
from app.backup.envelope import Identity
from app.backup.escrow import unpack_anchors
from app.backup.folder import Manifest
from app.kernel import database
from app.kernel.settings import Settings
from app.traces.chain import KEY_FILE, NoSealKey, public_keys
from app.traces.findings import CannotTell, Kind
from app.traces.sealing import tell_restored
from app.traces.verifying import verify

HALF = ".restoring"  # in a folder of anchors: what it holds was not all brought back


def lost_anchors(source: Path, identity: Identity, config: Settings) -> list[Path]:
    """The backup's anchors into folders that were lost. Those that are left know more and stay as they are.

    Returns the latter. What was cut off is brought back from the start: half a folder would look like one
    that is left, with a gap that nobody ever fills.
    """
    left: list[Path] = []
    for folder in config.anchors:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / HALF).exists():
            left.append(folder)
        else:
            bring_back(source, identity, folder)
    return left


def bring_back(source: Path, identity: Identity, folder: Path) -> None:
    half = folder / HALF
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    unpack_anchors(source, identity, half)
    for path in half.iterdir():
        path.replace(folder / path.name)
    half.rmdir()


async def tell_anchors(url: str, left: list[Path], manifest: Manifest) -> list[Path]:
    """Tells anchors that know of seals which the restored database has not; returns which those were."""
    if not left:
        return []
    await database.open_pool(dsn=url, size=1)
    try:
        reason = f"backup {manifest.id} of {manifest.taken_at.isoformat(timespec='seconds')}"
        return await tell_restored(reason=reason, anchors=left)
    finally:
        await database.close_pool()


async def trail_problems(connection: asyncpg.Connection, data: Path) -> list[str]:
    """What the verification of the seals finds in a restored copy, against the anchors in its backup.

    Entries that waited for their seal when the backup was taken wait still: that is no finding.
    """
    seals = await value(connection, "SELECT count(*) FROM seal")
    if not seals:
        click.echo("  还没有封条,审计链无从核对")
        return []
    anchors = data / "anchors"
    try:
        keys = public_keys([data / "keys" / KEY_FILE])
        folders = [anchors] if any(anchors.iterdir()) else []
        report = await verify(connection, anchors=folders, keys=keys, copy=True)
    except (CannotTell, NoSealKey, OSError) as error:
        return [f"审计链不能核对:{error}"]
    found = [str(finding) for finding in report.findings if finding.kind is not Kind.UNSEALED]
    if not found:
        against = "与锚点一致" if report.anchors else "没有锚点可对照"
        click.echo(f"  审计链完整:{report.seals} 号封条、{report.entries} 条记录,{against}")
    return found
