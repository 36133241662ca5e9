"""PostgreSQL's own client programs: which ones fit a server, and how they are told a password."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec

from app.launch.binaries import postgres_binaries
from app.launch.postgres import PLAIN_ENVIRONMENT
from app.launch.refusals import CannotStart

DEBIAN = Path("/usr/lib/postgresql")
VERIFIED = ("require", "verify-ca", "verify-full")
PROBE_SECONDS = 20.0
# Forced row level security shows the owner its rows as the system only; elsewhere this says nothing.
OPTIONS = "-c app.actor_kind=system -c app.channel=backup -c statement_timeout=0 -c lock_timeout=0"


class NoClients(CannotStart):
    """No pg_dump and psql on this machine can talk to that server."""


class Connection(msgspec.Struct, frozen=True):
    """A URL without its password, for an argument list that everybody can read, and the rest."""

    url: str
    environment: dict[str, str]


def connection_to(url: str) -> Connection:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    password = options.pop("password", None) or unquote(parts.password or "")
    user, _, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    bare = parts._replace(netloc=f"{name}@{place}" if name else place, query=urlencode(options))
    variables = PLAIN_ENVIRONMENT | {"PGOPTIONS": OPTIONS}
    if password:
        variables["PGPASSWORD"] = password
    return Connection(bare.geturl(), variables)


def client_folder(url: str, server_major: int) -> Path:
    """The embedded programs, unless the line must be encrypted, which they cannot; then the system's."""
    for folder in _candidates(encrypted=_encrypted(url)):
        if _major(folder / "pg_dump") >= server_major and (folder / "psql").exists():
            return folder
    raise NoClients(
        f"没有找到适合 PostgreSQL {server_major} 的客户端程序。"
        f"请安装 postgresql-client-{server_major}(或更新的版本)后重试。"
    )


def _candidates(*, encrypted: bool) -> Iterator[Path]:
    if not encrypted:
        yield postgres_binaries(None)
    if found := shutil.which("pg_dump"):
        yield Path(found).parent
    versions = [path for path in DEBIAN.glob("*") if path.name.isdigit()] if DEBIAN.is_dir() else []
    for path in sorted(versions, key=lambda path: -int(path.name)):
        yield path / "bin"


def _encrypted(url: str) -> bool:
    return dict(parse_qsl(urlsplit(url).query)).get("sslmode") in VERIFIED


def _major(program: Path) -> int:
    if not os.access(program, os.X_OK):
        return 0
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
    )
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else 0
