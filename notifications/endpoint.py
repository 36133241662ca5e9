"""GET /rt: a websocket that speaks hosp.rt.v1."""

import asyncio
import contextlib
from typing import Any

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from prometheus_client import Counter

from app.edge.addresses import client_address, counted_place
from app.edge.counting import TooManyRequests, place_demands, take_here
from app.edge.hosts import WrongHost, is_own_origin, refuse_foreign_host
from app.edge.limits import Group, factor_of
from notifications.frames import CLOSE_FORBIDDEN, CLOSE_TOO_MANY
from notifications.hub import HUB
from notifications.session import Close, Left, Session

CLOSE_SECONDS_MAX = 1.0

CLOSED = Counter("jiuyi_rt_closed", "Sockets that we closed, by the code they were told", ["code"])

AnySocket = WebSocket[Any, Any, Any]


@websocket("/rt", permission="public")
async def realtime(socket: AnySocket) -> None:
    if not is_expected(socket):
        await socket.close(code=CLOSE_FORBIDDEN, reason="origin")
        return
    await socket.accept()
    place = counted_place(client_address(socket))
    if (why := why_no_room(socket, place)) is not None:
        await goodbye(socket, Close(CLOSE_TOO_MANY, why))
        return
    with HUB.sockets.one_of(place), contextlib.suppress(WebSocketDisconnect, Left):
        session = Session(socket.receive_text, socket.send_text, address=client_address(socket))
        await goodbye(socket, await session.run())


def is_expected(socket: AnySocket) -> bool:
    """Called by our name, and by a page of ours."""
    try:
        refuse_foreign_host(socket)
    except WrongHost:
        return False
    return is_own_origin(socket.headers.get("Origin"), socket.headers.get("Host"))


def why_no_room(socket: AnySocket, place: str) -> str | None:
    """The reason to send a new socket away: the house, its address or its haste; None: it is welcome."""
    if HUB.sockets.open.total() >= HUB.limits.sockets_max:
        return "full"
    demands = place_demands(Group.HELLO, socket)
    if demands and HUB.sockets.of(place) >= HUB.limits.sockets_each_address_max * max(1, factor_of(place)):
        return "too many of this address"
    try:
        take_here(Group.HELLO, demands)
    except TooManyRequests:
        return "too many hellos"
    return None


async def goodbye(socket: AnySocket, close: Close) -> None:
    """Close. Who does not read would keep us waiting for ever; who has gone already needs no goodbye."""
    CLOSED.labels(str(close.code)).inc()
    with contextlib.suppress(TimeoutError, OSError, RuntimeError, WebSocketDisconnect):
        await asyncio.wait_for(socket.close(code=close.code, reason=close.reason), CLOSE_SECONDS_MAX)
