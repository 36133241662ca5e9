"""All simulators in one process: what `jiuyi simulators` runs."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.kernel.settings import settings
from simulators.alipay import server as alipay
from simulators.clock import BusinessClock, Now
from simulators.fiscal_invoice import server as fiscal_invoice
from simulators.insurance_bureau import server as insurance_bureau
from simulators.running import Business, running
from simulators.sms import server as sms
from simulators.wechat_pay import server as wechat_pay

# A new platform is one line here: its folder's `server.opens` makes the Business that `running` serves.
OPENERS: tuple[Callable[[Path, Now], Business], ...] = (
    wechat_pay.opens,
    alipay.opens,
    fiscal_invoice.opens,
    sms.opens,
    insurance_bureau.opens,
)


@asynccontextmanager
async def all_running(folder: Path, now: Now) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Every simulator, serving; yields the cards by name."""
    async with AsyncExitStack() as stack:
        cards = [await stack.enter_async_context(running(folder, opens(folder, now))) for opens in OPENERS]
        yield {card["name"]: card for card in cards}


async def serve(folder: Path, database_url: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    clock = BusinessClock(database_url)
    async with all_running(folder, clock.now) as cards:
        places = " ".join(f"{name}={card['base_url']}" for name, card in cards.items())
        sys.stdout.write(f"simulators ready {places}\n")
        sys.stdout.flush()
        await stop.wait()
    await clock.close()


def main() -> None:
    folder = settings().data / "simulators"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(serve(folder, settings().database_url))
