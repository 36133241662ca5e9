"""Visit persons: one row per human being, guardians for minors, caps on both sides."""

import asyncio
from datetime import date, timedelta

import httpx
import msgspec
import pytest

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.crypto import decrypt
from app.kernel.database import action
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.patients import binding, registering
from app.patients.binding import Relation, bind_person
from app.patients.queries import bound_persons, find_by_id_number, id_number_ends_with
from app.patients.registering import PersonForm, register_person
from app.patients.tables import NoIdReason, Sex
from tests.make import identity, patients
from tests.make.rows import value

ADULT = date(1990, 5, 6)


@action
async def business_day(actor: Actor) -> date:
    return await clock.today()


async def child_day() -> date:
    return patients.years_ago(6, of=await business_day(system("test")))


async def refusal_of(actor: Actor, form: PersonForm, relation: Relation = Relation.SELF) -> str:
    with pytest.raises(DomainError) as refusal:
        await bind_person(actor, form=form, relation=relation)
    return refusal.value.code


async def test_a_parent_binds_herself_and_her_child(db: str) -> None:
    parent = await identity.account_actor()
    await patients.bound_person(
        parent, name="李小明", phone="13812345678", address=" 北京市朝阳区建国路88号 "
    )
    child = await patients.bound_person(
        parent, name="李乐乐", relation="2", sex="1", born_on=await child_day()
    )
    mine, hers = await bound_persons(parent)
    assert (mine.name, mine.relation, mine.guardian, mine.masked_phone) == (
        "李小明",
        "0",
        False,
        "138****5678",
    )
    assert mine.masked_address == "北京市朝阳区***"
    stored = await value("SELECT address FROM person WHERE id = $1", mine.id)
    assert decrypt(stored, context=f"person.address.{mine.id}") == "北京市朝阳区建国路88号"
    assert (hers.id, hers.guardian, hers.age) == (child, True, 6)
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.bound'") == 2


async def test_numbers_are_stored_sealed_and_found_by_index(db: str) -> None:
    number = patients.id_number()
    person_id = await patients.person(number=number, phone="13812345678")
    assert await find_by_id_number(system("test"), id_number=f" {number.lower()} ") == person_id
    assert await find_by_id_number(system("test"), id_number="11010519491231002X") is None
    for table in ("person", "event"):
        stored = await value(f"SELECT coalesce(json_agg({table})::text, '') FROM {table}")
        assert number not in stored
        assert "13812345678" not in stored


async def test_the_end_of_a_number_can_be_compared_but_not_read(db: str) -> None:
    number = patients.id_number()
    person_id = await patients.person(number=number)
    ask = system("test")
    assert await id_number_ends_with(ask, person_id=person_id, ending=number[-6:].lower())
    assert not await id_number_ends_with(ask, person_id=person_id, ending=number[-1:]), "too short"
    assert not await id_number_ends_with(ask, person_id=person_id, ending="xxxxxx")
    assert not await id_number_ends_with(ask, person_id=new_id(), ending=number[-6:])


async def test_the_same_person_bound_by_two_accounts_is_one_row(db: str) -> None:
    number = patients.id_number()
    first = await patients.bound_person(await identity.account_actor(), number=number)
    other = await identity.account_actor()
    second = await patients.bound_person(other, number=number.lower(), relation="1")
    assert first == second
    third = patients.form(name="张三", number=number)
    assert await refusal_of(await identity.account_actor(), third) == "name_disagrees"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"id_number": "340524198001010013"}, "id_number_invalid", id="check digit"),
        pytest.param({"sex": Sex.MALE}, "id_number_disagrees", id="sex"),
        pytest.param({"born_on": date(1990, 5, 7)}, "id_number_disagrees", id="birth date"),
        pytest.param({"id_number": None}, "id_number_needed", id="no number"),
        pytest.param(
            {"id_number": None, "no_id_reason": NoIdReason.NEWBORN}, "id_number_needed", id="old newborn"
        ),
        pytest.param({"name": "  "}, "name_malformed", id="no name"),
        pytest.param({"name": "长" * 61}, "name_malformed", id="long name"),
        pytest.param({"phone": "12345"}, "phone_invalid", id="phone"),
        pytest.param({"address": " "}, "address_invalid", id="no address"),
        pytest.param({"address": "长" * 201}, "address_invalid", id="long address"),
    ],
)
async def test_a_form_that_disagrees_is_refused(db: str, changes: dict[str, object], code: str) -> None:
    form = msgspec.structs.replace(patients.form(), **changes)
    assert await refusal_of(await identity.account_actor(), form) == code


async def test_a_newborn_needs_a_guardian_but_no_number(db: str) -> None:
    parent = await identity.account_actor()
    born_on = await business_day(system("test")) - timedelta(days=3)
    newborn = PersonForm(name="李小宝", sex=Sex.MALE, born_on=born_on, no_id_reason=NoIdReason.NEWBORN)
    assert await refusal_of(parent, newborn, Relation.SON) == "guardian_needed"
    await patients.bound_person(parent)
    person_id = await bind_person(parent, form=newborn, relation=Relation.SON)
    shown = {person.id: person for person in await bound_persons(parent)}[person_id]
    assert (shown.guardian, shown.masked_id_number) == (True, None)
    assert not await id_number_ends_with(system("test"), person_id=person_id, ending="123456")


async def test_a_minor_needs_an_adult_guardian(db: str) -> None:
    child = patients.form(name="李乐乐", born_on=await child_day())
    account = await identity.account_actor()
    assert await refusal_of(account, child, Relation.SELF) == "guardian_needed"
    assert await refusal_of(account, child, Relation.DAUGHTER) == "guardian_needed"
    await patients.bound_person(account)
    assert await refusal_of(account, child, Relation.SPOUSE) == "guardian_needed"
    await bind_person(account, form=child, relation=Relation.DAUGHTER)


async def test_bound_twice_and_two_selves_are_refused(db: str) -> None:
    account = await identity.account_actor()
    form = patients.form()
    await bind_person(account, form=form, relation=Relation.SELF)
    assert await refusal_of(account, form, Relation.SPOUSE) == "already_bound"
    assert await refusal_of(account, patients.form(), Relation.SELF) == "self_already_bound"


async def test_an_account_binds_five_persons_and_no_more(db: str) -> None:
    account = await identity.account_actor()
    for _ in range(binding.PERSONS_PER_ACCOUNT_MAX):
        await patients.bound_person(account, relation="8")
    assert await refusal_of(account, patients.form(), Relation.OTHER) == "too_many_persons"


async def test_a_person_is_bound_by_five_accounts_and_no_more(db: str) -> None:
    form = patients.form()
    for _ in range(binding.ACCOUNTS_PER_PERSON_MAX):
        await bind_person(await identity.account_actor(), form=form, relation=Relation.OTHER)
    assert await refusal_of(await identity.account_actor(), form, Relation.OTHER) == "too_many_accounts"


async def test_an_ended_binding_can_be_made_again(db: str) -> None:
    account = await identity.account_actor()
    form = patients.form()
    person_id = await bind_person(account, form=form, relation=Relation.OTHER)
    await value("UPDATE binding SET valid_to = jiuyi.now() - interval '1 minute'")
    assert await bound_persons(account) == []
    assert await bind_person(account, form=form, relation=Relation.SELF) == person_id
    assert [person.relation for person in await bound_persons(account)] == ["0"]


async def test_only_accounts_bind_and_have_bound_persons(db: str) -> None:
    assert await refusal_of(system("test"), patients.form()) == "only_accounts_bind"
    assert await bound_persons(system("test")) == []


@pytest.mark.commits
async def test_registering_one_person_many_times_at_once_makes_one_row(db: str) -> None:
    form = patients.form()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(register_person(system("test"), form=form)) for _ in range(8)]
    assert len({task.result() for task in tasks}) == 1
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.registered'") == 1


@pytest.mark.commits
async def test_the_cap_holds_when_many_bind_at_once(db: str) -> None:
    account = await identity.account_actor()

    async def bind() -> bool:
        try:
            await patients.bound_person(account, relation="8")
        except binding.TooManyPersons:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bind()) for _ in range(9)]
    assert sum(task.result() for task in tasks) == binding.PERSONS_PER_ACCOUNT_MAX


async def test_the_screens_over_http(client: httpx.AsyncClient) -> None:
    token = await identity.account_token()
    number = patients.id_number()
    body = {"name": "李小明", "sex": "2", "born_on": "1990-05-06", "relation": "0", "id_number": number}
    headers = identity.bearer(token)
    first = await client.post("/api/mini-program/v1/persons", json=body, headers=headers)
    again = await client.post("/api/mini-program/v1/persons", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert number not in first.text
    listed = await client.get("/api/mini-program/v1/persons", headers=headers)
    assert listed.json()["items"] == [first.json()]
    wrong = body | {"id_number": "340524198001010013"}
    refused = await client.post("/api/mini-program/v1/persons", json=wrong, headers=identity.bearer(token))
    assert (refused.status_code, refused.json()["code"]) == (422, "id_number_invalid")
    assert "340524198001010013" not in refused.text
    unknown = await client.post(
        "/api/mini-program/v1/persons", json=body | {"vip": True}, headers=identity.bearer(token)
    )
    assert unknown.status_code == 400
    assert registering.NAME_LENGTH_MAX == 60
