"""`jiuyi audit` and `jiuyi record`, as people type them."""

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
