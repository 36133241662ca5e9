"""Phones hear who may act now or no longer, that a child came of age, and that somebody broke the glass."""

from datetime import datetime, time, timedelta
from uuid import UUID

import msgspec

from app.encounters.timeline import timeline
from app.kernel.actor import Actor
from app.kernel.clock import LOCAL
from app.kernel.database import action
from app.kernel.events import Lane, emit
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.patients.binding import Relation, bind_person, end_binding
from app.patients.events import BreakGlassReviewed, ProxyGranted
from app.patients.majority import tell_majority
from app.patients.rules import majority_day
from app.subscriptions import SUBSCRIPTIONS
from notifications.inbox import messages_of
from tests.make import identity, patients
from tests.make.visit import now, set_clock
from tests.notifications.conftest import TEST

HEARD = [s for s in SUBSCRIPTIONS if s.kind.startswith(("person.", "break_glass."))]


@action
async def say(actor: Actor, fact: msgspec.Struct) -> None:
    await emit(actor, fact)


async def relay_all() -> None:
    relay = Relay(HEARD)
    while sum([await relay.turn(lane) for lane in Lane]):
        pass


async def titles(account: Actor) -> list[str]:
    assert account.id is not None
    return [line.title for line in await messages_of(TEST, account_id=account.id)]


async def test_who_invited_hears_that_it_was_taken_up(db: str) -> None:
    account, relative = await identity.account_actor(), await identity.account_actor()
    person = await patients.bound_person(account)
    assert relative.id is not None
    await say(TEST, ProxyGranted(person_id=person, account_id=relative.id, invitation_id=new_id()))
    await relay_all()
    assert await titles(account) == ["家人已接受您的授权邀请"]
    assert await titles(relative) == []


async def test_whose_binding_ended_hears_that_and_nothing_after_it(db: str) -> None:
    account = await identity.account_actor()
    person = await patients.bound_person(account)
    assert account.id is not None
    await end_binding(TEST, account_id=account.id, person_id=person)
    await say(TEST, BreakGlassReviewed(break_glass_id=new_id(), person_id=person, verdict="justified"))
    await relay_all()
    assert await titles(account) == ["就诊人的授权已结束"]


async def test_a_coming_of_age_is_told_to_both_and_each_in_their_words(db: str) -> None:
    born_on = (await now()).date() - timedelta(days=17 * 365)
    guardian, own = await identity.account_actor(), await identity.account_actor()
    number = patients.id_number(born_on=born_on)
    await patients.bound_person(guardian)
    form = patients.form(name="李乐乐", born_on=born_on, number=number, phone="13812345678")
    for account, relation in ((guardian, Relation.DAUGHTER), (own, Relation.SELF)):
        await bind_person(account, form=form, relation=relation)
    await set_clock(datetime.combine(majority_day(born_on), time.min, LOCAL))
    assert await tell_majority() == 1
    await relay_all()
    [parents] = await titles(guardian)
    [own_words] = await titles(own)
    assert "30天内您仍可代为预约和缴费" in parents
    assert own_words.startswith("您已满18岁")


async def test_the_verdict_stands_in_the_patients_timeline(db: str) -> None:
    account = await identity.account_actor()
    person = await patients.bound_person(account)
    for verdict in ("justified", "unjustified"):
        await review(person, verdict)
    shown = {step.title for step in await timeline(account, person_id=person)}
    assert shown == {"紧急调阅已审核：符合规定", "紧急调阅已审核：不符合规定，医院将处理"}


async def review(person: UUID, verdict: str) -> None:
    await say(TEST, BreakGlassReviewed(break_glass_id=new_id(), person_id=person, verdict=verdict))
    await relay_all()
