"""Another chance for what failed, or none: by a person, who says why."""

from collections.abc import Sequence
from uuid import UUID

from app.kernel.actor import Actor
from app.kernel.database import action, after_commit, because, fetch, fetch_value
from app.kernel.errors import DomainError, Invalid, WrongState
from app.kernel.events import Lane, emit
from app.kernel.hints import wake
from app.kernel.ids import new_id
from app.letters.events import LetterRetried, LetterSetAside, LettersRetried, OutboxWoken
from app.letters.queries import Listed, Source, letter, letters
from app.letters.rules import REASON_LENGTH_MIN, RETRY_ALL_MAX, only_tells
from app.patients.masking import mask_text


class LetterReasonNeeded(Invalid):
    code = "letter_reason_needed"
    message = f"请填写处理原因（至少 {REASON_LENGTH_MIN} 个字），该操作会被记录。"


class LetterMustHappen(DomainError):
    """Money or care hangs on it. A refund that has ended by itself ends its job when that is retried."""

    code = "letter_must_happen"
    message = "该事项关系到资金或诊疗，不能搁置。请排除故障后重试；对方已经办结的，重试会自动了结。"


@action
async def retry_letter(actor: Actor, *, letter_id: UUID, reason: str) -> UUID:
    """Give what nobody tries any more another chance, at once. Of two who press, the second is told."""
    reason = await _why(reason)
    await letter(actor, letter_id=letter_id)
    if not await _revive(actor, [letter_id], decision_id=new_id(), reason=reason):
        raise WrongState(letter_id=letter_id)
    return letter_id


@action
async def retry_letters(
    actor: Actor, *, source: Source, kind: str, subscriber: str | None, reason: str
) -> UUID:
    """All dead ones of a kind, the oldest RETRY_ALL_MAX; which ones, the decision remembers."""
    reason, decision_id = await _why(reason), new_id()
    found = await letters(
        actor,
        status=Listed.DEAD,
        source=source,
        kind=kind,
        subscriber=subscriber,
        limit=RETRY_ALL_MAX,
        after=None,
    )
    moved = await _revive(actor, [each.id for each in found], decision_id=decision_id, reason=reason)
    await emit(
        actor,
        LettersRetried(
            decision_id=decision_id,
            source=source,
            of_kind=kind,
            subscriber=subscriber,
            letter_ids=moved,
            reason=reason,
        ),
    )
    return decision_id


@action
async def set_letter_aside(actor: Actor, *, letter_id: UUID, reason: str) -> UUID:
    """It need not happen any more. Only for what shows or retells: what somebody waits for is retried."""
    reason = await _why(reason)
    asked = await letter(actor, letter_id=letter_id)
    if asked.source is Source.JOB or not only_tells(asked.subscriber):
        raise LetterMustHappen(letter_id=letter_id)
    if not await fetch_value("SELECT jiuyi.set_letter_aside($1)", letter_id):
        raise WrongState(letter_id=letter_id)
    await emit(actor, LetterSetAside(letter_id=letter_id, decision_id=new_id(), reason=reason))
    return letter_id


@action
async def wake_relay(actor: Actor, *, lane: Lane, reason: str) -> UUID:
    """Tell the relays to look at a lane now. Facts are never moved by hand: only a relay fans them out."""
    reason, decision_id = await _why(reason), new_id()
    await emit(actor, OutboxWoken(decision_id=decision_id, of_lane=lane, reason=reason))
    after_commit(lambda: wake(f"lane:{lane}"))
    return decision_id


async def _why(reason: str) -> str:
    """The reason, kept beside all that follows. Who reads it need not learn a patient's number from it."""
    reason = mask_text(reason.strip())
    if len(reason) < REASON_LENGTH_MIN:
        raise LetterReasonNeeded
    await because(reason)
    return reason


async def _revive(actor: Actor, asked: Sequence[UUID], *, decision_id: UUID, reason: str) -> list[UUID]:
    """Those that were still waiting for a person; each is told, and its runner woken."""
    rows = await fetch("SELECT id, lane FROM jiuyi.revive_letters($1) ORDER BY id", list(asked))
    for row in rows:
        await emit(actor, LetterRetried(letter_id=row["id"], decision_id=decision_id, reason=reason))
    for topic in {f"lane:{row['lane']}" if row["lane"] else "jobs" for row in rows}:
        after_commit(lambda topic=topic: wake(topic))
    return [row["id"] for row in rows]
