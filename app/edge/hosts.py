"""By which names we may be called, and whose pages may talk to us."""

from functools import lru_cache
from urllib.parse import urlsplit

from app.edge.addresses import AnyConnection, is_on_this_machine
from app.kernel.errors import DomainError
from app.kernel.settings import settings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class WrongHost(DomainError):
    """Links and signatures are made for the public address; another name is a mistake or an attack."""

    code = "wrong_host"
    status = 421
    message = "请通过医院公布的网址访问。"


def refuse_foreign_host(connection: AnyConnection) -> None:
    """Where JIUYI_PUBLIC_URL is set, only its name is answered to, and loopback names on this machine.

    A public URL on loopback, as the demo has it, is nobody's name: nothing is checked then.
    """
    names = _names(settings().public_url)
    host = connection.headers.get("host", "").lower()
    if not names or host in names:
        return
    if _name(host) in LOOPBACK_NAMES and is_on_this_machine(connection):
        return
    raise WrongHost


def is_own_origin(origin: str | None, host: str | None) -> bool:
    """Whether a page of `origin` may open a websocket: ours, or one of JIUYI_ALLOWED_ORIGINS.

    Mini-programs and programs name no origin; a browser always does, and a page cannot change it.
    """
    if origin is None:
        return True
    config = settings()
    if origin.lower() in _origins(config.allowed_origins):
        return True
    if _names(config.public_url) and _name(host or "") not in LOOPBACK_NAMES:
        return origin.lower() in _origins(config.public_url)
    return urlsplit(origin).netloc == host


@lru_cache(maxsize=16)
def _origins(text: str) -> frozenset[str]:
    parts = [urlsplit(part.strip().lower()) for part in text.split(",") if part.strip()]
    return frozenset(f"{part.scheme}://{name}" for part in parts for name in _ports(part.scheme, part.netloc))


@lru_cache(maxsize=16)
def _names(url: str) -> frozenset[str]:
    parts = urlsplit(url.lower())
    is_public = parts.netloc and _name(parts.netloc) not in LOOPBACK_NAMES
    return frozenset(_ports(parts.scheme, parts.netloc)) if is_public else frozenset()


def _ports(scheme: str, netloc: str) -> list[str]:
    """The name as it is, and without or with the port that the scheme means anyhow."""
    usual = f":{PORTS.get(scheme, 0)}"
    if netloc.endswith(usual):
        return [netloc, netloc.removesuffix(usual)]
    has_port = netloc.rpartition("]")[2].count(":") == 1
    return [netloc] if has_port else [netloc, netloc + usual]


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
