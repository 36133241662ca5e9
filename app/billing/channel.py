"""What every payment channel can be asked, and the three ways an answer can turn out."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import httpx
import msgspec

from app.billing.tables import ChannelName, PayMethod

T = TypeVar("T")

CONNECT_SECONDS_MAX = 3.0
READ_SECONDS_MAX = 10.0
CONNECTIONS_MAX = 20


class Success(msgspec.Struct, Generic[T], frozen=True):
    value: T


class Rejected(msgspec.Struct, frozen=True):
    """A believable no: nothing happened, and the code says why."""

    code: str
    message: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """No answer, or none that can be believed. It may have happened; only a query tells."""

    why: str


Outcome = Success[T] | Rejected | Unknown


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is ordered. The same number always comes with the same parameters."""

    out_trade_no: str
    method: PayMethod
    description: str
    amount_fen: int
    expires_at: datetime
    payer: str | None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the payer needs: parameters for the wallet, or a text to show as QR."""

    pay_params: dict[str, Any] | None = None
    code_url: str | None = None


class TradeState(StrEnum):
    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the channel knows it. PAID also stands where some or all of it was refunded since."""

    out_trade_no: str
    state: TradeState
    amount_fen: int | None = None
    transaction_id: str | None = None
    paid_at: datetime | None = None
    mine: bool = True  # merchant, application and seller are ours


class RefundState(StrEnum):
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    ABNORMAL = "abnormal"
    CLOSED = "closed"


class RefundTold(msgspec.Struct, frozen=True, kw_only=True):
    out_refund_no: str
    state: RefundState
    amount_fen: int | None = None
    channel_refund_id: str | None = None


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True):
    out_trade_no: str
    out_refund_no: str
    amount_fen: int
    paid_fen: int
    reason: str


class NoticeForged(Exception):
    """It is not the channel's, or not fresh: nothing it says may be used."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A genuine notice: what it is about, and what it says."""

    id: str
    kind: str
    reference: str
    content: str
    trade: Trade | None = None
    refund: RefundTold | None = None
    refund_of: str = ""  # the out_trade_no that `refund` is about
    mine: bool = True


class Channel(Protocol):
    """One channel. Every call is bounded in time, never repeats itself, and holds no transaction."""

    merchant: str

    @property
    def name(self) -> ChannelName: ...

    async def order(self, order: Order) -> Outcome[Offer]: ...
    async def query(self, out_trade_no: str) -> Outcome[Trade]: ...
    async def close(self, out_trade_no: str) -> Outcome[None]: ...
    async def refund(self, order: RefundOrder) -> Outcome[RefundTold]: ...
    async def query_refund(self, out_trade_no: str, out_refund_no: str) -> Outcome[RefundTold]: ...
    async def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice: ...
    async def aclose(self) -> None: ...


# What adapters translate the channels' many spellings into, where we act on it.
ABSENT = "absent"
ALREADY_PAID = "already_paid"
ALREADY_CLOSED = "already_closed"
TOO_OFTEN = "too_often"
NOT_ENOUGH = "not_enough"


def pooled_client(base_url: str) -> httpx.AsyncClient:
    """One per channel and process. Proxies of the environment would see what is none of their business."""
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(READ_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        trust_env=False,
    )


async def ask(client: httpx.AsyncClient, request: httpx.Request) -> Success[httpx.Response] | Unknown:
    """Send once. Whatever goes wrong on the line, the other side may have heard us."""
    try:
        # The client's limits are per read: a reply that drips would outlast them.
        async with asyncio.timeout(CONNECT_SECONDS_MAX + READ_SECONDS_MAX):
            return Success(await client.send(request))
    except (httpx.HTTPError, TimeoutError) as error:
        return Unknown(type(error).__name__)
