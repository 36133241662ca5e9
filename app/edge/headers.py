"""The security headers of every reply, whatever it is and whoever refuses."""

from litestar.connection import ASGIConnection
from litestar.types import Message, Scope

from app.edge.addresses import is_secure

HSTS_SECONDS = 63_072_000  # two years

# A page is nobody's guest and has no guests: scripts, styles and calls from here alone, nothing inline.
# Scripts may set single style properties (that is no inline style); icons and QR codes are data: images.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "media-src 'self'; manifest-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# What is no page may do nothing at all, should a browser ever be brought to show it as one.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"permissions-policy",
        b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), display-capture=()",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HSTS = (b"strict-transport-security", f"max-age={HSTS_SECONDS}; includeSubDomains".encode())
NO_STORE = (b"cache-control", b"no-store")


async def add_headers(message: Message, scope: Scope) -> None:
    """Hook before each message: completes the headers of a reply, and never overrules its handler's."""
    if message["type"] != "http.response.start":
        return
    headers: list[tuple[bytes, bytes]] = list(message["headers"])
    given = {name.lower(): value for name, value in headers}
    policy = PAGE_POLICY if given.get(b"content-type", b"").startswith(b"text/html") else DATA_POLICY
    wanted = [*EVERYWHERE, (b"content-security-policy", policy.encode())]
    if b"cache-control" not in given:
        wanted.append(NO_STORE)
    if is_secure(ASGIConnection(scope)):
        wanted.append(HSTS)
    message["headers"] = [*headers, *(pair for pair in wanted if pair[0] not in given)]
