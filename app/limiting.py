"""The first guard of every route: the right host, and no more requests than the policy allows."""

from functools import lru_cache

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from app.edge.addresses import AnyConnection
from app.edge.counting import actor_demands, place_demands, take_everywhere, take_here
from app.edge.hosts import refuse_foreign_host
from app.edge.limits import Group, group_of
from app.identity.signed_in import SignedIn, signed_in
from app.kernel.errors import Unauthenticated

ROUTES_REMEMBERED_MAX = 2048


class Wanted(msgspec.Struct):
    """What of a booking's body counts here; the route reads the rest."""

    window_id: str = ""


async def limit_requests(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard: count by address before anything costs, then by who signed in. Sockets count at their hello."""
    if connection.scope["type"] != "http":
        return
    group = _group(connection.scope["method"], connection.scope["path_template"], handler.opt.get("limit"))
    if group is Group.FREE:
        return
    refuse_foreign_host(connection)
    demands = place_demands(group, connection)
    take_here(group, demands)
    who = await _whoever(connection)
    if who is not None:
        own = actor_demands(group, who.actor, await _number(group, connection))
        take_here(group, own)
        demands += own
    await take_everywhere(group, demands)


@lru_cache(maxsize=ROUTES_REMEMBERED_MAX)
def _group(method: str, template: str, wanted: str | None) -> Group:
    return group_of(method, template, wanted)


async def _whoever(connection: AnyConnection) -> SignedIn | None:
    """Who signed in, if anybody; a token that is not good is the route's to refuse."""
    if "authorization" not in connection.headers:
        return None
    try:
        return await signed_in(connection)
    except Unauthenticated:
        return None


async def _number(group: Group, connection: AnyConnection) -> str:
    if group is not Group.HOLD or not isinstance(connection, Request):
        return ""
    try:
        return msgspec.json.decode(await connection.body(), type=Wanted).window_id[:36].lower()
    except msgspec.MsgspecError:
        return ""
