"""Every way in which money moves in the book, one function each. Debits are positive."""

from uuid import UUID

from app.billing.tables import ChannelName
from app.kernel.actor import Actor
from app.kernel.ledger import Leg, open_accounts, post_journal

RECEIVABLE = "patient_receivable"
REVENUE = "revenue"
DEPOSITS = "deposit_liability"
REFUND_PAYABLE = "refund_payable"
SUSPENSE = "suspense_unmatched"

CHANNEL_NAMES = {ChannelName.WECHAT: "微信支付", ChannelName.ALIPAY: "支付宝"}


def clearing(channel: ChannelName, merchant: str) -> str:
    """What a channel holds for us."""
    return f"channel_clearing:{channel}:{merchant}"


def is_clearing(account: str) -> bool:
    return account.startswith("channel_clearing:")


async def open_clearing(actor: Actor, *, channel: ChannelName, merchant: str) -> None:
    name = f"{CHANNEL_NAMES[channel]}待清算款"
    await open_accounts(actor, accounts=[(clearing(channel, merchant), "asset", name)])


async def _move(actor: Actor, key: str, memo: str, *legs: Leg) -> None:
    if any(leg.amount_fen for leg in legs):
        await post_journal(actor, source_key=key, memo=memo, legs=legs)


async def charged(actor: Actor, *, key: str, subject_id: UUID, amount_fen: int) -> None:
    """Somebody owes us for a bill, or for one line of a stay."""
    await _move(
        actor,
        key,
        "charged",
        Leg(RECEIVABLE, amount_fen, subject_id),
        Leg(REVENUE, -amount_fen, subject_id),
    )


async def uncharged(actor: Actor, *, key: str, subject_id: UUID, amount_fen: int) -> None:
    """The debt is gone: the bill ended unpaid, or a charge goes back."""
    await charged(actor, key=key, subject_id=subject_id, amount_fen=-amount_fen)


async def received(
    actor: Actor, *, attempt_id: UUID, from_account: str, into: str, subject_id: UUID, amount_fen: int
) -> None:
    """A channel holds new money for us. The key is the attempt's: it is received once, wherever it goes."""
    await _move(
        actor,
        f"payment:{attempt_id}",
        "received",
        Leg(from_account, amount_fen, attempt_id),
        Leg(into, -amount_fen, subject_id),
    )


async def received_unmatched(
    actor: Actor, *, channel: ChannelName, transaction_id: str, from_account: str, amount_fen: int
) -> None:
    """Money came under a number that is none of ours."""
    await _move(
        actor,
        f"unmatched:{channel}:{transaction_id}",
        "received under an unknown number",
        Leg(from_account, amount_fen),
        Leg(SUSPENSE, -amount_fen),
    )


async def released(actor: Actor, *, attempt_id: UUID, into: str, subject_id: UUID, amount_fen: int) -> None:
    """What waited in suspense settles its bill after all."""
    await _move(
        actor,
        f"released:{attempt_id}",
        "late money applied",
        Leg(SUSPENSE, amount_fen, attempt_id),
        Leg(into, -amount_fen, subject_id),
    )


async def refund_owed(
    actor: Actor, *, refund_id: UUID, out_of: str, subject_id: UUID, amount_fen: int
) -> None:
    """We owe it to the payer from now on."""
    await _move(
        actor,
        f"refund_owed:{refund_id}",
        "refund accepted",
        Leg(out_of, amount_fen, subject_id),
        Leg(REFUND_PAYABLE, -amount_fen, refund_id),
    )


async def refund_paid(
    actor: Actor, *, refund_id: UUID, attempt_id: UUID, from_account: str, amount_fen: int
) -> None:
    """The channel gave it back."""
    await _move(
        actor,
        f"refund_paid:{refund_id}",
        "refund confirmed",
        Leg(REFUND_PAYABLE, amount_fen, refund_id),
        Leg(from_account, -amount_fen, attempt_id),
    )
