"""The environment, read once: the only reader of environment variables."""

import os
from functools import cache
from pathlib import Path

import msgspec

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
    allowed_origins: str = ""  # JIUYI_ALLOWED_ORIGINS: other origins whose pages may open the websocket


@cache
def settings() -> Settings:
    """The settings of this process; tests that change them call `settings.cache_clear()`."""
    env = os.environ
    default = Settings()
    return Settings(
        database_url=env.get("DATABASE_URL", default.database_url),
        redis_url=env.get("REDIS_URL", default.redis_url),
        data=Path(env.get("JIUYI_DATA") or default.data).absolute(),
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
        allowed_origins=env.get("JIUYI_ALLOWED_ORIGINS", default.allowed_origins),
    )
