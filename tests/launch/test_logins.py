"""Each process logs in as itself: the one that serves requests holds no other password."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from app.launch.logins import login_password, login_url, own_login
from tests.hospital import RunningHospital


def environments(hospital: RunningHospital, command: str) -> list[dict[str, str]]:
    """What the kernel says that the processes of this hospital's `command` were started with."""
    found: list[dict[str, str]] = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            text = (process / "environ").read_bytes().decode()
        except OSError:
            continue
        variables = dict(line.split("=", 1) for line in text.split("\0") if "=" in line)
        ours = variables.get("JIUYI_INSTANCE") == hospital.environment["JIUYI_INSTANCE"]
        if ours and command.encode() in words:
            found.append(variables)
    return found


def test_the_server_and_the_worker_know_their_own_password_only(running_hospital: RunningHospital) -> None:
    owner = urlsplit(running_hospital.environment["DATABASE_URL"])
    for command, role in (("serve", "jiuyi_app"), ("worker", "jiuyi_worker")):
        started = environments(running_hospital, command)
        assert started, command
        for variables in started:
            assert urlsplit(variables["DATABASE_URL"]).username == role
            assert not [name for name, value in variables.items() if f":{owner.password}@" in value]


def test_a_password_is_derived_and_tells_nothing_of_the_owners() -> None:
    owner = "postgresql://owner:s%40crt@db.example:5432/house"
    app, worker = login_url(owner, "jiuyi_app"), login_url(owner, "jiuyi_worker")
    assert app is not None
    assert worker is not None
    assert urlsplit(app).password == login_password("s@crt", "jiuyi_app") != urlsplit(worker).password
    assert app.endswith("@db.example:5432/house")
    assert "s%40crt" not in app
    assert login_url("postgresql:///house", "jiuyi_app") is None


def test_a_login_that_does_not_open_is_not_used(database_url: str) -> None:
    parts = urlsplit(database_url)
    other = parts._replace(netloc=f"{parts.username}:other@{parts.hostname}:{parts.port}").geturl()
    assert own_login(other, "jiuyi_app") is None


def test_the_server_may_become_the_worker_and_nobody_becomes_the_owner(database_url: str) -> None:
    async def look() -> None:
        app = await asyncpg.connect(own_login_of(database_url, "jiuyi_app"))
        await app.execute("SET ROLE jiuyi_worker; RESET ROLE")
        worker = await asyncpg.connect(own_login_of(database_url, "jiuyi_worker"))
        for connection, role in (
            (app, urlsplit(database_url).username),
            (app, "jiuyi_definer"),
            (worker, "jiuyi_app"),
        ):
            try:
                await connection.execute(f"SET ROLE {role}")
            except asyncpg.InsufficientPrivilegeError:
                continue
            raise AssertionError(role)
        await app.close()
        await worker.close()

    asyncio.run(look())


def own_login_of(database_url: str, role: str) -> str:
    url = login_url(database_url, role)
    assert url is not None
    return url
