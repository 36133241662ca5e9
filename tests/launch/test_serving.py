"""`jiuyi serve`: what it refuses, which TLS it speaks, and that its workers go with it."""

import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from litestar.types import Receive, Scope, Send

from app.kernel.settings import Settings
from app.launch import serving
from app.launch.readiness import answers_as, refuse_port_in_use
from app.launch.refusals import CannotStart
from tests.launch.conftest import children_of, environment, free_port, gone, until


def test_an_open_address_without_tls_is_refused_before_anything_listens():
    with pytest.raises(CannotStart, match="TLS"):
        serving.serve(Settings(host="0.0.0.0"), workers=1)


def test_an_address_that_is_not_ours_is_one_sentence():
    with pytest.raises(CannotStart, match=r"不能在 192\.0\.2\.1:8000 上监听"):
        refuse_port_in_use(Settings(host="192.0.2.1"))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital.test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=9000))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "hospital.pem"
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private = tmp_path / "hospital.key"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(pem), str(private)


def test_tls_is_version_1_3_and_readiness_is_asked_through_it(certificate: tuple[str, str]):
    port = free_port()
    pem, key = certificate
    config = uvicorn.Config(
        ready_as_ours, port=port, ssl_certfile=pem, ssl_keyfile=key, log_level="critical",
        ssl_context_factory=serving.only_tls_1_3,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    ours = Settings(port=port, tls_certificate=pem, tls_key=key)
    assert until(lambda: answers_as(ours, "ours"), 5)
    assert not answers_as(ours, "another")
    assert not answers_as(Settings(port=port), "ours")
    assert handshake(port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(port, ssl.TLSVersion.TLSv1_2)
    server.should_exit = True
    thread.join(10)


async def ready_as_ours(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"instance": "ours"}'})


def handshake(port: int, version: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", port), timeout=5)
    with plain, context.wrap_socket(plain) as secure:
        return secure.version()


WORKERS = """
import multiprocessing, signal, sys, time
from app.launch import processes

def work(protected):
    if protected:
        processes.die_with_our_parent()
    time.sleep(60)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    context.Process(target=work, args=(sys.argv[1] == "protected",)).start()
    time.sleep(60)
"""


@pytest.mark.parametrize(("protection", "end"), [("protected", True), ("unprotected", False)])
def test_a_protected_worker_goes_with_its_killed_parent(tmp_path: Path, protection: str, end: bool):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    parent = subprocess.Popen([sys.executable, script, protection], env=environment(tmp_path, 1))
    assert until(lambda: len(children_of(parent.pid)) == 2, 10)  # the worker and Python's own tracker
    until(lambda: False, 0.7)
    pids = children_of(parent.pid)
    parent.kill()
    parent.wait()
    assert gone(pids, 2) is end
    for pid in pids:
        subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)
