"""A copy of one's own data: whole, one's own, for who speaks for the person, and gone after a day."""

import json
from collections.abc import Awaitable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.kernel.actor import Actor, system
from app.kernel.errors import DomainError
from app.kernel.settings import ROOT
from app.patients.access import ConsentRequired
from app.patients.consents import consents_of, withdraw_consent
from app.patients.copying import Section
from app.patients.linking import link_persons
from app.rights import exports
from app.rights.copies import NOT_COPIED
from app.rights.exports import DAY_MAX, Copy, ask_for_copy, export_view, make_copy
from mini_program_api.rights import SECTIONS
from tests.copy_page import copy_page
from tests.make import organization, patients
from tests.make.inpatient import write
from tests.make.rows import value
from tests.make.traces import access
from tests.make.visit import now, set_clock
from tests.rights.people import person, relative
from tests.walls.stories import Story, story, walled_tables

SYSTEM = system("test")
WAITING = {"diagnoses", "notes", "reports", "results"}  # what is not told by a paper before a doctor tells it


async def copy_of(actor: Actor, person_id: UUID) -> Copy:
    return await make_copy(actor, export_id=await ask_for_copy(actor, person_id=person_id), sections=SECTIONS)


def text_of(copy: Copy) -> str:
    return msgspec.json.encode(copy).decode()


def parts_of(copy: Copy) -> dict[str, list[dict[str, Any]]]:
    return {part.name: part.rows for part in copy.parts}


async def refused(attempt: Awaitable[object]) -> str:
    with pytest.raises(DomainError) as refusal:
        await attempt
    return refusal.value.code


async def test_every_walled_table_is_copied_or_says_why_not(db: str) -> None:
    walled = set(await walled_tables())
    copied = [table for section in SECTIONS for table in section.tables]
    assert len(copied) == len(set(copied))
    assert set(copied) | NOT_COPIED.keys() == walled
    assert not set(copied) & NOT_COPIED.keys()


@pytest.mark.parametrize("section", SECTIONS, ids=[section.name for section in SECTIONS])
def test_every_column_has_its_chinese_name(section: Section) -> None:
    assert next(iter(section.fields)) == "id"
    assert set(section.codes) <= section.fields.keys()
    words = [section.title, *section.fields.values()]
    words += [word for codes in section.codes.values() for word in codes.values()]
    assert all(
        any("\u4e00" <= letter <= "\u9fff" for letter in word) or word == "ICD-10 编码" for word in words
    )


def test_no_two_sections_share_a_name() -> None:
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)


def test_the_page_tells_what_a_copy_holds() -> None:
    assert (ROOT / "docs/copy.md").read_text() == copy_page()


@pytest.fixture
async def two_stories(db: str) -> tuple[Story, Story]:
    return await story("欧阳甲一"), await story("司徒乙二")


async def test_a_whole_story_is_in_its_copy_and_nothing_of_another(
    two_stories: tuple[Story, Story],
) -> None:
    one, other = two_stories
    copy = await copy_of(one.actors["account"], one.person_id)
    parts = parts_of(copy)
    empty = {name for name, rows in parts.items() if not rows}
    assert empty == {"controlled_registrations", "deposits", "refunds", *WAITING}
    assert all(part.complete for part in copy.parts)
    assert parts["identity"][0]["name"] == one.name
    text = text_of(copy)
    strangers = {other.name, other.id_number} | {str(i) for rows in other.rows.values() for i in rows}
    assert not [secret for secret in strangers if secret in text]
    for part in copy.parts:
        for coded, words in part.codes.items():
            for row in part.rows:
                said = row[coded] if isinstance(row[coded], list) else [row[coded]]
                assert {str(code) for code in said if code is not None} <= words.keys(), (part.name, coded)


async def test_what_a_doctor_must_say_first_waits_for_the_doctor(two_stories: tuple[Story, Story]) -> None:
    """The story's visit goes on, and its dangerous value is not acknowledged."""
    one, _ = two_stories
    await write("UPDATE critical_value SET status = 'handled' WHERE person_id = $1", one.person_id)
    await write(
        "UPDATE encounter SET status = 'closed', ended_at = now()"
        " WHERE person_id = $1 AND kind = 'outpatient'",
        one.person_id,
    )
    parts = parts_of(await copy_of(one.actors["account"], one.person_id))
    assert all(parts[name] for name in WAITING)
    assert "0.50" in {row["value"] for row in parts["results"]}


async def test_numbers_stay_masked_on_a_phone(db: str) -> None:
    number = patients.id_number()
    account, person_id = await person(number=number, phone="13800138000")
    text = text_of(await copy_of(account, person_id))
    assert number not in text
    assert "13800138000" not in text
    assert "138****8000" in text


async def test_a_family_account_gets_one_person_at_a_time(db: str) -> None:
    account, mother = await person(name="李小明")
    child = await patients.bound_person(
        account, name="李小宝", relation="2", sex="1", born_on=date(2026, 5, 6)
    )
    text = text_of(await copy_of(account, mother))
    assert str(child) not in text
    assert "李小宝" not in text
    assert "李小明" not in text_of(await copy_of(account, child))


async def test_a_relatives_name_and_account_are_not_in_it(db: str) -> None:
    account, person_id = await person()
    daughter = await relative(account, person_id)
    await patients.bound_person(daughter, name="陈小燕")
    text = text_of(await copy_of(account, person_id))
    assert "陈小燕" not in text
    assert str(daughter.id) not in text


async def test_a_linked_duplicate_is_in_it_and_a_stranger_of_the_same_name_is_not(db: str) -> None:
    account, person_id = await person(name="李小明")
    duplicate, stranger = await patients.person(name="李小明"), await patients.person(name="李小明")
    await link_persons(SYSTEM, duplicate_id=duplicate, survivor_id=person_id)
    ids = {row["id"] for row in parts_of(await copy_of(account, person_id))["identity"]}
    assert ids == {person_id, duplicate}
    assert stranger not in ids


async def test_the_access_log_is_part_of_it(db: str) -> None:
    account, person_id = await person()
    doctor = await organization.staff(name="张伟")
    await access(person_id=person_id, actor_id=doctor)
    assert [line.who for line in (await copy_of(account, person_id)).accesses] == ["张伟 主治医师"]


async def test_long_sections_are_read_page_by_page_to_the_end(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, person_id = await person()
    monkeypatch.setattr("app.patients.copying.PAGE", 2)
    consents = next(part for part in (await copy_of(account, person_id)).parts if part.name == "consents")
    assert len(consents.rows) == 3
    assert consents.complete
    monkeypatch.setattr(exports, "ROWS_MAX", 2)
    copy = await copy_of(account, person_id)
    assert not next(part for part in copy.parts if part.name == "consents").complete


async def test_only_who_speaks_for_the_person_and_agreed_takes_one(db: str) -> None:
    account, person_id = await person()
    daughter = await relative(account, person_id)
    assert await refused(ask_for_copy(daughter, person_id=person_id)) == "person_not_found"
    taken = await ask_for_copy(account, person_id=person_id)
    assert await refused(export_view(daughter, export_id=taken)) == "export_not_found"
    given = await consents_of(account, person_id=person_id)
    sensitive = next(consent for consent in given if consent.code == "sensitive_health")
    await withdraw_consent(account, consent_id=sensitive.id)
    with pytest.raises(ConsentRequired):
        await ask_for_copy(account, person_id=person_id)
    with pytest.raises(ConsentRequired):  # also one that was asked for before
        await make_copy(account, export_id=taken, sections=SECTIONS)


async def test_it_ends_after_a_day_and_few_are_made(db: str) -> None:
    account, person_id = await person()
    taken = [await ask_for_copy(account, person_id=person_id) for _ in range(DAY_MAX)]
    assert await refused(ask_for_copy(account, person_id=person_id)) == "too_many_exports"
    await set_clock(await now() + timedelta(hours=24, seconds=1))
    assert await refused(export_view(account, export_id=taken[0])) == "export_not_found"
    await ask_for_copy(account, person_id=person_id)
    asked = await value("SELECT count(*) FROM event WHERE kind = 'data_export.taken'")
    assert asked == DAY_MAX + 1


async def test_what_is_shown_is_json_with_its_words(db: str) -> None:
    account, person_id = await person()
    read = json.loads(text_of(await copy_of(account, person_id)))
    assert read["schema"] == "jiuyi-copy-1"
    part = read["parts"][0]
    assert part["title"] == "身份信息"
    assert part["codes"]["sex"][part["rows"][0]["sex"]] == "女"
