"""Money that arrives for a bill, as a verified notice of a channel tells it."""

from uuid import UUID

from app.billing import postings
from app.billing.arrivals import book_payment
from app.billing.channel import Trade, TradeState
from app.billing.tables import ChannelName
from app.kernel.actor import system
from app.kernel.events import Lane
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.subscriptions import SUBSCRIPTIONS
from tests.make import visit
from tests.make.rows import row, value

MERCHANT = "1900000109"


async def attempt(bill_id: UUID) -> str:
    """An order at WeChat that waits for its payer; our number of it."""
    attempt_id = new_id()
    await row(
        "attempt",
        id=attempt_id,
        bill_id=bill_id,
        out_trade_no=attempt_id.hex,
        channel="wechat",
        method="wechat_jsapi",
        merchant=MERCHANT,
        amount_fen=await value("SELECT amount_fen FROM bill WHERE id = $1", bill_id),
        status="awaiting_payer",
        expires_at=await visit.now(),
        looks=0,
        refunding_fen=0,
        refunded_fen=0,
        in_suspense=False,
        alarmed=False,
    )
    return attempt_id.hex


async def pay(bill_id: UUID) -> None:
    """The bill's money arrives, and everybody who hears of it has heard."""
    await arrive(await attempt(bill_id), bill_id)


async def arrive(out_trade_no: str, bill_id: UUID) -> None:
    actor = system("notice")
    await postings.open_clearing(actor, channel=ChannelName.WECHAT, merchant=MERCHANT)
    trade = Trade(
        out_trade_no=out_trade_no,
        state=TradeState.PAID,
        amount_fen=await value("SELECT amount_fen FROM bill WHERE id = $1", bill_id),
        transaction_id=f"42{out_trade_no[:28]}",
        paid_at=await visit.now(),
    )
    await book_payment(actor, name=ChannelName.WECHAT, merchant=MERCHANT, trade=trade, cause="notice")
    await deliver()


async def deliver() -> None:
    """Let the relay tell what was emitted, until nobody has anything left to hear."""
    relay = Relay(SUBSCRIPTIONS)
    while sum([await relay.turn(lane) for lane in Lane]):
        pass
