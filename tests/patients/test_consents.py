"""Nothing is shown on a phone without the person's agreement to the text in force."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.errors import DomainError
from app.patients.access import ConsentRequired, PersonNotFound, may_follow, may_see, require_may_see
from app.patients.binding import Relation, bind_person
from app.patients.consents import (
    ConsentCode,
    consents_of,
    current_documents,
    give_consent,
    withdraw_consent,
)
from app.patients.queries import accounts_of, bound_persons
from app.patients.rules import guardian_term
from tests.make import identity, patients
from tests.make.rows import row, value
from tests.make.visit import now, set_clock

SYSTEM = system("test")
HEALTH = ConsentCode.SENSITIVE_HEALTH


async def bound() -> tuple[Actor, UUID]:
    """An account and its person, with nothing agreed to."""
    account = await identity.account_actor()
    person = await bind_person(account, form=patients.form(), relation=Relation.SELF)
    return account, person


async def missing(account: Actor) -> list[str]:
    return (await bound_persons(account))[-1].consents_missing


async def new_version(code: ConsentCode, *, version: int = 2, grace_days: int = 0, in_days: int = 0) -> None:
    await row(
        "consent_document",
        code=str(code),
        version=version,
        title="新版",
        purpose="新版",
        text="新版",
        effective_from=await now() + timedelta(days=in_days),
        grace_days=grace_days,
        needed_to_read=True,
    )


async def test_results_wait_for_the_agreement_and_booking_does_not(db: str) -> None:
    account, person = await bound()
    assert await missing(account) == ["privacy", "sensitive_health"]
    with pytest.raises(ConsentRequired):
        await require_may_see(account, person_id=person)
    assert await accounts_of(SYSTEM, person_id=person) == []
    assert await may_follow(account, person_id=person)
    await give_consent(account, person_id=person, code=ConsentCode.PRIVACY, version=1)
    with pytest.raises(ConsentRequired):
        await may_see(account, person_id=person)
    await give_consent(account, person_id=person, code=HEALTH, version=1)
    assert await may_see(account, person_id=person)
    assert await accounts_of(SYSTEM, person_id=person) == [account.id]


async def test_taking_it_back_closes_results_at_once_and_nothing_else(db: str) -> None:
    account, person = await bound()
    await patients.agree(account, person)
    [health] = [c for c in await consents_of(account, person_id=person) if c.code is HEALTH]
    await withdraw_consent(account, consent_id=health.id)
    await withdraw_consent(account, consent_id=health.id)
    with pytest.raises(ConsentRequired):
        await may_see(account, person_id=person)
    assert await may_follow(account, person_id=person)
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.consent_withdrawn'") == 1
    again = await give_consent(account, person_id=person, code=HEALTH, version=1)
    assert again != health.id
    assert await may_see(account, person_id=person)
    kept = [c.withdrawn_at is None for c in await consents_of(account, person_id=person) if c.code is HEALTH]
    assert kept == [True, False], "what was agreed to and taken back stays on record"


async def test_an_optional_text_opens_and_closes_nothing(db: str) -> None:
    account, person = await bound()
    await patients.agree(account, person)
    research = await give_consent(account, person_id=person, code=ConsentCode.RESEARCH, version=1)
    await withdraw_consent(account, consent_id=research)
    assert await may_see(account, person_id=person)


async def test_a_new_version_asks_again_once_its_grace_is_over(db: str) -> None:
    account, person = await bound()
    await patients.agree(account, person)
    start = await now()
    await new_version(HEALTH, grace_days=30, in_days=10)
    assert await may_see(account, person_id=person)
    await set_clock(start + timedelta(days=40) - timedelta(seconds=1))
    assert await may_see(account, person_id=person)
    await set_clock(start + timedelta(days=40, seconds=1))
    assert await missing(account) == ["sensitive_health"]
    with pytest.raises(DomainError) as refusal:
        await give_consent(account, person_id=person, code=HEALTH, version=1)
    assert refusal.value.code == "consent_document_replaced"
    await give_consent(account, person_id=person, code=HEALTH, version=2)
    assert await may_see(account, person_id=person)


async def test_a_version_of_tomorrow_cannot_be_agreed_to_today(db: str) -> None:
    account, person = await bound()
    await new_version(HEALTH, in_days=1)
    assert {d.version for d in await current_documents(account)} == {1}
    with pytest.raises(DomainError) as refusal:
        await give_consent(account, person_id=person, code=HEALTH, version=2)
    assert refusal.value.code == "consent_document_replaced"


async def test_a_child_needs_the_guardians_word_until_fourteen(db: str) -> None:
    today = clock.local_day(await now())
    guardian = await identity.account_actor()
    await patients.bound_person(guardian)
    born_on = today.replace(year=today.year - 13, day=1)
    child = await bind_person(
        guardian, form=patients.form(name="李乐乐", born_on=born_on), relation=Relation.DAUGHTER
    )
    assert await missing(guardian) == ["minors", "privacy", "sensitive_health"]
    await patients.agree(guardian, child)
    given = await consents_of(guardian, person_id=child)
    assert {(c.by_guardian, c.valid_to) for c in given} == {(True, guardian_term(born_on).read_until)}
    [minors] = [c for c in given if c.code is ConsentCode.MINORS]
    await withdraw_consent(guardian, consent_id=minors.id)
    with pytest.raises(ConsentRequired):
        await may_see(guardian, person_id=child)
    await set_clock(await now() + timedelta(days=366))
    assert await may_see(guardian, person_id=child), "fourteen: the text is no longer needed"


async def test_only_who_speaks_for_a_person_agrees_reads_and_withdraws(db: str) -> None:
    account, person = await bound()
    consent = await give_consent(account, person_id=person, code=HEALTH, version=1)
    adder, stranger = await identity.account_actor(), await identity.account_actor()
    number = patients.id_number()
    other = await patients.bound_person(adder, relation="1", number=number)
    for who, whom in ((stranger, person), (adder, other), (adder, person), (SYSTEM, person)):
        with pytest.raises(PersonNotFound):
            await give_consent(who, person_id=whom, code=HEALTH, version=1)
        with pytest.raises(PersonNotFound):
            await consents_of(who, person_id=whom)
        with pytest.raises(DomainError) as refusal:
            await withdraw_consent(who, consent_id=consent)
        assert refusal.value.code == "consent_not_found"


@pytest.mark.commits
async def test_agreeing_many_times_at_once_leaves_one_agreement(db: str) -> None:
    account, person = await bound()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(give_consent(account, person_id=person, code=HEALTH, version=1))
            for _ in range(12)
        ]
    assert len({task.result() for task in tasks}) == 1
    assert await value("SELECT count(*) FROM consent WHERE person_id = $1", person) == 1
