"""`jiuyi audit` and `jiuyi record`, as people type them."""

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from app.launch import environment
from app.launch.acting import in_database


@click.group()
def audit() -> None:
    """Who changed and read what: whether that is whole."""


PATHS = click.Path(exists=True, path_type=Path)


@audit.command("verify")
@click.option("--anchors", multiple=True, type=PATHS, help="folders of anchors; the default is our own")
@click.option("--key", "keys", multiple=True, type=PATHS, help="PEM file of a public key that we trust")
@click.option("--since", default=0, help="only what came after this seal")
@click.option("--copy", is_flag=True, help="a restored copy, which may be older than the anchors")
@click.option("--rows", is_flag=True, help="also every living record against its newest version")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def verify_audit(as_json: bool, **asked: Any) -> None:  # noqa: FBT001 - click hands flags over by name
    """Look for edits, deletions, insertions, reordering, cut tails and rewriting.

    Exit code 0: whole; 1: something was found; 2: cannot tell.
    """
    environment.join_running_hospital()
    from app.traces import telling as room

    sys.exit(room.check(room.Asked(**asked), as_json=as_json))


@audit.command("restored")
@click.option("--reason", required=True, help="why, for whoever verifies in years")
def audit_restored(reason: str) -> None:
    """Tell the anchors that the database was set back by a restore; sealing then goes on from there."""
    environment.join_running_hospital()
    from app.traces import telling as room

    in_database(lambda: room.acknowledge_restore(reason))


PASSPHRASE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@audit.command("archive")
@click.option("--before", required=True, metavar="YYYY-MM", help="months before this one")
@click.option("--passphrase-file", type=PASSPHRASE_FILE, help="its first line is the passphrase")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def archive_audit(before: str, folder: Path, passphrase_file: Path | None) -> None:
    """Move old months of the traces into encrypted files in FOLDER; what must stay is refused."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", before):
        raise click.BadParameter("YYYY-MM", param_hint="--before")
    environment.join_running_hospital()
    from app.backup import folder as names
    from app.backup import old_months, passphrases

    new = not (folder / names.IDENTITY).exists()
    old_months.run(before, folder.absolute(), passphrases.ask(passphrase_file, new=new))


@audit.command("archived")
@click.option("--passphrase-file", type=PASSPHRASE_FILE, help="its first line is the passphrase")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check_archived(folder: Path, passphrase_file: Path | None) -> None:
    """Verify the archived months in FOLDER against the seals."""
    environment.join_running_hospital()
    from app.backup import old_months, passphrases

    old_months.check(folder.absolute(), passphrases.ask(passphrase_file, new=False))


@click.command()
@click.argument("table")
@click.argument("record_id")
@click.option(
    "--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]), help="how it stood then"
)
def record(table: str, record_id: str, at: datetime | None) -> None:
    """Who changed the record RECORD_ID of TABLE when and why; or with --at, how it stood then."""
    environment.join_running_hospital()
    from app.traces import telling as room

    in_database(lambda: room.show_record(table=table, record_id=record_id, at=at))
