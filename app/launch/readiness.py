"""Is the port free, and is the server that answers on it really ours?"""

import errno
import http.client
import ipaddress
import socket
import ssl

import msgspec

from app.kernel.settings import Settings
from app.launch.refusals import CannotStart

ANSWER_SECONDS = 1.0


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_plain_http(config: Settings) -> None:
    """Patients' data never crosses a wire in the clear."""
    if not is_loopback(config.host) and not (config.tls_certificate and config.tls_key):
        raise CannotStart(
            f"地址 {config.host} 不是本机回环地址,没有 TLS 证书不能对外服务。"
            "请先运行 jiuyi tls init 再用 jiuyi serve --tls,或设置 JIUYI_TLS_CERTIFICATE 和 JIUYI_TLS_KEY,"
            "或使用 127.0.0.1。"
        )


def refuse_port_in_use(config: Settings) -> None:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise CannotStart(why_no_bind(config, error)) from error


def why_no_bind(config: Settings, error: OSError) -> str:
    place = f"{config.host}:{config.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"端口 {config.port} 已被另一个程序占用({place})。"
            "请停止它,或用 JIUYI_PORT 换一个端口,例如:JIUYI_PORT=8010 make run"
        )
    return f"不能在 {place} 上监听({error.strerror})。请检查 JIUYI_HOST 和 JIUYI_PORT。"


def address_of(config: Settings) -> str:
    scheme = "https" if config.tls_certificate else "http"
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{scheme}://{host}:{config.port}"


def answers_as(config: Settings, instance: str) -> bool:
    """True when /readyz says ready *and* names our instance: another hospital may hold the port."""
    connection = connect(config)
    try:
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        told = msgspec.json.decode(reply.read())
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return False
    finally:
        connection.close()
    return reply.status == 200 and isinstance(told, dict) and told.get("instance") == instance


def connect(config: Settings) -> http.client.HTTPConnection:
    if config.tls_certificate:
        # The instance id proves who answers; the certificate names the hospital, not the loopback.
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(
            config.host, config.port, timeout=ANSWER_SECONDS, context=unverified
        )
    return http.client.HTTPConnection(config.host, config.port, timeout=ANSWER_SECONDS)
