"""The environment, read once: the only reader of environment variables."""

import ipaddress
import os
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from app.kernel.errors import DomainError

ROOT = Path(__file__).resolve().parents[2]

# Piccolo finds its engine through this module's name, which otherwise would have to lie at the top.
os.environ.setdefault("PICCOLO_CONF", "app.piccolo_conf")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation can set. Every field has the environment variable's name behind it."""

    database_url: str = ""  # DATABASE_URL; empty: the embedded server is started by `jiuyi run`
    redis_url: str = ""  # REDIS_URL; empty: the embedded server; losing it costs latency only
    data: Path = ROOT / "var"  # JIUYI_DATA: keys, embedded databases, demo credentials, evidence
    port: int = 8000  # JIUYI_PORT
    host: str = "127.0.0.1"  # JIUYI_HOST; only loopback is served without TLS
    tls_certificate: str = ""  # JIUYI_TLS_CERTIFICATE: PEM file with the chain
    tls_key: str = ""  # JIUYI_TLS_KEY
    demo: bool = False  # JIUYI_DEMO: a demo or test hospital; only these may move the business clock
    instance: str = ""  # JIUYI_INSTANCE: shown by /readyz so that a starter knows its own server
    pool_size: int = 12  # JIUYI_POOL: connections of one process
    simulators: str = ""  # JIUYI_SIMULATORS: folder with NAME.json; channels point there when set
    hold_critical_reports: bool = True  # JIUYI_HOLD_CRITICAL_REPORTS=0: phones show them unacknowledged too
    public_url: str = ""  # JIUYI_PUBLIC_URL: how the outside reaches us; empty: loopback and our port
    tls_1_2: bool = False  # JIUYI_TLS_1_2=1: also TLS 1.2, for old phones; docs/manuals/transport.md
    trusted_proxies: str = ""  # JIUYI_TRUSTED_PROXIES: networks whose forwarding header is believed
    forwarded_header: str = "x-forwarded-for"  # JIUYI_FORWARDED_HEADER: the one they write, or `forwarded`
    limit_networks: str = ""  # JIUYI_LIMIT_NETWORKS: `203.0.113.0/24=20,198.51.100.7=exempt`
    anchors: tuple[Path, ...] = (ROOT / "var/anchors",)  # JIUYI_ANCHORS: folders, separated as in PATH
    suite: str = ""  # JIUYI_SUITE: aes-gcm or sm4-gcm, for new keys; empty: as before, aes-gcm at first
    allowed_origins: str = ""  # JIUYI_ALLOWED_ORIGINS: other origins whose pages may open the websocket
    log_reads: bool = False  # JIUYI_LOG_READS=1: a log line also for each read that went well
    logs_bytes: int = 10_000_000_000  # JIUYI_LOGS_BYTES: what all kept logs of JIUYI_DATA may take
    metrics_networks: str = ""  # JIUYI_METRICS_NETWORKS: who but this machine may ask for /metrics
    metrics_token: str = ""  # JIUYI_METRICS_TOKEN_FILE: the file with the word that they must bring


class UnverifiedServer(DomainError):
    """A server on another machine, over a line that somebody could listen to or pretend to be the end of."""

    code = "unverified_server"


@cache
def settings() -> Settings:
    """The settings of this process; tests that change them call `settings.cache_clear()`.

    Raises UnverifiedServer here, where every process begins, so that nothing can connect without asking.
    """
    env = os.environ
    default = Settings()
    data = Path(env.get("JIUYI_DATA") or default.data).absolute()
    return Settings(
        database_url=verified_database(env.get("DATABASE_URL", default.database_url)),
        redis_url=verified_redis(env.get("REDIS_URL", default.redis_url)),
        data=data,
        anchors=_folders(env.get("JIUYI_ANCHORS", "")) or (data / "anchors",),
        port=int(env.get("JIUYI_PORT", default.port)),
        host=env.get("JIUYI_HOST", default.host),
        tls_certificate=env.get("JIUYI_TLS_CERTIFICATE", default.tls_certificate),
        tls_key=env.get("JIUYI_TLS_KEY", default.tls_key),
        demo=env.get("JIUYI_DEMO", "") == "1",
        instance=env.get("JIUYI_INSTANCE", default.instance),
        pool_size=int(env.get("JIUYI_POOL", default.pool_size)),
        simulators=env.get("JIUYI_SIMULATORS", default.simulators),
        hold_critical_reports=env.get("JIUYI_HOLD_CRITICAL_REPORTS", "1") != "0",
        public_url=env.get("JIUYI_PUBLIC_URL", default.public_url),
        tls_1_2=env.get("JIUYI_TLS_1_2", "") == "1",
        trusted_proxies=env.get("JIUYI_TRUSTED_PROXIES", default.trusted_proxies),
        forwarded_header=env.get("JIUYI_FORWARDED_HEADER", default.forwarded_header),
        limit_networks=env.get("JIUYI_LIMIT_NETWORKS", default.limit_networks),
        suite=env.get("JIUYI_SUITE", default.suite),
        allowed_origins=env.get("JIUYI_ALLOWED_ORIGINS", default.allowed_origins),
        log_reads=env.get("JIUYI_LOG_READS", "") == "1",
        logs_bytes=int(env.get("JIUYI_LOGS_BYTES", default.logs_bytes)),
        metrics_networks=env.get("JIUYI_METRICS_NETWORKS", default.metrics_networks),
        metrics_token=env.get("JIUYI_METRICS_TOKEN_FILE", default.metrics_token),
    )


def _folders(told: str) -> tuple[Path, ...]:
    return tuple(Path(folder).absolute() for folder in told.split(os.pathsep) if folder)


def verified_database(url: str) -> str:
    """The URL, if its server is on this machine, or asyncpg is told to verify its certificate and name."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    told = parts.netloc.rpartition("@")[2] or options.get("host", "") or os.environ.get("PGHOST", "")
    hosts = [unquote(host) for host in told.split(",")] if told else []
    service = options.get("service") or os.environ.get("PGSERVICE")
    if (not service and all(map(is_here, hosts))) or options.get("sslmode") == "verify-full":
        return url
    raise UnverifiedServer(
        "DATABASE_URL 指向另一台机器，但没有要求核验证书："
        "请在末尾加上 ?sslmode=verify-full&sslrootcert=CA证书文件。"
    )


def verified_redis(url: str) -> str:
    """The URL, if its server is on this machine, or `rediss`; then certificate and name are verified."""
    parts = urlsplit(url)
    if parts.scheme == "rediss":
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        always = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}  # redis-py 5 checks no name
        return urlunsplit(parts._replace(query=urlencode(options | always)))
    if parts.scheme == "unix" or not url or is_here(parts.netloc.rpartition("@")[2]):
        return url
    raise UnverifiedServer(
        "REDIS_URL 指向另一台机器，但没有加密：请改用 rediss://…?ssl_ca_certs=CA证书文件。"
    )


def is_here(host: str) -> bool:
    """Whether a host of a URL is this machine: a socket file, a loopback address or `localhost`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host
    name = name if name.count(":") > 1 or name.startswith("/") else name.partition(":")[0]
    if name.startswith(("/", "@")) or name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == ""
