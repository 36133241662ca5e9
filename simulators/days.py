"""The control API's part about business days: closing one, comparing bill and book, the fee rate."""

from datetime import date
from typing import Annotated, Any, Protocol

import msgspec
from litestar import get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from simulators import fees
from simulators.bills import Desk, read_day
from simulators.clock import Now
from simulators.people import PhoneRefusal


class Billing(Protocol):
    """A platform that makes bills."""

    now: Now
    desk: Desk


class FeeRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    basis_points: Annotated[int, Meta(ge=0, le=1000)]


@post("/days/{day:str}/close", status_code=200)
async def close_day(state: State, day: FromPath[str]) -> dict[str, Any]:
    """Make the day's bill now, without waiting for the platform's hour."""
    platform: Billing = state.platform
    asked = _day(day)
    platform.desk.close(platform.desk.day(asked), await platform.now())
    return _shown(platform, asked)


@get("/days/{day:str}")
async def show_day(state: State, day: FromPath[str]) -> dict[str, Any]:
    return _shown(state.platform, _day(day))


@get("/fee-rate")
async def show_fee_rate(state: State) -> FeeRate:
    return FeeRate(fees.rate(state.platform.desk.store))


@post("/fee-rate", status_code=200)
async def set_fee_rate(state: State, data: JSONBody[FeeRate]) -> FeeRate:
    """The rate of payments from now on; what was paid before keeps its own."""
    fees.set_rate(state.platform.desk.store, data.basis_points)
    return data


CONTROL: tuple[HTTPRouteHandler, ...] = (close_day, show_day, show_fee_rate, set_fee_rate)


def _day(text: str) -> date:
    try:
        return read_day(text)
    except ValueError as error:
        raise PhoneRefusal(400, "DATE_INVALID", "日期须形如 2026-11-23") from error


def _shown(platform: Billing, day: date) -> dict[str, Any]:
    period = platform.desk.day(day)
    made_at = platform.desk.made_at(period)
    return {
        "date": period.name,
        "made_at": made_at,
        "is_final": made_at is not None and made_at >= period.end,
        "book": platform.desk.booked(period),
        "bill": platform.desk.billed(period),
    }
