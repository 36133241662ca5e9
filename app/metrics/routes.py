"""GET /metrics: everything in one text, for this machine and for whom the settings name."""

import asyncio
import hmac
from pathlib import Path
from typing import Any

import structlog
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from app.edge.addresses import client_address, is_on_this_machine, networks, parse
from app.identity.policy import PUBLIC
from app.kernel.errors import Forbidden
from app.kernel.settings import settings
from app.metrics.families import own_families, rendered
from app.metrics.processes import others
from app.metrics.questions import Answers
from app.metrics.surroundings import surroundings

log = structlog.get_logger()

TOKEN_CHARACTERS_MIN = 32

AnyRequest = Request[Any, Any, Any]


class MetricsForbidden(Forbidden):
    code = "metrics_forbidden"
    message = "监控指标仅供本机；其他机器采集请设置 JIUYI_METRICS_NETWORKS 和 JIUYI_METRICS_TOKEN_FILE。"


@get("/metrics", permission=PUBLIC, include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Prometheus figures of all processes of this machine, and of the database."""
    if not (is_on_this_machine(request) or is_named(request)):
        raise MetricsForbidden
    process = request.app.state.process
    families = [*await ANSWERS.now(), *await surroundings(), *own_families(process), *await others(process)]
    return Response(await asyncio.to_thread(rendered, families), media_type=CONTENT_TYPE_LATEST)


ANSWERS = Answers()


def is_named(request: AnyRequest) -> bool:
    """From elsewhere: an address of JIUYI_METRICS_NETWORKS, and the token where a file with one is set.

    With neither set nobody elsewhere may ask; a token without networks is not enough.
    """
    config = settings()
    address = parse(client_address(request))
    if address is None or not any(
        address in network
        for network in networks(config.metrics_networks)
        if network.version == address.version
    ):
        return False
    if not config.metrics_token:
        return True
    scheme, _, brought = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(brought.encode(), _token(config.metrics_token))


def _token(path: str) -> bytes:
    """Read at each scrape, so that it can be renewed. One that could be guessed opens nothing."""
    token = Path(path).read_text().strip() if Path(path).exists() else ""
    if len(token) < TOKEN_CHARACTERS_MIN:
        log.error("metrics_token_too_short", characters=len(token))
        raise MetricsForbidden
    return token.encode()
