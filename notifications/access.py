"""What accounts hear about who may look: relatives who may now or no longer, a coming of age, break-glass."""

from app.kernel.actor import Actor
from app.kernel.events import Event
from app.patients.events import BreakGlassOpened, CameOfAge, PersonUnbound, ProxyGranted
from app.patients.queries import Scope
from notifications.inbox import tell_account, tell_phones


async def granted(actor: Actor, fact: ProxyGranted, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="家人已接受您的授权邀请",
        ref_id=fact.invitation_id,
        event=event,
        scope=Scope.BOOK,
    )


async def ended(actor: Actor, fact: PersonUnbound, event: Event) -> None:
    await tell_account(
        actor,
        account_id=fact.account_id,
        person_id=fact.person_id,
        title="就诊人的授权已结束",
        ref_id=fact.person_id,
        event=event,
    )


async def came_of_age(actor: Actor, fact: CameOfAge, event: Event) -> None:
    """The guardian hears it, and the grown-up's own account where there is one."""
    await tell_account(
        actor,
        account_id=fact.account_id,
        person_id=fact.person_id,
        title="就诊人已满18岁，请其本人登录；30天内您仍可代为预约和缴费",
        ref_id=fact.person_id,
        event=event,
    )
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="您已满18岁，报告改由您本人查看，可授权家人",
        ref_id=fact.person_id,
        event=event,
        scope=Scope.BOOK,
    )


async def glass_broken(actor: Actor, fact: BreakGlassOpened, event: Event) -> None:
    await tell_phones(
        actor,
        person_id=fact.person_id,
        title="有医护人员紧急调阅了您的资料，点击查看原因",
        ref_id=fact.break_glass_id,
        event=event,
        prio=1,
        scope=Scope.BOOK,
    )
