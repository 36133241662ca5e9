"""The `jiuyi` command.

Each command imports what it runs inside its own body: the whole house takes a second to import, and
`jiuyi run` starts five of these processes on a machine that is waited for.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from app.auditing import audit, record
from app.kernel.errors import DomainError
from app.kernel.settings import settings
from app.keys.commands import keys
from app.launch import environment
from app.launch.acting import in_database
from app.launch.refusals import CannotStart

R = TypeVar("R")
PASSPHRASE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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
@click.option("--tls", is_flag=True, help="with JIUYI_TLS_CERTIFICATE, or what `jiuyi tls init` made")
@click.option("--tls-1-2", is_flag=True, help="also TLS 1.2, for old phones; docs/manuals/transport.md")
def serve(workers: int, tls: bool, tls_1_2: bool) -> None:  # noqa: FBT001 - click hands flags over by name
    """Serve HTTP and websockets."""
    from app.launch import certificates, serving

    environment.join_running_hospital()
    config = settings()
    if tls or tls_1_2:
        config = certificates.with_tls(config, tls_1_2=tls_1_2)
    serving.serve(config, workers)


@main.group("tls")
def tls_group() -> None:
    """Certificates for a hospital that has none."""


@tls_group.command("init")
@click.option("--host", "hosts", multiple=True, required=True, help="a name or address of this server")
@click.option("--renew", is_flag=True, help="replace the server's certificate; terminals keep trusting")
def tls_init(hosts: tuple[str, ...], renew: bool) -> None:  # noqa: FBT001 - click hands flags over by name
    """Make a certificate authority and a server certificate under JIUYI_DATA/tls."""
    from app.launch import certificates

    click.echo(certificates.init(settings().data, hosts, renew=renew))


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
    from app.logs import configure_logs

    configure_logs()
    crypto.ensure_key_ring(settings().data / "keys")
    try:
        asyncio.run(schema.migrate())
    except schema.CannotMigrate as refusal:
        raise CannotStart(str(refusal)) from refusal


@main.command()
def seed() -> None:
    """Fill an empty database with the demo hospital."""
    environment.join_running_hospital()
    from app.logs import configure_logs
    from app.seed import hospital as room

    configure_logs()
    asyncio.run(room.seed())


@main.command()
def simulators() -> None:
    """Run WeChat Pay and Alipay on loopback, speaking the real protocols."""
    environment.join_running_hospital()
    from app.logs import configure_logs
    from simulators import main as room

    configure_logs()
    room.main()


@main.command()
@click.option("--url", default="", help="the hospital's address; the default is our own port")
@click.option("--json", "as_json", is_flag=True, help="one JSON object per step")
def demo(url: str, as_json: bool) -> None:  # noqa: FBT001 - click hands flags over by name
    """Play one patient's day against the running hospital, from outside."""
    from app.demo import main as room

    sys.exit(room.run(url or f"http://127.0.0.1:{settings().port}", as_json))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object; times in seconds, sizes in bytes")
def status(as_json: bool) -> None:  # noqa: FBT001 - click hands flags over by name
    """Show processes, queues, failures, backup, seals and disk; exit code 1 where somebody must act."""
    environment.join_running_hospital()
    import msgspec

    from app.metrics import status as room

    found = in_database(room.look)
    click.echo(msgspec.json.encode(found).decode() if as_json else room.screen(found))
    sys.exit(1 if found.troubles else 0)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--passphrase-file", type=PASSPHRASE_FILE, help="its first line is the passphrase")
def backup(folder: Path, passphrase_file: Path | None) -> None:
    """Copy the whole hospital into FOLDER, encrypted; also while it runs. docs/manuals/backup.md"""
    from app.backup import passphrases, taking

    taking.run(folder.absolute(), passphrases.ask(passphrase_file, new=True))


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--passphrase-file", type=PASSPHRASE_FILE, help="its first line is the passphrase")
@click.option("--replace", is_flag=True, help="set the hospital that is here aside, under a dated name")
@click.option("--check", is_flag=True, help="only try it, on a server that is thrown away")
def restore(folder: Path, passphrase_file: Path | None, replace: bool, check: bool) -> None:  # noqa: FBT001 - click's way
    """Bring the hospital of the backup in FOLDER up again, whole or not at all."""
    from app.backup import checking, passphrases, restoring

    passphrase = passphrases.ask(passphrase_file, new=False)
    if check:
        sys.exit(checking.run(folder.absolute(), passphrase))
    restoring.run(folder.absolute(), passphrase, replace=replace)


@main.group()
def bench() -> None:
    """Measure us and the limit in one run, on fresh data; results also go to bench/ of the data folder."""


@bench.command()
@click.option(
    "--url", default="", help="measure a demo hospital that runs there; the default is an own, busy one"
)
@click.option("--walls", type=click.Choice(["on", "off", "both"]), default="both", show_default=True)
@click.option("--audit", type=click.Choice(["on", "off", "both"]), default="both", show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="of each step"
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object as the last line")
def reads(url: str, walls: str, audit: str, rounds: int, seconds: float, as_json: bool) -> None:  # noqa: FBT001 - click's way
    """What phones and desks read most, at 32 clients, with and without the walls and the access log."""
    from bench import reads as room

    sys.exit(
        room.run(
            url=url.rstrip("/"), walls=walls, audit=audit, rounds=rounds, seconds=seconds, as_json=as_json
        )
    )


@main.command()
@click.argument("at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]))
def clock(at: datetime) -> None:
    """Move the demo hospital's business clock forward to AT, e.g. 2026-11-24T08:00+0800."""
    environment.join_running_hospital()
    from app.kernel.actor import system
    from app.kernel.clock import move_clock

    offset = in_database(lambda: move_clock(system("clock"), to=at))
    click.echo(f"业务时钟已调到 {at.isoformat()}(比真实时间快 {offset})")


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


@main.group()
def client() -> None:
    """Partners' programs that may ask for tokens."""


@client.command("add")
@click.argument("client_id")
@click.option("--name", required=True, help="the partner's name, as people read it")
@click.option("--scope", default="", help='what it may do, e.g. "system/Organization.rs"')
@click.option("--grant", "grants", multiple=True, default=["client_credentials"], show_default=True)
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, help="an exact address, for authorization_code"
)
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="its public keys")
def add_client(
    client_id: str,
    name: str,
    scope: str,
    grants: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    jwks: Path | None,
) -> None:
    """Register a partner's client; one with keys (a JWKS file) signs its requests."""
    environment.join_running_hospital()
    from app.identity import clients
    from app.identity.roles import GrantType
    from app.kernel.actor import system

    try:
        asked = clients.Registration(
            client_id=client_id,
            name=name,
            grants=[GrantType(grant) for grant in grants],
            scopes=scope,
            redirect_uris=list(redirect_uris),
            jwks=jwks.read_text() if jwks else "",
        )
    except ValueError as error:
        raise clients.ClientMalformed(client_id=client_id) from error
    in_database(lambda: clients.register_client(system("client"), asked=asked))
    click.echo(f"已登记客户端 {client_id}")


@client.command("disable")
@click.argument("client_id")
def disable_client(client_id: str) -> None:
    """End a client; its tokens stop within two seconds."""
    environment.join_running_hospital()
    from app.identity import clients
    from app.kernel.actor import system

    in_database(lambda: clients.disable_client(system("client"), client_id=client_id))
    click.echo(f"已停用客户端 {client_id}")


main.add_command(audit)
main.add_command(record)
main.add_command(keys)


if __name__ == "__main__":
    main()
