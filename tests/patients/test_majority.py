"""At eighteen a person's results are their own; the guardian has thirty days to hand over the rest."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import pytest

from app.kernel.actor import Actor, system
from app.kernel.clock import LOCAL
from app.kernel.errors import DomainError
from app.patients.access import ConsentRequired, may_act_for, may_see, may_speak_for
from app.patients.binding import Relation, bind_person
from app.patients.consents import ConsentCode
from app.patients.majority import tell_majority
from app.patients.proxies import accept_invitation, invitation_view, invite
from app.patients.queries import accounts_of, bound_persons
from app.patients.rules import majority_day
from app.patients.tables import Scope
from tests.make import identity, patients
from tests.make.rows import value
from tests.make.visit import set_clock

PHONE = "13812345678"
BIRTHDAYS = [date(2010, 5, 6), date(2012, 2, 29), date(2011, 3, 1), date(2010, 12, 31)]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, LOCAL)


async def family(born_on: date) -> tuple[Actor, UUID, str]:
    """A guardian with a child that is seventeen, and the child's number."""
    await set_clock(midnight(majority_day(born_on)) - timedelta(days=100))
    guardian, number = await identity.account_actor(), patients.id_number(born_on=born_on)
    await patients.bound_person(guardian)
    child = await patients.bound_person(
        guardian, relation="3", born_on=born_on, number=number, phone=PHONE, name="李乐乐"
    )
    return guardian, child, number


@pytest.mark.parametrize("born_on", BIRTHDAYS, ids=str)
async def test_reading_ends_at_that_midnight_and_the_rest_thirty_days_later(db: str, born_on: date) -> None:
    guardian, child, _ = await family(born_on)
    birthday = midnight(majority_day(born_on))
    await set_clock(birthday - timedelta(seconds=5))
    assert await may_see(guardian, person_id=child)
    assert await may_speak_for(guardian, person_id=child)
    await set_clock(birthday)
    assert not await may_see(guardian, person_id=child), "no sweep has come by yet"
    assert not await may_speak_for(guardian, person_id=child)
    assert await accounts_of(system("test"), person_id=child) == []
    assert (await bound_persons(guardian))[-1].scopes == ["book", "pay"]
    await set_clock(birthday + timedelta(days=30) - timedelta(seconds=5))
    assert await may_act_for(guardian, person_id=child, scope=Scope.PAY)
    await set_clock(birthday + timedelta(days=30))
    assert not await may_act_for(guardian, person_id=child, scope=Scope.PAY)


async def test_the_sweep_tells_once(db: str) -> None:
    guardian, child, _ = await family(date(2012, 2, 29))
    await set_clock(midnight(date(2030, 2, 28)) + timedelta(hours=23))
    assert await tell_majority() == 0
    await set_clock(midnight(date(2030, 3, 1)))
    assert (await tell_majority(), await tell_majority()) == (1, 0)
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.came_of_age'") == 1
    shown = (await bound_persons(guardian))[-1]
    assert (shown.id, shown.guardian, shown.scopes) == (child, False, ["book", "pay"])


async def test_the_grown_up_asks_again_and_may_let_the_parent_read(db: str) -> None:
    guardian, child, number = await family(date(2010, 5, 6))
    await set_clock(midnight(date(2028, 5, 6)))
    await tell_majority()
    own = await identity.account_actor()
    form = patients.form(name="李乐乐", born_on=date(2010, 5, 6), number=number, phone=PHONE)
    assert await bind_person(own, form=form, relation=Relation.SELF) == child
    with pytest.raises(ConsentRequired):
        await may_see(own, person_id=child)  # the guardian's word has run out with the guardianship
    await patients.agree(own, child, also=(ConsentCode.FAMILY_SHARING,))
    assert await may_see(own, person_id=child)
    assert not await may_see(guardian, person_id=child)
    ends_at = midnight(date(2029, 1, 1))
    invitation_id = await invite(own, person_id=child, scopes=list(Scope), ends_at=ends_at)
    code = (await invitation_view(own, invitation_id=invitation_id)).code
    assert code is not None
    await accept_invitation(guardian, code=code, relation=Relation.DAUGHTER)
    assert await may_see(guardian, person_id=child)
    assert await tell_majority() == 0


async def test_what_a_guardian_gave_away_ends_with_the_guardians_own(db: str) -> None:
    guardian, child, _ = await family(date(2010, 5, 6))
    await patients.agree(guardian, child, also=(ConsentCode.FAMILY_SHARING,))
    ends_at = midnight(date(2028, 12, 1))
    invitation_id = await invite(guardian, person_id=child, scopes=list(Scope), ends_at=ends_at)
    code = (await invitation_view(guardian, invitation_id=invitation_id)).code
    assert code is not None
    grandmother = await identity.account_actor()
    await accept_invitation(grandmother, code=code, relation=Relation.GRANDCHILD)
    assert await may_see(grandmother, person_id=child)
    await set_clock(midnight(date(2028, 5, 6)))
    assert not await may_see(grandmother, person_id=child)
    await set_clock(midnight(date(2028, 6, 5)))
    assert await bound_persons(grandmother) == []


async def test_the_other_guardian_is_not_revoked_or_invited(db: str) -> None:
    guardian, child, number = await family(date(2010, 5, 6))
    father = await identity.account_actor()
    await patients.bound_person(father)
    form = patients.form(name="李乐乐", born_on=date(2010, 5, 6), number=number, phone=PHONE)
    await bind_person(father, form=form, relation=Relation.DAUGHTER)
    invitation_id = await invite(
        guardian, person_id=child, scopes=[Scope.BOOK], ends_at=midnight(date(2028, 4, 1))
    )
    code = (await invitation_view(guardian, invitation_id=invitation_id)).code
    assert code is not None
    with pytest.raises(DomainError) as refusal:
        await accept_invitation(father, code=code, relation=Relation.DAUGHTER)
    assert refusal.value.code == "already_bound"
