"""A stay's deposit: the patient's own money in our hands, receipt by receipt."""

from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action, query


@action
async def open_deposit_top_up(actor: Actor, *, encounter_id: UUID, amount_fen: int) -> UUID:
    """A bill over the amount for an open stay; paid, it becomes a deposit receipt."""
    raise NotImplementedError


@query
async def deposit_balance(actor: Actor, *, encounter_id: UUID) -> int:
    """What we hold for the stay, in fen, by the ledger."""
    raise NotImplementedError
