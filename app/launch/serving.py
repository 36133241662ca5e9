"""`jiuyi serve`: uvicorn as measured to be the fastest safe choice for us."""

import asyncio
import multiprocessing
import socket
import ssl
from collections.abc import Callable
from typing import ClassVar

import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.kernel.settings import Settings
from app.launch.processes import die_with_our_parent
from app.launch.readiness import refuse_open_plain_http
from app.launch.refusals import CannotStart
from app.logs import configure_logs

GRACE_SECONDS = 2  # below the supervisor's patience
FRAME_BYTES_MAX = 65_536  # clients send hello, ack and pong: small
UNREAD_SECONDS_MAX = 40


def serve(config: Settings, workers: int) -> None:
    configure_logs()
    refuse_open_plain_http(config)
    factory = (tls_1_3_and_1_2 if config.tls_1_2 else only_tls_1_3) if config.tls_certificate else None
    if factory is not None:
        refuse_unreadable_certificate(config)
    uvicorn.run(
        "app.launch.serving:application",
        factory=True,
        host=config.host,
        port=config.port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws=Socket,
        ws_max_size=FRAME_BYTES_MAX,
        access_log=False,
        log_config=None,  # app/logs.py writes what it says like everything else
        server_header=False,
        proxy_headers=False,  # uvicorn believes whoever connects from this machine; app/edge asks first
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=config.tls_certificate or None,
        ssl_keyfile=config.tls_key or None,
        ssl_context_factory=factory,
    )


class Socket(WebSocketsSansIOProtocol):
    """uvicorn ends sockets with 1012 before the app hears of the end: here the app sends them away first.

    Told why and when to come back, clients leave in good order and do not return all at once.
    """

    goodbye: ClassVar[asyncio.Task[None] | None] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Who neither reads nor leaves would hold our closed socket, and all that waits in it, for ever.
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS_MAX * 1000
        )

    def shutdown(self) -> None:
        task = self.loop.create_task(self._leave())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _leave(self) -> None:
        from app.main import drain  # here for the same reason as below

        if Socket.goodbye is None:
            Socket.goodbye = self.loop.create_task(drain())
        await asyncio.shield(Socket.goodbye)
        if not self.disconnected:
            super().shutdown()


def application() -> ASGIApp:
    """The app, in this process or in a worker of it; a worker never outlives its parent.

    uvicorn's workers would stay after kill -9 of their parent, hold the port, and answer for a hospital
    that is gone.
    """
    if multiprocessing.parent_process() is not None:
        die_with_our_parent()
    configure_logs()
    from app.main import app  # here, so that `jiuyi serve` itself need not import the house

    return app


def only_tls_1_3(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


# Forward secrecy and authenticated encryption: what remains good of TLS 1.2.
TLS_1_2_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:!PSK"


def tls_1_3_and_1_2(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """For the edge that old phones and payment channels call: docs/manuals/transport.md."""
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS_1_2_SUITES)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def refuse_unreadable_certificate(config: Settings) -> None:
    """One sentence now instead of a server that dies in its first second."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            config.tls_certificate, config.tls_key or None
        )
    except (OSError, ssl.SSLError) as error:
        raise CannotStart(
            f"不能使用 TLS 证书 {config.tls_certificate} 和私钥 {config.tls_key or config.tls_certificate}"
            f"({error.strerror or error})。请检查两个文件是否存在、可读并且成对。"
        ) from error
