"""Takes tokens for what is asked, or refuses: first by this process's buckets, then by the shared ones."""

import math
from collections.abc import Sequence

from prometheus_client import Counter

from app.edge.addresses import AnyConnection, came_by_unknown_proxy, client_address, counted_place
from app.edge.buckets import Buckets, Demand
from app.edge.limits import EXEMPT, SHARED, Group, Who, factor_of, rate_of
from app.edge.shared import SharedBuckets
from app.kernel.actor import Actor
from app.kernel.errors import DomainError

REFUSED = Counter("jiuyi_limited", "Requests over a limit, by the group of their route.", ["group"])

BUCKETS = Buckets()
SHARED_BUCKETS = SharedBuckets()


class TooManyRequests(DomainError):
    """`retry_after_s` says when the next one may pass."""

    code = "too_many_requests"
    status = 429
    message = "操作过于频繁，请稍后再试。"

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.retry_after_s = max(1, math.ceil(wait_s))


def place_demands(group: Group, connection: AnyConnection) -> list[Demand]:
    """The bucket of the client's address, unless its network is exempt.

    A proxy on this machine that nobody told us of must not open the door for everybody behind it.
    """
    address = client_address(connection)
    factor = factor_of(address)
    if factor == EXEMPT and came_by_unknown_proxy(connection):
        factor = 1.0
    rate = rate_of(group, Who.ADDRESS)
    if rate is None or factor == EXEMPT:
        return []
    return [Demand((group, Who.ADDRESS, counted_place(address)), rate.times(factor))]


def actor_demands(group: Group, actor: Actor, number: str = "") -> list[Demand]:
    """The buckets of the account, staff member, device or client, and of the one number it asks for."""
    demands: list[Demand] = []
    if actor.kind in set(Who) and (rate := rate_of(group, Who(actor.kind))) is not None:
        demands.append(Demand((group, actor.kind, str(actor.id)), rate))
    if number and (rate := rate_of(group, Who.NUMBER)) is not None:
        demands.append(Demand((group, Who.NUMBER, str(actor.id), number), rate))
    return demands


def take_here(group: Group, demands: Sequence[Demand]) -> None:
    """One token of each bucket of this process, or TooManyRequests."""
    _refuse(group, BUCKETS.take(demands))


async def take_everywhere(group: Group, demands: Sequence[Demand]) -> None:
    """The same of the buckets of all processes, for the groups where that counts."""
    if group in SHARED:
        _refuse(group, await SHARED_BUCKETS.take(demands))


def _refuse(group: Group, wait_s: float) -> None:
    if wait_s > 0:
        REFUSED.labels(group).inc()
        raise TooManyRequests(wait_s)
