"""GET /rt: a websocket that speaks hosp.rt.v1."""

from typing import Any
from urllib.parse import urlsplit

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from notifications.frames import CLOSE_FORBIDDEN, CLOSE_TOO_MANY
from notifications.hub import HUB, SOCKETS_MAX
from notifications.session import Session


@websocket("/rt")
async def realtime(socket: WebSocket[Any, Any, Any]) -> None:
    if not from_here(socket):
        await socket.close(code=CLOSE_FORBIDDEN, reason="origin")
        return
    await socket.accept()
    if len(HUB.sessions) >= SOCKETS_MAX:
        await socket.close(code=CLOSE_TOO_MANY, reason="full")
        return
    session = Session(socket.receive_text, socket.send_text)
    try:
        close = await session.run()
        await socket.close(code=close.code, reason=close.reason)
    except WebSocketDisconnect:
        return  # the client went; what it missed waits in the ledger


def from_here(socket: WebSocket[Any, Any, Any]) -> bool:
    """A browser names the page's origin: it must be ours. Mini-programs and programs name none."""
    origin = socket.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("Host")
