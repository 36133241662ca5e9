"""What an accepted deletion really removes, and what it must leave."""

from collections.abc import Sequence
from uuid import UUID

from app.billing.queries import has_unpaid_bill
from app.kernel.actor import Actor
from app.kernel.database import action
from app.kernel.errors import DomainError
from app.outpatient.queries import has_live_appointment
from app.patients.forgetting import end_all_bindings, end_all_consents, forget_address, forget_phone
from app.rights.floors import must_stay
from app.rights.rules import FLOORS, why_kept
from app.rights.steps import Step
from app.rights.tables import StepKind, Topic

KEPT_TOPICS = {Topic.RECORDS, Topic.BILLS}


class StillInUse(DomainError):
    code = "data_still_in_use"
    message = "该患者还有未完成的预约或未缴的费用，解除绑定后将无人可以处理，请先取消预约或结清费用。"


@action
async def remove(
    actor: Actor, *, person_id: UUID, topics: Sequence[Topic], asked_by: UUID | None
) -> list[Step]:
    """Each topic's steps, in the order in which they are done. The caller has decided that it is to be."""
    kept = set(topics) & KEPT_TOPICS
    steps = await _law_keeps(actor, person_id, kept)
    if Topic.PHONE in topics:
        count = await forget_phone(actor, person_id=person_id)
        steps.append(_removed(Topic.PHONE, "登记的手机号已删除", count))
    if Topic.ADDRESS in topics:
        count = await forget_address(actor, person_id=person_id)
        steps.append(_removed(Topic.ADDRESS, "登记的地址已删除", count))
    if Topic.CONSENTS in topics:
        count = await end_all_consents(actor, person_id=person_id, asked_by=asked_by)
        steps.append(_removed(Topic.CONSENTS, "各项同意已撤回，手机上不再展示相关内容", count))
    if Topic.MESSAGES in topics:
        steps.append(_removed(Topic.MESSAGES, "手机消息已删除", 0))  # upstairs counts them
    if Topic.BINDINGS in topics:
        await _require_nothing_open(actor, person_id)
        count = await end_all_bindings(actor, person_id=person_id)
        steps.append(_removed(Topic.BINDINGS, "账号绑定和邀请已解除", count))
    return steps


async def _law_keeps(actor: Actor, person_id: UUID, topics: set[Topic]) -> list[Step]:
    """What must stay, by name, law and last day; what no law keeps any more goes to the records office."""
    kept = await must_stay(actor, person_id=person_id, topics=topics) if topics else []
    steps = [
        Step(
            kind=StepKind.KEPT,
            topic=FLOORS[each.record].topic,
            text=why_kept(each),
            law=FLOORS[each.record].law,
            kept_until=each.until,
        )
        for each in kept
    ]
    free = topics - {step.topic for step in steps}
    return steps + [
        Step(kind=StepKind.FORWARDED, topic=topic, text="没有仍在法定保存期内的记录，已转病案室核销")
        for topic in sorted(free)
    ]


async def _require_nothing_open(actor: Actor, person_id: UUID) -> None:
    if await has_live_appointment(actor, person_id=person_id):
        raise StillInUse(person_id=person_id)
    if await has_unpaid_bill(actor, person_id=person_id):
        raise StillInUse(person_id=person_id)


def _removed(topic: Topic, text: str, count: int) -> Step:
    return Step(kind=StepKind.REMOVED, topic=topic, text=text, affected=count)
