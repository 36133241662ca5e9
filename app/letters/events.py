"""What administrators decided about letters: who and when stand in the event, why and which in the fact."""

from uuid import UUID

import msgspec

from app.kernel.events import Lane, fact


class LetterFact(msgspec.Struct, frozen=True, kw_only=True):
    """`decision_id` is shared by the letters of one press of the button."""

    letter_id: UUID
    decision_id: UUID
    reason: str


@fact(kind="dead_letter.retried", aggregate="dead_letter", key="letter_id", lane=Lane.BULK)
class LetterRetried(LetterFact, frozen=True, kw_only=True):
    pass


@fact(kind="dead_letter.set_aside", aggregate="dead_letter", key="letter_id", lane=Lane.BULK)
class LetterSetAside(LetterFact, frozen=True, kw_only=True):
    pass


@fact(kind="dead_letters.retried", aggregate="letter_decision", key="decision_id", lane=Lane.BULK)
class LettersRetried(msgspec.Struct, frozen=True, kw_only=True):
    """All of a kind, up to a bound: what was asked for, and what was moved."""

    decision_id: UUID
    source: str
    of_kind: str
    subscriber: str | None
    letter_ids: list[UUID]
    reason: str


@fact(kind="outbox.woken", aggregate="letter_decision", key="decision_id", lane=Lane.BULK)
class OutboxWoken(msgspec.Struct, frozen=True, kw_only=True):
    """A relay was told to look at a lane."""

    decision_id: UUID
    of_lane: str
    reason: str
