"""`jiuyi serve` for a benchmark's own database and for nothing else: `python -m bench.serve on|off on|off`.

A few clients ask more than any phone may: each request is counted, but there is never one too many. `off`
takes the walls down; what the server costs without them is what they are compared with. The second `off`
writes no access log. No command, setting
or variable of the hospital reaches this room.
"""

import sys
from uuid import UUID

from litestar.handlers import BaseRouteHandler

from app.edge import limits
from app.identity import signed_in
from app.identity.policy import PUBLIC
from app.kernel.actor import Actor
from app.kernel.settings import settings
from app.launch import serving
from app.patients import access
from app.patients.tables import Scope
from app.traces.access_log import ACCESS_LOG, Entry
from app.traces.showing import TRACE, begin
from bench.databases import is_ours

PLENTY = limits.Rate(10**9, 10**9)


async def anybody(connection: signed_in.AnyConnection, handler: BaseRouteHandler) -> None:
    """Who it is must be known, for whose rows are asked depends on it; nothing is refused to them."""
    permission = handler.opt.get("permission", "")
    if permission != PUBLIC:
        who = await signed_in.signed_in(connection)
        connection.scope["state"][TRACE] = begin(signed_in.trace_of(who.actor, permission))


async def always(actor: Actor, *, person_id: UUID, scope: Scope | None = None) -> bool:
    return True


async def never_refuse(actor: Actor, *, person_id: UUID, scope: Scope | None = None) -> None:
    return None


def take_down() -> None:
    """Before the first route is imported: rooms bind these names when they are loaded."""
    signed_in.enforce_policy = anybody
    access.may_see = always
    access.may_follow = always
    access.may_act_for = always
    access.require_may_see = never_refuse
    access.require_may_act_for = never_refuse


def let_many_ask() -> None:
    """The counting stays, and costs what it costs."""
    limits.LIMITS = {group: dict.fromkeys(rates, PLENTY) for group, rates in limits.LIMITS.items()}


async def forget(entry: Entry) -> None:
    """Who looked at whom is gathered as ever, and not written."""


def main(walls: str, audit: str) -> None:
    assert is_ours(settings().database_url), "only a benchmark's own database is served like this"
    let_many_ask()
    if walls == "off":
        take_down()
    if audit == "off":
        ACCESS_LOG.write = forget
    serving.serve(settings(), workers=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
