"""What an account shows when it adds a person, and what that is worth."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch_value
from app.kernel.errors import DomainError
from app.patients.access import may_follow, may_speak_for
from app.patients.binding import Relation, bind_person, unbind_person
from app.patients.queries import accounts_of, bound_persons
from app.patients.rules import (
    GRANT_DAYS_MAX,
    Grant,
    PhoneAnswer,
    Standing,
    age_on,
    grant_of,
    guardian_term,
    majority_day,
    may_bind_itself,
    may_grant,
)
from app.patients.tables import Proof, Scope
from tests.make import identity, patients
from tests.make.rows import value
from tests.make.visit import now

PHONE, OTHER_PHONE = "13812345678", "13912345678"
BIRTHDAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
BOOK_AND_PAY = (Scope.BOOK, Scope.PAY)


@given(BIRTHDAYS)
def test_somebody_is_of_age_from_the_majority_day_on_and_not_a_day_before(born_on: date) -> None:
    day = majority_day(born_on)
    assert age_on(day, born_on) == 18
    assert age_on(day - timedelta(days=1), born_on) == 17


def test_who_was_born_on_29_february_is_of_age_on_1_march() -> None:
    assert majority_day(date(2008, 2, 29)) == date(2026, 3, 1)
    assert majority_day(date(2008, 2, 28)) == date(2026, 2, 28)


@given(BIRTHDAYS)
def test_a_guardian_reads_until_that_midnight_and_books_thirty_days_longer(born_on: date) -> None:
    term = guardian_term(born_on)
    assert f"{term.read_until:%Y-%m-%d %H:%M}" == f"{majority_day(born_on)} 00:00"
    assert term.valid_to - term.read_until == timedelta(days=30)


@pytest.mark.parametrize(("day", "may"), [(date(2026, 2, 28), False), (date(2026, 3, 1), True)], ids=str)
def test_from_fourteen_on_a_minor_may_have_an_own_login(day: date, may: bool) -> None:
    assert may_bind_itself(day, date(2012, 2, 29)) is may


@given(st.sampled_from(Standing), st.sampled_from(PhoneAnswer), st.booleans())
def test_only_oneself_or_a_guardian_reads_and_only_with_more_than_a_name(
    standing: Standing, phone: PhoneAnswer, is_new: bool
) -> None:
    grant = grant_of(standing, phone, is_new=is_new)
    reads = grant is not None and Scope.READ in grant.scopes
    assert reads is (standing is not Standing.OTHER and (is_new or phone is PhoneAnswer.AGREES))
    if grant is None:
        assert phone in (PhoneAnswer.NOT_STATED, PhoneAnswer.DISAGREES)
    else:
        assert set(BOOK_AND_PAY) <= set(grant.scopes)
        assert grant.proof not in (Proof.WINDOW, Proof.GRANTED), "nobody proves that on a phone"


@pytest.mark.parametrize(
    ("standing", "phone", "is_new", "grant"),
    [
        (Standing.SELF, PhoneAnswer.NONE_ON_FILE, True, Grant(Proof.ID_AND_NAME, tuple(Scope))),
        (Standing.SELF, PhoneAnswer.AGREES, False, Grant(Proof.PHONE, tuple(Scope))),
        (Standing.SELF, PhoneAnswer.NONE_ON_FILE, False, Grant(Proof.ID_AND_NAME, BOOK_AND_PAY)),
        (Standing.SELF, PhoneAnswer.DISAGREES, False, None),
        (Standing.GUARDIAN, PhoneAnswer.NONE_ON_FILE, True, Grant(Proof.GUARDIAN, tuple(Scope))),
        (Standing.GUARDIAN, PhoneAnswer.AGREES, False, Grant(Proof.GUARDIAN, tuple(Scope))),
        (Standing.GUARDIAN, PhoneAnswer.NOT_STATED, False, None),
        (Standing.OTHER, PhoneAnswer.AGREES, False, Grant(Proof.ID_AND_NAME, BOOK_AND_PAY)),
    ],
)
def test_the_table_of_proofs(
    standing: Standing, phone: PhoneAnswer, is_new: bool, grant: Grant | None
) -> None:
    assert grant_of(standing, phone, is_new=is_new) == grant


@given(st.timedeltas(timedelta(days=-2), timedelta(days=2 * GRANT_DAYS_MAX)))
def test_what_is_granted_ends_within_a_year(ahead: timedelta) -> None:
    now = guardian_term(date(2000, 1, 1)).read_until
    assert may_grant(now=now, ends_at=now + ahead) is (timedelta(0) < ahead <= timedelta(days=GRANT_DAYS_MAX))


@action
async def sql_age(actor: Actor, *, day: date, born_on: date) -> int:
    return await fetch_value(
        "SELECT extract(year FROM age($1::date::timestamp, $2::date::timestamp))::int", day, born_on
    )


async def test_the_database_counts_years_as_the_rule_does(db: str) -> None:
    for born_on in (date(2012, 2, 29), date(2012, 2, 28), date(2011, 3, 1), date(2011, 12, 31)):
        for day in (date(2026, 2, 28), date(2026, 3, 1), date(2025, 12, 31), date(2024, 2, 29)):
            assert await sql_age(system("test"), day=day, born_on=born_on) == age_on(day, born_on)


async def refusal_of(actor: Actor, number: str, phone: str | None = None) -> str:
    with pytest.raises(DomainError) as refusal:
        await bind_person(actor, form=patients.form(number=number, phone=phone), relation=Relation.SELF)
    return refusal.value.code


async def scopes(actor: Actor) -> dict[str, list[str]]:
    return {person.proof: sorted(person.scopes) for person in await bound_persons(actor)}


async def test_a_second_login_tells_the_number_on_file_or_is_refused(db: str) -> None:
    number = patients.id_number()
    first, second = await identity.account_actor(), await identity.account_actor()
    await patients.bound_person(first, number=number, phone=PHONE)
    assert await refusal_of(second, number) == "phone_needed"
    assert await refusal_of(second, number, phone=OTHER_PHONE) == "phone_needed"
    assert await bound_persons(second) == []
    await patients.bound_person(second, number=number, phone=PHONE)
    assert await scopes(second) == {"phone": ["book", "pay", "read"]}


async def test_who_was_here_before_and_left_no_number_is_not_read_by_name_alone(db: str) -> None:
    number = patients.id_number()
    person = await patients.person(number=number)
    claimant = await identity.account_actor()
    await patients.bound_person(claimant, number=number)
    assert await scopes(claimant) == {"id_and_name": ["book", "pay"]}
    assert not await may_speak_for(claimant, person_id=person)
    assert not await may_follow(claimant, person_id=person)
    for scope in Scope:
        assert await accounts_of(system("test"), person_id=person, scope=scope) == []


async def test_a_grown_up_is_not_read_by_who_adds_them(db: str) -> None:
    wife = await identity.account_actor()
    await patients.bound_person(wife)
    await patients.bound_person(wife, relation="1", sex="1", name="王大山")
    assert [sorted(person.scopes) for person in await bound_persons(wife)] == [
        ["book", "pay", "read"],
        ["book", "pay"],
    ]


async def test_at_fifteen_one_binds_oneself_and_guards_nobody(db: str) -> None:
    today = (await now()).date()
    account = await identity.account_actor()
    await patients.bound_person(account, born_on=today - timedelta(days=15 * 366))
    assert [person.relation for person in await bound_persons(account)] == ["0"]
    with pytest.raises(DomainError) as refusal:
        await patients.bound_person(account, relation="7", born_on=today - timedelta(days=2000))
    assert refusal.value.code == "guardian_needed"


async def test_a_guardian_leaves_after_the_children(db: str) -> None:
    today = (await now()).date()
    account = await identity.account_actor()
    own = await patients.bound_person(account)
    child = await patients.bound_person(account, relation="3", born_on=today - timedelta(days=2000))
    with pytest.raises(DomainError) as refusal:
        await unbind_person(account, person_id=own)
    assert refusal.value.code == "guardian_of_minors"
    await unbind_person(account, person_id=child)
    await unbind_person(account, person_id=own)
    assert await bound_persons(account) == []
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.unbound'") == 2
    for stranger in (account, await identity.account_actor(), system("test")):
        with pytest.raises(DomainError):
            await unbind_person(stranger, person_id=own)
