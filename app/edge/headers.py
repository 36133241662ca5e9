"""The security headers of every reply, whatever it is and whoever refuses."""

from collections.abc import Mapping

from litestar.connection import ASGIConnection
from litestar.types import Message, Scope

from app.edge.addresses import is_secure
from app.kernel.settings import settings

HSTS_SECONDS = 63_072_000  # two years

# A page is nobody's guest and has no guests: scripts, styles and calls from here alone, nothing inline.
# Scripts may set single style properties (that is no inline style); icons and QR codes are data: images.
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"media-src 'self'; manifest-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
# What is no page may do nothing at all, should a browser ever be brought to show it as one.
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

EVERYWHERE = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
OF_PAGES = EVERYWHERE | {b"content-security-policy": PAGE_POLICY}
OF_DATA = EVERYWHERE | {b"content-security-policy": DATA_POLICY}
HSTS = (b"strict-transport-security", f"max-age={HSTS_SECONDS}; includeSubDomains".encode())


async def add_headers(message: Message, scope: Scope) -> None:
    """Hook before each message: completes the headers of a reply, and never overrules its handler's."""
    if message["type"] != "http.response.start":
        return
    headers: list[tuple[bytes, bytes]] = list(message["headers"])
    given = {name.lower(): value for name, value in headers}
    is_page = given.get(b"content-type", b"").startswith(b"text/html")
    wanted = OF_PAGES if is_page else OF_DATA
    headers += missing(wanted, given)
    if scope["scheme"] == "https" or (settings().trusted_proxies and is_secure(ASGIConnection(scope))):
        headers.append(HSTS)
    message["headers"] = headers


def missing(wanted: Mapping[bytes, bytes], given: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in wanted.items() if name not in given]
