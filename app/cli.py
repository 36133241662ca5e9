"""The `jiuyi` command.

Each command imports what it runs inside its own body: the whole house takes a second to import, and
`jiuyi run` starts five of these processes on a machine that is waited for.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

import click

from app.kernel.errors import DomainError
from app.kernel.settings import settings
from app.launch import environment
from app.launch.refusals import CannotStart


class Refusing(click.Group):
    """Shows a refusal as one sentence and exit code 1; anything else is a bug and stays loud."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CannotStart as refusal:
            click.echo(f"jiuyi: {refusal}", err=True)
            ctx.exit(1)
        except DomainError as refusal:
            click.echo(f"jiuyi: {refusal.detail}({refusal.code})", err=True)
            ctx.exit(1)


@click.group(cls=Refusing, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """就医: a hospital's digital front door with its clinical core behind it."""


@main.command()
def run() -> None:
    """Start everything: PostgreSQL, Valkey, migrations, demo data, simulators, worker, server."""
    from app.launch import plan, supervisor

    supervisor.run(plan.hospital(demo=environment.is_demo()), settings())


@main.command()
@click.option("--workers", default=1, show_default=True, help="server processes, one per core")
def serve(workers: int) -> None:
    """Serve HTTP and websockets."""
    from app.launch import serving

    environment.join_running_hospital()
    serving.serve(settings(), workers)


@main.command()
def worker() -> None:
    """Relay events, run jobs, sweep and escalate."""
    environment.join_running_hospital()
    from app import worker as room

    room.main()


@main.command()
def migrate() -> None:
    """Bring the database to this version."""
    environment.join_running_hospital()
    from app import schema
    from app.kernel import crypto

    crypto.ensure_key_ring(settings().data / "keys")
    try:
        asyncio.run(schema.migrate())
    except schema.CannotMigrate as refusal:
        raise CannotStart(str(refusal)) from refusal


@main.command()
def seed() -> None:
    """Fill an empty database with the demo hospital."""
    environment.join_running_hospital()
    from app.seed import hospital as room

    asyncio.run(room.seed())


@main.command()
def simulators() -> None:
    """Run WeChat Pay and Alipay on loopback, speaking the real protocols."""
    environment.join_running_hospital()
    from simulators import main as room

    room.main()


@main.command()
@click.option("--url", default="", help="the hospital's address; the default is our own port")
@click.option("--json", "as_json", is_flag=True, help="one JSON object per step")
def demo(url: str, as_json: bool) -> None:  # noqa: FBT001 - click hands flags over by name
    """Play one patient's day against the running hospital, from outside."""
    from app.demo import main as room

    sys.exit(room.run(url or f"http://127.0.0.1:{settings().port}", as_json))


@main.command()
@click.argument("at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]))
def clock(at: datetime) -> None:
    """Move the demo hospital's business clock forward to AT, e.g. 2026-11-24T08:00+0800."""
    environment.join_running_hospital()
    from app.kernel import database
    from app.kernel.actor import system
    from app.kernel.clock import move_clock

    async def move() -> None:
        await database.open_pool(size=1)
        try:
            offset = await move_clock(system("clock"), to=at)
        finally:
            await database.close_pool()
        click.echo(f"业务时钟已调到 {at.isoformat()}(比真实时间快 {offset})")

    asyncio.run(move())


@main.command("security-admin")
@click.argument("login_name")
@click.argument("name")
def security_admin(login_name: str, name: str) -> None:
    """Make one of the first two security administrators; everybody else's login they make themselves."""
    environment.join_running_hospital()
    from app.imports import security_admin as room

    click.echo(asyncio.run(room.make(login_name, name)))


@main.command("import")
@click.argument("kind", type=click.Choice(["icd10", "catalog", "schedule"]))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_file(kind: str, file: Path) -> None:
    """Load a hospital's own list from a CSV file; nothing is half imported."""
    environment.join_running_hospital()
    from app.imports import main as room

    asyncio.run(room.load(kind, file))


if __name__ == "__main__":
    main()
