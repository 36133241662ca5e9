"""A relative acts by the person's own word: scoped, ending, taken up once, revoked at once."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import pytest

from app.kernel.actor import Actor, system
from app.kernel.database import action
from app.kernel.errors import DomainError
from app.patients.access import (
    ConsentRequired,
    PersonNotFound,
    may_act_for,
    may_follow,
    may_see,
    may_speak_for,
    require_may_act_for,
)
from app.patients.binding import ACCOUNTS_PER_PERSON_MAX, Relation, unbind_person
from app.patients.consents import ConsentCode, consents_of, withdraw_consent
from app.patients.proxies import (
    WAITING_MAX,
    accept_invitation,
    invitation_view,
    invite,
    my_invitations,
    revoke_proxy,
    who_may_act,
    withdraw_invitation,
)
from app.patients.queries import accounts_of, bound_persons
from app.patients.tables import Scope
from tests.make import identity, patients
from tests.make.rows import value
from tests.make.visit import now, set_clock

SYSTEM = system("test")
PARENT = Relation.PARENT


async def mother() -> tuple[Actor, UUID]:
    account = await identity.account_actor()
    person = await patients.bound_person(account)
    await patients.agree(account, person, also=(ConsentCode.FAMILY_SHARING,))
    return account, person


async def invited(account: Actor, person: UUID, *scopes: Scope, days: int = 30) -> str:
    """The code of an invitation."""
    invitation_id = await invite(
        account, person_id=person, scopes=scopes or tuple(Scope), ends_at=await now() + timedelta(days=days)
    )
    code = (await invitation_view(account, invitation_id=invitation_id)).code
    assert code is not None
    return code


async def refused(attempt: Awaitable[object]) -> str:
    with pytest.raises(DomainError) as refusal:
        await attempt
    return refusal.value.code


async def proxy_of(account: Actor, person: UUID, *scopes: Scope, days: int = 30) -> Actor:
    relative = await identity.account_actor()
    code = await invited(account, person, *scopes, days=days)
    assert await accept_invitation(relative, code=code, relation=PARENT) == person
    return relative


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_relative_may_do_what_was_granted_and_nothing_else(db: str, scope: Scope) -> None:
    account, person = await mother()
    relative = await proxy_of(account, person, scope)
    for wanted in Scope:
        assert await may_act_for(relative, person_id=person, scope=wanted) is (wanted is scope)
    assert await may_see(relative, person_id=person) is (scope is Scope.READ)
    assert await may_follow(relative, person_id=person), "sees the visits it books, pays or reads about"
    assert not await may_speak_for(relative, person_id=person)
    assert (relative.id in await accounts_of(SYSTEM, person_id=person)) is (scope is Scope.READ)
    [shown] = await bound_persons(relative)
    assert (shown.proof, shown.scopes, shown.relation) == ("granted", [str(scope)], "5")


async def test_it_ends_by_itself(db: str) -> None:
    account, person = await mother()
    relative = await proxy_of(account, person, days=3)
    await set_clock(await now() + timedelta(days=3, seconds=1))
    assert not await may_see(relative, person_id=person)
    assert await bound_persons(relative) == []


async def test_both_sides_see_it_and_the_person_ends_it_at_once(db: str) -> None:
    account, person = await mother()
    relative = await proxy_of(account, person, Scope.READ)
    await patients.bound_person(relative, name="王小红")
    [own, theirs] = await who_may_act(account, person_id=person)
    assert (own.account_id, own.holder, theirs.account_id, theirs.holder) == (
        account.id,
        "李*明",
        relative.id,
        "王*红",
    )
    await revoke_proxy(account, binding_id=theirs.binding_id)
    assert not await may_see(relative, person_id=person)
    assert await accounts_of(SYSTEM, person_id=person) == [account.id]
    await revoke_proxy(account, binding_id=theirs.binding_id)
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.unbound'") == 1


async def test_only_the_person_revokes_and_never_by_mistake_themselves(db: str) -> None:
    account, person = await mother()
    relative, stranger = await proxy_of(account, person), await identity.account_actor()
    [own, theirs] = await who_may_act(account, person_id=person)
    assert await refused(revoke_proxy(stranger, binding_id=theirs.binding_id)) == "proxy_not_found"
    assert await refused(revoke_proxy(relative, binding_id=own.binding_id)) == "proxy_not_found"
    assert await refused(revoke_proxy(account, binding_id=own.binding_id)) == "proxy_not_found"
    await unbind_person(relative, person_id=person)
    assert [each.account_id for each in await who_may_act(account, person_id=person)] == [account.id]


async def test_a_relative_cannot_pass_it_on(db: str) -> None:
    account, person = await mother()
    relative = await proxy_of(account, person)
    assert await refused(invited(relative, person)) == "person_not_found"


async def test_one_does_not_invite_oneself(db: str) -> None:
    account, person = await mother()
    code = await invited(account, person)
    assert await refused(accept_invitation(account, code=code, relation=PARENT)) == "own_invitation"
    other_phone = await identity.account_actor()
    assert (
        await refused(accept_invitation(other_phone, code=code, relation=Relation.SELF))
        == "proxy_is_not_self"
    )
    assert (await my_invitations(account))[0].accepted_at is None, "nobody has used it up"


async def test_a_code_works_once_for_a_day_and_only_until_withdrawn(db: str) -> None:
    account, person = await mother()
    first, late = await identity.account_actor(), await identity.account_actor()
    used, withdrawn, expired = [await invited(account, person) for _ in range(3)]
    await accept_invitation(first, code=used, relation=PARENT)
    assert await refused(accept_invitation(late, code=used, relation=PARENT)) == "invitation_invalid"
    waiting = next(i for i in await my_invitations(account) if i.code == withdrawn)
    await withdraw_invitation(account, invitation_id=waiting.id)
    assert await refused(accept_invitation(late, code=withdrawn, relation=PARENT)) == "invitation_invalid"
    await set_clock(await now() + timedelta(hours=24))
    assert await refused(accept_invitation(late, code=expired, relation=PARENT)) == "invitation_invalid"
    assert await refused(accept_invitation(late, code="guessed", relation=PARENT)) == "invitation_invalid"
    assert [i.code for i in await my_invitations(account)] == [None, None, None]


async def test_somebody_elses_invitation_does_not_exist(db: str) -> None:
    account, person = await mother()
    await invited(account, person)
    [sent] = await my_invitations(account)
    stranger = await identity.account_actor()
    assert await my_invitations(stranger) == []
    assert await refused(invitation_view(stranger, invitation_id=sent.id)) == "invitation_invalid"
    assert await refused(withdraw_invitation(stranger, invitation_id=sent.id)) == "invitation_invalid"
    assert await refused(accept_invitation(SYSTEM, code="any", relation=PARENT)) == "only_accounts_bind"
    assert await value("SELECT count(*) FROM invitation WHERE code LIKE $1", f"%{sent.code}%") == 0


@pytest.mark.parametrize(
    ("days", "code"), [(0, "grant_too_long"), (-1, "grant_too_long"), (367, "grant_too_long")], ids=str
)
async def test_a_grant_ends_within_a_year(db: str, days: int, code: str) -> None:
    account, person = await mother()
    assert await refused(invited(account, person, days=days)) == code


async def test_nothing_granted_and_too_many_waiting_are_refused(db: str) -> None:
    account, person = await mother()
    nothing = invite(account, person_id=person, scopes=[], ends_at=await now() + timedelta(days=1))
    assert await refused(nothing) == "scopes_needed"
    for _ in range(WAITING_MAX):
        await invited(account, person)
    assert await refused(invited(account, person)) == "too_many_invitations"


async def test_reading_is_shared_with_consent_and_only_as_long(db: str) -> None:
    account = await identity.account_actor()
    person = await patients.bound_person(account)
    with pytest.raises(ConsentRequired):
        await invited(account, person, Scope.READ)
    await invited(account, person, Scope.BOOK, Scope.PAY)
    await patients.agree(account, person, also=(ConsentCode.FAMILY_SHARING,))
    relative = await proxy_of(account, person)
    [sharing] = [
        c for c in await consents_of(account, person_id=person) if c.code is ConsentCode.FAMILY_SHARING
    ]
    await withdraw_consent(account, consent_id=sharing.id)
    with pytest.raises(ConsentRequired):
        await may_see(relative, person_id=person)
    assert await may_see(account, person_id=person)
    assert await may_act_for(relative, person_id=person, scope=Scope.BOOK)


async def test_the_persons_word_replaces_what_a_name_was_worth(db: str) -> None:
    number = patients.id_number()
    account, relative = await identity.account_actor(), await identity.account_actor()
    person = await patients.bound_person(account, number=number)
    await patients.bound_person(relative, number=number, relation="5")
    await accept_invitation(relative, code=await invited(account, person, Scope.PAY), relation=PARENT)
    [shown] = await bound_persons(relative)
    assert (shown.proof, shown.scopes) == ("granted", ["pay"])


async def test_oneself_and_a_minors_guardian_have_more_already(db: str) -> None:
    number, phone = patients.id_number(), "13812345678"
    account, second = await identity.account_actor(), await identity.account_actor()
    person = await patients.bound_person(account, number=number, phone=phone)
    await patients.bound_person(second, number=number, phone=phone)
    code = await invited(account, person, Scope.BOOK)
    assert await refused(accept_invitation(second, code=code, relation=PARENT)) == "already_bound"


async def test_a_full_person_takes_no_more_relatives(db: str) -> None:
    account, person = await mother()
    for _ in range(ACCOUNTS_PER_PERSON_MAX - 1):
        await proxy_of(account, person)
    code = await invited(account, person)
    late = await identity.account_actor()
    assert await refused(accept_invitation(late, code=code, relation=PARENT)) == "too_many_accounts"


@pytest.mark.commits
async def test_a_hundred_who_accept_at_once_are_one(db: str) -> None:
    account, person = await mother()
    code = await invited(account, person)
    rivals = [await identity.account_actor() for _ in range(100)]

    async def accept(rival: Actor) -> str:
        try:
            await accept_invitation(rival, code=code, relation=PARENT)
        except DomainError as refusal:
            return refusal.code
        return "accepted"

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(accept(rival)) for rival in rivals]
    said = [task.result() for task in tasks]
    assert said.count("accepted") == 1
    assert set(said) <= {"accepted", "invitation_invalid", "pool_busy"}
    assert await value("SELECT count(*) FROM binding WHERE person_id = $1 AND proof = 'granted'", person) == 1


@pytest.mark.commits
async def test_a_revocation_waits_for_what_has_begun_and_ends_what_comes_after(db: str) -> None:
    account, person = await mother()
    relative = await proxy_of(account, person, Scope.BOOK)
    theirs = (await who_may_act(account, person_id=person))[-1]
    holding, may_go_on = asyncio.Event(), asyncio.Event()

    @action
    async def book(actor: Actor) -> None:
        await require_may_act_for(actor, person_id=person, scope=Scope.BOOK)
        holding.set()
        await may_go_on.wait()

    async with asyncio.TaskGroup() as group:
        booking = group.create_task(book(relative))
        await holding.wait()
        revoking = group.create_task(revoke_proxy(account, binding_id=theirs.binding_id))
        done, _ = await asyncio.wait([revoking], timeout=0.3)
        assert not done, "the act that has begun is finished first"
        may_go_on.set()
        await booking
    with pytest.raises(PersonNotFound):
        await require_may_act_for(relative, person_id=person, scope=Scope.BOOK)
