"""A platform open for business: two servers, its loops, and the card an outside client reads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from litestar import Litestar

from simulators.control import Platform
from simulators.keys import write_json
from simulators.serving import serving, supervised

LOOK_EVERY_S = 0.5


class Business(msgspec.Struct, frozen=True):
    """What opening one platform takes."""

    platform: Platform
    api: Litestar
    control: Litestar
    card: Callable[[str], dict[str, str]]  # what a client needs, given the base address
    tick: Callable[[datetime], None]  # what happens by itself as business time passes


@asynccontextmanager
async def running(folder: Path, business: Business) -> AsyncIterator[dict[str, str]]:
    """Serve on the ports of the last time where they are free; yields the card."""
    platform = business.platform
    path = _card_path(folder, platform)
    api_port, control_port = _last_ports(path)
    async with serving((business.api, api_port), (business.control, control_port)) as addresses:
        base_url, control_url = addresses
        card = {"name": platform.name, "base_url": base_url, "control_url": control_url}
        card |= business.card(base_url)
        write_json(path, card)
        loops = [
            asyncio.create_task(supervised("courier", platform.courier.run)),
            asyncio.create_task(supervised("tick", lambda: _ticking(business))),
        ]
        try:
            yield card
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
    await platform.courier.close()
    platform.store.close()


def rewrite_card(folder: Path, platform: Platform, content: dict[str, str]) -> None:
    """A running platform's card with new content; its name and addresses stay."""
    path = _card_path(folder, platform)
    card = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    write_json(path, {place: card[place] for place in ("name", "base_url", "control_url")} | content)


async def _ticking(business: Business) -> None:
    while True:
        business.tick(await business.platform.now())
        await asyncio.sleep(LOOK_EVERY_S)


def _card_path(folder: Path, platform: Platform) -> Path:
    return folder / f"{platform.name}.json"


def _last_ports(path: Path) -> tuple[int, int]:
    """The ports of the card at this path, or zeros."""
    try:
        card = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        return urlsplit(card["base_url"]).port or 0, urlsplit(card["control_url"]).port or 0
    except (FileNotFoundError, msgspec.DecodeError, KeyError, ValueError):
        return 0, 0
