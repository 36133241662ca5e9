"""Before the first byte of a reply goes out, what it shows is written down; otherwise it shows nothing."""

from typing import Any

from litestar import Request
from litestar.types import Message, Scope

from app.edge.addresses import client_address
from app.kernel.http import PROBLEM, refused
from app.traces.access_log import ACCESS_LOG, Entry, TrailUnavailable
from app.traces.showing import TRACE

INSTEAD = "instead"  # of the reply's own body, in the state of a request whose entry was not written


async def leave_trace(message: Message, scope: Scope) -> None:
    """Hook before each message, the one place that every reply passes: of handlers, refusals and errors."""
    state: dict[str, Any] = scope.get("state", {})
    if message["type"] == "http.response.start" and TRACE in state:
        entry = _entry(message["status"], scope)
        try:
            if entry is not None:
                await ACCESS_LOG.write(entry)
        except TrailUnavailable as refusal:
            _withhold(message, scope, refusal)
    elif message["type"] == "http.response.body" and INSTEAD in state:
        message["body"], state[INSTEAD] = state[INSTEAD], b""


def _entry(status: int, scope: Scope) -> Entry | None:
    state = scope["state"]
    return state[TRACE].entry(
        status=status, address=client_address(Request(scope)), refusal=state.get(PROBLEM, "")
    )


def _withhold(message: Any, scope: Scope, refusal: TrailUnavailable) -> None:
    reply = refused(Request(scope), refusal)
    body = b"" if scope.get("method") == "HEAD" else reply.content
    scope["state"][INSTEAD] = body
    message["status"] = refusal.status
    message["headers"] = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(reply.content)).encode()),
        (b"retry-after", str(refusal.retry_after_s).encode()),
    ]
