"""The staff's view of the money: the book in totals, and what needs a person."""

from litestar import Router, get
from litestar.di import NamedDependency

from app.billing.queries import Books, books
from app.kernel.actor import Actor


@get("/totals", permission="ledger.read")
async def ledger_totals(actor: NamedDependency[Actor]) -> Books:
    """To be compared with the channels' own figures, to the fen."""
    return await books(actor)


router = Router(
    path="/api/staff/v1/ledger",
    route_handlers=[ledger_totals],
    tags=["money"],
)
