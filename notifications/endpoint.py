"""GET /rt: a websocket that speaks hosp.rt.v1."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from notifications.frames import CLOSE_FORBIDDEN, CLOSE_TOO_MANY
from notifications.hub import HUB
from notifications.session import Close, Left, Session

CLOSE_SECONDS_MAX = 1.0

AnySocket = WebSocket[Any, Any, Any]


@websocket("/rt", permission="public")
async def realtime(socket: AnySocket) -> None:
    if not from_here(socket):
        await socket.close(code=CLOSE_FORBIDDEN, reason="origin")
        return
    await socket.accept()
    if HUB.sockets >= HUB.limits.sockets_max:
        await goodbye(socket, Close(CLOSE_TOO_MANY, "full"))
        return
    HUB.sockets += 1
    try:
        await goodbye(socket, await Session(socket.receive_text, socket.send_text).run())
    except (WebSocketDisconnect, Left):
        return  # what it missed waits in the ledger
    finally:
        HUB.sockets -= 1


async def goodbye(socket: AnySocket, close: Close) -> None:
    """Close. Who does not read would keep us waiting for ever; who has gone already needs no goodbye."""
    with contextlib.suppress(TimeoutError, OSError, RuntimeError, WebSocketDisconnect):
        await asyncio.wait_for(socket.close(code=close.code, reason=close.reason), CLOSE_SECONDS_MAX)


def from_here(socket: AnySocket) -> bool:
    """A browser names the page's origin: it must be ours. Mini-programs and programs name none."""
    origin = socket.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("Host")
