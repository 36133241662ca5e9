"""The page of each control port: a phone to pay with, and what it is made of."""

from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

FOLDER = Path(__file__).parent
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
TITLES = {
    "wechat_pay": "模拟微信",
    "alipay": "模拟支付宝",
    "fiscal_invoice": "模拟财政票夹",
    "sms": "模拟短信",
    "insurance_bureau": "模拟医保",
}
GENERAL = "general"  # the page of a platform that has no screens of its own: notifications and faults
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def handlers(platform: str) -> tuple[HTTPRouteHandler, ...]:
    """The page itself at `/`, and its parts; nothing else of the folder is served."""
    return get("/", name="phone", media_type="text/html")(_page(platform)), part


def _page(platform: str) -> Callable[[], Awaitable[Response[str]]]:
    module = platform if (FOLDER / f"{platform}.js").is_file() else GENERAL
    text = (FOLDER / "page.html").read_text()
    for mark, value in (
        ("PLATFORM", platform),
        ("MODULE", module),
        ("TITLE", TITLES.get(platform, platform)),
    ):
        text = text.replace(f"%{mark}%", escape(value))

    async def page() -> Response[str]:
        return Response(text, headers=HEADERS, media_type="text/html; charset=utf-8")

    return page


@get("/phone/{name:str}")
async def part(name: FromPath[str]) -> Response[bytes]:
    path = FOLDER / name
    if path.suffix not in KINDS or path.parent != FOLDER or not path.is_file():
        raise NotFoundException
    return Response(path.read_bytes(), headers=HEADERS, media_type=KINDS[path.suffix])
