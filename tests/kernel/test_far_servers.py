"""Servers on other machines are reached over verified TLS, or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis
from redis.exceptions import RedisError

from app.kernel.hints import REDIS_AWAY
from app.kernel.settings import UnverifiedServer, settings, verified_database, verified_redis
from app.launch.certificates import CA, SERVER, init

VERIFIED = "?sslmode=verify-full&sslrootcert=/etc/jiuyi/ca.pem"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql:///jiuyi",
        "postgresql:///jiuyi?host=/run/postgresql",
        "postgresql://me:secret@%2Frun%2Fpostgresql/jiuyi",
        "postgresql://me:se%40cret@127.0.0.1:5432/jiuyi",
        "postgresql://localhost/jiuyi",
        "postgresql://[::1]:5432/jiuyi",
        "postgresql://127.0.0.1:1,localhost:2/jiuyi",
        "postgresql://db.hospital.test/jiuyi" + VERIFIED,
        "postgresql://a.hospital.test,b.hospital.test/jiuyi" + VERIFIED,
    ],
)
def test_a_database_that_is_here_or_verified_is_used(url: str) -> None:
    assert verified_database(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.hospital.test/jiuyi",
        "postgresql://10.0.0.7:5432/jiuyi",
        "postgresql://me@localhost@10.0.0.7/jiuyi",
        "postgresql://localhost.hospital.test/jiuyi",
        "postgresql://127.0.0.1,10.0.0.7/jiuyi",
        "postgresql:///jiuyi?host=db.hospital.test",
        "postgresql:///jiuyi?service=hospital",
        "postgresql://10.0.0.7/jiuyi?sslmode=require",
        "postgresql://10.0.0.7/jiuyi?sslmode=verify-ca",
        "postgresql://10.0.0.7/jiuyi?sslmode=verify-full&sslmode=disable",
        "postgresql://[2001:db8::7]:5432/jiuyi",
    ],
)
def test_a_far_database_without_verification_is_refused(url: str) -> None:
    with pytest.raises(UnverifiedServer, match="unverified_server") as refusal:
        verified_database(url)
    assert "sslmode=verify-full" in refusal.value.detail


@pytest.mark.parametrize("variable", ["PGHOST", "PGSERVICE"])
def test_a_far_database_of_the_environment_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "db.hospital.test")
    with pytest.raises(UnverifiedServer):
        verified_database("postgresql:///jiuyi")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://127.0.0.1:6379/0",
        "redis://:secret@localhost/1",
        "redis://[::1]/0",
        "unix:///run/redis.sock",
    ],
)
def test_a_redis_that_is_here_is_used(url: str) -> None:
    assert verified_redis(url) == url


@pytest.mark.parametrize("url", ["redis://10.0.0.7/0", "redis://:secret@redis.hospital.test:6379/0"])
def test_a_far_redis_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(UnverifiedServer) as refusal:
        verified_redis(url)
    assert "rediss" in refusal.value.detail


def test_an_encrypted_redis_is_always_verified_by_name() -> None:
    asked = (
        "rediss://:secret@10.0.0.7:6380/0?ssl_cert_reqs=none&ssl_check_hostname=false&ssl_ca_certs=/ca.pem"
    )
    assert verified_redis(asked) == (
        "rediss://:secret@10.0.0.7:6380/0?ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs=%2Fca.pem"
    )


@pytest.fixture
def refused_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.hospital.test/jiuyi")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def test_no_process_gets_settings_that_would_connect_so(refused_settings: None) -> None:
    with pytest.raises(UnverifiedServer):
        settings()


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """An authority, and a certificate for 127.0.0.1 alone."""
    init(tmp_path, ("127.0.0.1",), renew=False)
    return tmp_path / "tls"


class Far:
    """Stands in for a far server that speaks TLS; knows which clients finished the handshake."""

    def __init__(self, certificate: Path, greeting: bytes) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate)
        self.greeting = greeting
        self.trusted = 0
        self.port = 0

    @asynccontextmanager
    async def serving(self, *, at_once: bool) -> AsyncIterator["Far"]:
        server = await asyncio.start_server(
            self._answer, "127.0.0.1", 0, ssl=self.context if at_once else None
        )
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.greeting:  # PostgreSQL: asked for TLS in the clear, says yes, and begins it
                await reader.readexactly(8)
                writer.write(self.greeting)
                await writer.start_tls(self.context)
            while await reader.read(4096):
                self.trusted = 1
                writer.write(b"+OK\r\n" if not self.greeting else b"")
                if self.greeting:
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.mark.parametrize(
    ("host", "trusted"),
    [pytest.param("127.0.0.1", 1, id="its name"), pytest.param("localhost", 0, id="another name")],
)
async def test_postgresql_is_verified_by_certificate_and_name(host: str, trusted: int, ours: Path) -> None:
    async with Far(ours / SERVER, b"S").serving(at_once=False) as far:
        url = verified_database(
            f"postgresql://me@{host}:{far.port}/jiuyi?sslmode=verify-full&sslrootcert={ours / CA}"
        )
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await asyncpg.connect(url, timeout=3)
        assert far.trusted == trusted


async def test_postgresql_of_an_unknown_authority_is_told_nothing(ours: Path, tmp_path: Path) -> None:
    init(tmp_path / "stranger", ("127.0.0.1",), renew=False)
    async with Far(tmp_path / "stranger" / "tls" / SERVER, b"S").serving(at_once=False) as far:
        url = f"postgresql://me@127.0.0.1:{far.port}/jiuyi?sslmode=verify-full&sslrootcert={ours / CA}"
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncpg.connect(url, timeout=3)
        assert far.trusted == 0


@pytest.mark.parametrize(
    ("host", "trusted"),
    [pytest.param("127.0.0.1", 1, id="its name"), pytest.param("localhost", 0, id="another name")],
)
async def test_redis_is_verified_by_certificate_and_name(host: str, trusted: int, ours: Path) -> None:
    async with Far(ours / SERVER, b"").serving(at_once=True) as far:
        client = redis.Redis.from_url(
            verified_redis(f"rediss://{host}:{far.port}/0?ssl_ca_certs={ours / CA}"), socket_timeout=2
        )
        try:
            await client.execute_command("ECHO", "here")
        except (*REDIS_AWAY, RedisError):
            pass
        finally:
            await client.aclose()
        assert far.trusted == trusted
