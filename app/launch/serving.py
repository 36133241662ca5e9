"""`jiuyi serve`: uvicorn as measured to be the fastest safe choice for us."""

import multiprocessing
import ssl
from collections.abc import Callable

import uvicorn
from litestar.types import ASGIApp

from app.kernel.settings import Settings
from app.launch.processes import die_with_our_parent
from app.launch.readiness import refuse_open_plain_http

GRACE_SECONDS = 2  # below the supervisor's patience
FRAME_BYTES_MAX = 65_536  # clients send hello, ack and pong: small


def serve(config: Settings, workers: int) -> None:
    refuse_open_plain_http(config)
    uvicorn.run(
        "app.launch.serving:application",
        factory=True,
        host=config.host,
        port=config.port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=FRAME_BYTES_MAX,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=config.tls_certificate or None,
        ssl_keyfile=config.tls_key or None,
        ssl_context_factory=only_tls_1_3 if config.tls_certificate else None,
    )


def application() -> ASGIApp:
    """The app, in this process or in a worker of it; a worker never outlives its parent.

    uvicorn's workers would stay after kill -9 of their parent, hold the port, and answer for a hospital
    that is gone.
    """
    if multiprocessing.parent_process() is not None:
        die_with_our_parent()
    from app.logs import configure_logs  # here, so that `jiuyi serve` itself need not import the house
    from app.main import app

    configure_logs()
    return app


def only_tls_1_3(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
