"""What a phone hears of its own requests: that there is an answer, never what it says."""

from app.kernel.actor import Actor
from app.kernel.events import Event
from app.rights.answering import note_messages_gone
from app.rights.events import RequestAnswered
from notifications.inbox import forget_messages_about, tell_account


async def answered(actor: Actor, fact: RequestAnswered, event: Event) -> None:
    """First what the person wanted gone from every inbox, then the news."""
    if fact.forget_messages:
        count = await forget_messages_about(actor, person_id=fact.person_id)
        await note_messages_gone(actor, request_id=fact.data_request_id, count=count)
    if fact.account_id is not None:
        await tell_account(
            actor,
            account_id=fact.account_id,
            person_id=fact.person_id,
            title="您的更正或删除申请已有答复，点击查看",
            ref_id=fact.data_request_id,
            event=event,
        )
