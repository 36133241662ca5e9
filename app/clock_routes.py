"""The business clock over HTTP: everybody on the staff may read it, only a demo hospital's is moved."""

from datetime import datetime

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import query
from app.outpatient.schedule import roll_sessions


class MoveClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: datetime


class BusinessTime(msgspec.Struct, frozen=True):
    now: datetime


@query
async def business_time(actor: Actor) -> BusinessTime:
    return BusinessTime(await clock.now())


@get("/clock", permission="clock.read")
async def read_clock(actor: NamedDependency[Actor]) -> BusinessTime:
    """What time it is for appointments, days and deadlines."""
    return await business_time(actor)


@post("/clock", permission="clock.move")
async def set_clock(actor: NamedDependency[Actor], data: JSONBody[MoveClock]) -> BusinessTime:
    """Move it forward. Repeating the same move is refused and changes nothing, so it needs no key."""
    await clock.move_clock(actor, to=data.at)
    await roll_sessions()
    return await business_time(actor)


router = Router(path="/api/staff/v1", route_handlers=[read_clock, set_clock], tags=["clock"])
