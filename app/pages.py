"""Serves the built screens: one page per terminal, hashed assets kept for good.

Pages are stored nowhere (`edge/headers.py`), which also keeps a patient's page out of the browser's
back-forward cache.
"""

from pathlib import Path

from litestar import MediaType, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.handlers import HTTPRouteHandler
from litestar.static_files import create_static_files_router
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from app.identity.policy import PUBLIC

BUILT_PAGES = Path(__file__).parent / "static" / "web"
SCREENS = ("display", "kiosk", "login", "signed-in")
A_YEAR_SECONDS = 31_536_000
NOT_BUILT = (
    "<!doctype html><html lang='zh-CN'><meta charset='utf-8'><title>页面还没有构建</title>"
    "<main><h1>页面还没有构建</h1><p>请在服务器上运行 make setup，然后刷新本页。</p></main></html>"
)


def pages_router(built: Path = BUILT_PAGES) -> Router:
    assets = create_static_files_router(
        path="/assets",
        directories=[built / "assets"],
        name="ui-assets",
        cache_control=CacheControlHeader(public=True, max_age=A_YEAR_SECONDS, immutable=True),
        include_in_schema=False,
    )
    screens = [_screen(name, built / f"{name}.html") for name in SCREENS]
    return Router(path="/ui", route_handlers=[*screens, assets], opt={"permission": PUBLIC})


def _screen(name: str, page: Path) -> HTTPRouteHandler:
    @get(f"/{name}", name=f"ui-{name}", include_in_schema=False, sync_to_thread=True)
    def screen() -> Response[str]:
        built = page.is_file()
        return Response(
            page.read_text(encoding="utf-8") if built else NOT_BUILT,
            status_code=HTTP_200_OK if built else HTTP_503_SERVICE_UNAVAILABLE,
            media_type=MediaType.HTML,
        )

    return screen
