"""`jiuyi tls init`, and what `jiuyi serve --tls` speaks, asked by the openssl program."""

import http.client
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from app.kernel.settings import Settings
from app.launch import certificates, serving
from app.launch.certificates import CA, CA_DAYS, CA_KEY, SERVER, SERVER_DAYS, init, with_tls
from app.launch.refusals import CannotStart
from tests.launch.conftest import environment, free_port, until

HOSTS = ("jiuyi.hospital.test", "127.0.0.1", "::1")


def read(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def test_an_authority_and_a_certificate_are_made_for_our_eyes_only(tmp_path: Path) -> None:
    assert "397" in init(tmp_path, HOSTS, renew=False)
    folder = tmp_path / "tls"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {CA, CA_KEY, SERVER}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    server, authority = read(folder / SERVER)
    server.verify_directly_issued_by(authority)
    assert server.not_valid_after_utc - server.not_valid_before_utc < timedelta(days=SERVER_DAYS)
    assert authority.not_valid_after_utc - authority.not_valid_before_utc < timedelta(days=CA_DAYS)
    assert read(folder / CA) == [authority]


def test_again_changes_nothing(tmp_path: Path) -> None:
    init(tmp_path, HOSTS, renew=False)
    before = {path: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
    assert "没有改动" in init(tmp_path, HOSTS, renew=False)
    assert "没有改动" in init(tmp_path, HOSTS[:1], renew=False)
    assert {path: path.read_bytes() for path in (tmp_path / "tls").iterdir()} == before


def test_renewing_keeps_the_authority(tmp_path: Path) -> None:
    init(tmp_path, HOSTS, renew=False)
    authority, server = (tmp_path / "tls" / CA).read_bytes(), (tmp_path / "tls" / SERVER).read_bytes()
    init(tmp_path, ("desk.jiuyi.hospital.test", "127.0.0.1"), renew=True)
    assert (tmp_path / "tls" / CA).read_bytes() == authority
    assert (tmp_path / "tls" / SERVER).read_bytes() != server


def test_other_names_need_a_word(tmp_path: Path) -> None:
    init(tmp_path, HOSTS, renew=False)
    with pytest.raises(CannotStart, match="--renew"):
        init(tmp_path, ("desk.jiuyi.hospital.test",), renew=False)


def test_a_certificate_that_ends_soon_needs_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "SERVER_DAYS", 20)
    init(tmp_path, HOSTS, renew=False)
    with pytest.raises(CannotStart, match="到期"):
        init(tmp_path, HOSTS, renew=False)


@pytest.mark.parametrize("host", ["bank.example", "hospital.test", "10.0.0.1"])
def test_the_authority_signs_for_its_own_names_only(host: str, tmp_path: Path) -> None:
    init(tmp_path, HOSTS, renew=False)
    with pytest.raises(CannotStart, match="不能为"):
        init(tmp_path, (host,), renew=True)


@pytest.mark.parametrize("host", ["", "a b", "*.hospital.test", "-x.test", "https://hospital.test"])
def test_what_is_no_name_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="不是域名"):
        init(tmp_path, (host,), renew=False)


def test_half_an_authority_is_refused(tmp_path: Path) -> None:
    init(tmp_path, HOSTS, renew=False)
    (tmp_path / "tls" / CA_KEY).unlink()
    with pytest.raises(CannotStart, match="不完整"):
        init(tmp_path, HOSTS, renew=True)


def test_serving_with_tls_takes_what_is_named_or_what_was_made(tmp_path: Path) -> None:
    named = Settings(data=tmp_path, tls_certificate="a.pem", tls_key="a.key")
    assert with_tls(named, tls_1_2=False) == named
    with pytest.raises(CannotStart, match="tls init"):
        with_tls(Settings(data=tmp_path), tls_1_2=False)
    init(tmp_path, HOSTS, renew=False)
    made = with_tls(Settings(data=tmp_path), tls_1_2=True)
    assert (made.tls_certificate, made.tls_1_2) == (str(tmp_path / "tls" / SERVER), True)


def test_a_certificate_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for path in ("missing.pem", "bad.pem"):
        with pytest.raises(CannotStart, match="不能使用 TLS 证书"):
            serving.serve(Settings(tls_certificate=str(tmp_path / path)), workers=1)


@contextmanager
def served(data: Path, *flags: str, **variables: str) -> Iterator[int]:
    """`jiuyi serve` in a process of its own; no database is needed to say that one is alive."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", *flags],
        env=environment(data, port) | {"DATABASE_URL": "postgresql://127.0.0.1:1/none"} | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert until(lambda: spoken(port, "-tls1_3") == "TLSv1.3" or process.poll() is not None, 20)
        assert process.poll() is None, process.communicate()[1].decode()
        yield port
    finally:
        process.kill()
        process.communicate()


def spoken(port: int, *how: str) -> str | None:
    """The protocol that the openssl program agrees on with the server; None: no handshake."""
    asked = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief", *how],
        input=b"", capture_output=True, timeout=10, check=False,
    )  # fmt: skip
    told = asked.stderr.decode()
    if asked.returncode != 0 or "CONNECTION ESTABLISHED" not in told:
        return None
    return next(line.split(": ")[1] for line in told.splitlines() if line.startswith("Protocol version"))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    init(tmp_path, HOSTS, renew=False)
    return tmp_path


def test_the_openssl_program_gets_tls_1_3_and_nothing_older(made: Path) -> None:
    with served(made, "--tls") as port:
        assert spoken(port, "-tls1_3", "-verify_return_error", "-CAfile", str(made / "tls" / CA)) == "TLSv1.3"
        assert spoken(port, "-tls1_2", "-cipher", "ALL@SECLEVEL=0") is None
        assert spoken(port, "-tls1_1", "-cipher", "ALL@SECLEVEL=0") is None
        trusting = ssl.create_default_context(cafile=str(made / "tls" / CA))
        asking = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=5)
        asking.request("GET", "/healthz")
        reply = asking.getresponse()
        assert (reply.status, reply.getheader("Server")) == (200, None)
        assert "max-age" in (reply.getheader("Strict-Transport-Security") or "")
        asking.close()
        stranger = http.client.HTTPSConnection("127.0.0.1", port, timeout=5)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.request("GET", "/healthz")
        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        plain.request("GET", "/healthz")
        with pytest.raises((http.client.HTTPException, OSError)):  # refused, not redirected
            plain.getresponse()


def test_the_profile_for_old_phones_speaks_1_2_with_good_suites_only(made: Path) -> None:
    with served(made, "--tls", "--tls-1-2") as port:
        assert spoken(port, "-tls1_3") == "TLSv1.3"
        assert spoken(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256") == "TLSv1.2"
        assert spoken(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305") == "TLSv1.2"
        weak = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:AES128-GCM-SHA256:AES128-SHA:NULL@SECLEVEL=0"
        assert spoken(port, "-tls1_2", "-cipher", weak) is None
        assert spoken(port, "-tls1_1", "-cipher", "ALL@SECLEVEL=0") is None


def test_positive_control_the_openssl_program_finds_a_weak_server(made: Path) -> None:
    """Where nothing is refused, the same questions are answered: the refusals above are the server's."""
    port = free_port()
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", str(port), "-cert", str(made / "tls" / SERVER),
         "-key", str(made / "tls" / SERVER), "-cipher", "ALL@SECLEVEL=0", "-quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert until(lambda: spoken(port, "-tls1_2", "-cipher", "ALL@SECLEVEL=0") == "TLSv1.2", 10)
        assert spoken(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256@SECLEVEL=0") == "TLSv1.2"
        assert spoken(port, "-tls1_1", "-cipher", "ALL@SECLEVEL=0") == "TLSv1.1"
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({"JIUYI_HOST": "0.0.0.0"}, "TLS", id="an open address"),
        pytest.param({"DATABASE_URL": "postgresql://db.hospital.test/jiuyi"}, "verify-full", id="a database"),
        pytest.param({"REDIS_URL": "redis://redis.hospital.test:6379/0"}, "rediss", id="a Redis"),
    ],
)
def test_an_unsafe_line_is_one_sentence_and_no_start(
    variables: dict[str, str], words: str, tmp_path: Path
) -> None:
    here = {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    start = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        env=environment(tmp_path, free_port()) | here | variables,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert start.returncode == 1
    assert words in start.stderr
    assert len(start.stderr.splitlines()) == 1
