"""Correction and deletion: asked by the person, answered once by somebody else, done, or kept by law."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.encounters.tables import EncounterKind
from app.encounters.visiting import close_encounter, open_encounter
from app.kernel import clock
from app.kernel.actor import Actor, Reach, system
from app.kernel.database import DB
from app.kernel.errors import DomainError
from app.outpatient.rules import at
from app.patients.forgetting import Contact
from app.patients.linking import link_persons
from app.patients.queries import accounts_of, bound_persons
from app.rights.answering import Decision, answer, request_list, request_view, tell_overdue
from app.rights.floors import must_stay
from app.rights.requests import WAITING_MAX, ask, ask_at_the_desk, my_request, my_requests, withdraw
from app.rights.rules import Record
from app.rights.tables import RequestKind, RequestStatus, StepKind, Topic
from notifications.inbox import messages_of
from tests.make import identity, organization, patients
from tests.make.orders import settle
from tests.make.rows import row, value
from tests.make.visit import set_clock
from tests.rights.people import MONDAY, person, relative

SYSTEM = system("test")
CORRECT, DELETE = RequestKind.CORRECTION, RequestKind.DELETION
NEW_PHONE = "13912345678"


async def registrar() -> Actor:
    staff_id = await organization.staff(role="registrar")
    return identity.staff_actor(staff_id, role="registrar", reach=Reach.EVERYBODY)


async def asked(
    account: Actor,
    person_id: UUID,
    *topics: Topic,
    kind: RequestKind = DELETE,
    wanted: Contact | None = None,
) -> UUID:
    return await ask(
        account, person_id=person_id, kind=kind, topics=topics, text="请按我的要求办理", wanted=wanted
    )


async def accepted(request_id: UUID, department_id: UUID | None = None) -> Actor:
    who = await registrar()
    await answer(
        who,
        request_id=request_id,
        decision=Decision.ACCEPT,
        text="已按申请办理",
        department_id=department_id,
    )
    return who


async def refused(attempt: Awaitable[object]) -> str:
    with pytest.raises(DomainError) as refusal:
        await attempt
    return refusal.value.code


async def visited(person_id: UUID, kind: EncounterKind, on: date, *, over: bool = True) -> None:
    await set_clock(at(on, time(9)))
    department = await organization.department()
    encounter = await open_encounter(SYSTEM, person_id=person_id, kind=kind, department_id=department)
    if over:
        await close_encounter(SYSTEM, encounter_id=encounter)


async def test_a_corrected_phone_is_the_one_on_file_and_the_old_one_is_kept_as_a_version(db: str) -> None:
    account, person_id = await person(phone="13800000001")
    old = await value("SELECT phone FROM person WHERE id = $1", person_id)
    wanted = Contact(name=" 李晓明 ", phone=NEW_PHONE, address="北京市海淀区学院路1号")
    topics = (Topic.NAME, Topic.PHONE, Topic.ADDRESS)
    request_id = await asked(account, person_id, *topics, kind=CORRECT, wanted=wanted)
    await accepted(request_id)
    (bound,) = await bound_persons(account)
    assert (bound.name, bound.masked_phone, bound.masked_address) == (
        "李晓明",
        "139****5678",
        "北京市海淀区***",
    )
    found = await my_request(account, request_id=request_id)
    assert (found.wanted_name, found.wanted_phone) == ("李晓明", "139****5678")
    assert {(step.kind, step.topic) for step in found.steps} == {
        (StepKind.CORRECTED, topic) for topic in topics
    }
    before = await kept_phone(person_id, op="I")
    assert before == old
    assert (await why(person_id)) == f"data_request {request_id}"


async def kept_phone(person_id: UUID, *, op: str) -> str:
    sql = "SELECT body ->> 'phone' FROM record_version WHERE row_id = $1 AND op::text = $2"
    return await raw(sql, person_id, op)


async def why(person_id: UUID) -> str:
    return await raw(
        "SELECT reason FROM record_version WHERE row_id = $1 AND op::text = $2 ORDER BY entry DESC LIMIT 1",
        person_id,
        "U",
    )


async def raw(sql: str, person_id: UUID, op: str) -> str:
    """Nobody of ours reads record versions: as the database's owner."""
    pool: Any = DB.pool
    await pool.connection.execute("RESET ROLE")
    return await pool.connection.fetchval(sql, str(person_id), op)


async def test_clinical_content_goes_to_the_department_whose_doctors_wrote_it(db: str) -> None:
    account, person_id = await person()
    request_id = await asked(account, person_id, Topic.CLINICAL, kind=CORRECT)
    assert await refused(accepted(request_id)) == "department_needed"
    await accepted(request_id, department_id=await organization.department(name="呼吸内科"))
    found = await my_request(account, request_id=request_id)
    assert found.status is RequestStatus.ACCEPTED
    assert found.steps[0].kind is StepKind.FORWARDED
    assert "呼吸内科" in found.steps[0].text


async def test_records_inside_the_floor_stay_with_law_and_last_day(db: str) -> None:
    account, person_id = await person()
    await visited(person_id, EncounterKind.OUTPATIENT, MONDAY + timedelta(days=1))
    await visited(person_id, EncounterKind.INPATIENT, MONDAY + timedelta(days=2))
    request_id = await asked(account, person_id, Topic.RECORDS)
    await accepted(request_id)
    found = await my_request(account, request_id=request_id)
    assert found.status is RequestStatus.REFUSED  # whoever is nice about it: all of it must stay
    assert [(step.text[:4], step.kept_until) for step in found.steps] == [
        ("住院病历", date(2061, 3, 5)),
        ("门（急）", date(2046, 3, 4)),
    ]
    assert all("医疗机构病历管理规定" in step.law for step in found.steps)


async def test_in_hospital_nothing_has_begun_to_count(db: str) -> None:
    _, person_id = await person()
    await visited(person_id, EncounterKind.INPATIENT, MONDAY + timedelta(days=2), over=False)
    (kept,) = await must_stay(SYSTEM, person_id=person_id, topics={Topic.RECORDS})
    assert (kept.record, kept.until) == (Record.INPATIENT, None)


async def test_a_visit_of_a_linked_duplicate_counts(db: str) -> None:
    _, person_id = await person()
    duplicate = await patients.person()
    await link_persons(SYSTEM, duplicate_id=duplicate, survivor_id=person_id)
    await visited(duplicate, EncounterKind.OUTPATIENT, MONDAY + timedelta(days=3))
    (kept,) = await must_stay(SYSTEM, person_id=person_id, topics={Topic.RECORDS})
    assert kept.until == date(2046, 3, 6)


async def test_after_the_floor_the_records_office_has_it(db: str) -> None:
    account, person_id = await person()
    await visited(person_id, EncounterKind.OUTPATIENT, MONDAY + timedelta(days=1))
    await set_clock(at(date(2046, 3, 5), time(9)))
    request_id = await asked(account, person_id, Topic.RECORDS)
    await accepted(request_id)
    found = await my_request(account, request_id=request_id)
    assert [step.kind for step in found.steps] == [StepKind.FORWARDED]


async def test_what_may_go_is_really_gone(db: str) -> None:
    account, person_id = await person(phone="13800000001")
    duplicate = await patients.person(phone="13800000002")
    await link_persons(SYSTEM, duplicate_id=duplicate, survivor_id=person_id)
    daughter = await relative(account, person_id)
    await settle()
    assert await messages_of(account, account_id=account.id or UUID(int=0))
    topics = (Topic.PHONE, Topic.CONSENTS, Topic.MESSAGES, Topic.BINDINGS, Topic.RECORDS)
    await visited(person_id, EncounterKind.OUTPATIENT, MONDAY + timedelta(days=1))
    request_id = await asked(account, person_id, *topics)
    await accepted(request_id)
    await settle()
    assert await value("SELECT count(*) FROM person WHERE phone IS NOT NULL OR phone_index IS NOT NULL") == 0
    assert await value("SELECT count(*) FROM consent WHERE withdrawn_at IS NULL") == 0
    assert await bound_persons(account) == await bound_persons(daughter) == []
    assert await accounts_of(SYSTEM, person_id=person_id) == []
    found = await my_request(account, request_id=request_id)  # still readable for who asked
    assert found.status is RequestStatus.PARTLY
    done = {step.topic: (step.kind, step.affected) for step in found.steps}
    assert done[Topic.PHONE] == (StepKind.REMOVED, 2)
    assert done[Topic.BINDINGS] == (StepKind.REMOVED, 2)
    assert done[Topic.CONSENTS][1] == 4
    assert done[Topic.MESSAGES][1] > 0
    assert done[Topic.RECORDS] == (StepKind.KEPT, 0)
    titles = [message.kind for message in await messages_of(account, account_id=account.id or UUID(int=0))]
    assert set(titles) <= {"data_request.answered", "person.unbound"}
    assert "data_request.answered" in titles


async def test_bindings_stay_while_somebody_must_act(db: str) -> None:
    account, person_id = await person()
    await row(
        "bill", person_id=person_id, kind="outpatient", subject_kind="x", subject_id=person_id, status="open",
        amount_fen=100, refunded_fen=0, opened_at=clock.wall(),
    )  # fmt: skip
    request_id = await asked(account, person_id, Topic.BINDINGS)
    assert await refused(accepted(request_id)) == "data_still_in_use"
    assert (await my_request(account, request_id=request_id)).status is RequestStatus.RECEIVED


async def test_a_refusal_gives_its_reason_and_changes_nothing(db: str) -> None:
    account, person_id = await person(phone="13800000001")
    request_id = await asked(account, person_id, Topic.PHONE)
    who = await registrar()
    silent = answer(who, request_id=request_id, decision=Decision.REFUSE, text=" ")
    assert await refused(silent) == "answer_needed"
    await answer(who, request_id=request_id, decision=Decision.REFUSE, text="请先办理退费，再删除手机号")
    found = await my_request(account, request_id=request_id)
    assert (found.status, found.steps) == (RequestStatus.REFUSED, [])
    assert found.answer == "请先办理退费，再删除手机号"
    assert (await bound_persons(account))[0].masked_phone is not None
    again = answer(who, request_id=request_id, decision=Decision.ACCEPT, text="已办理")
    assert await refused(again) == "data_request_over"


async def test_who_wrote_it_down_does_not_answer_it(db: str) -> None:
    await set_clock(at(MONDAY, time(10)))
    number = patients.id_number()
    await patients.person(number=number, phone="13800000001")
    writer = await registrar()
    request_id = await ask_at_the_desk(
        writer, id_number=number, kind=DELETE, topics=[Topic.PHONE], text="本人到窗口要求删除"
    )
    own = answer(writer, request_id=request_id, decision=Decision.ACCEPT, text="已办理")
    assert await refused(own) == "own_data_request"
    other = await accepted(request_id)
    assert (await request_view(other, request_id=request_id)).status is RequestStatus.ACCEPTED


@pytest.mark.parametrize(
    ("kind", "topics", "text", "code"),
    [
        (DELETE, [Topic.CLINICAL], "请删除", "request_topics_wrong"),
        (CORRECT, [Topic.RECORDS], "请更正", "request_topics_wrong"),
        (DELETE, [], "请删除", "request_topics_wrong"),
        (DELETE, [Topic.PHONE], " 删 ", "request_text_needed"),
        (DELETE, [Topic.PHONE], "删" * 1001, "request_text_needed"),
    ],
)
async def test_a_wish_names_what_it_is_about(
    db: str, kind: RequestKind, topics: Sequence[Topic], text: str, code: str
) -> None:
    account, person_id = await person()
    assert await refused(ask(account, person_id=person_id, kind=kind, topics=topics, text=text)) == code


@pytest.mark.parametrize(
    ("topics", "wanted", "code"),
    [
        ([Topic.PHONE], None, "wanted_needed"),
        ([Topic.PHONE], Contact(name="李晓明"), "wanted_needed"),
        ([Topic.CLINICAL], Contact(name="李晓明"), "wanted_needed"),
        ([Topic.PHONE], Contact(phone="12345"), "phone_invalid"),
        ([Topic.NAME], Contact(name="  "), "name_malformed"),
        ([Topic.ADDRESS], Contact(address=" "), "address_invalid"),
    ],
)
async def test_a_correction_says_what_is_right(
    db: str, topics: Sequence[Topic], wanted: Contact | None, code: str
) -> None:
    account, person_id = await person()
    assert await refused(asked(account, person_id, *topics, kind=CORRECT, wanted=wanted)) == code


async def test_only_who_speaks_for_the_person_asks_and_few_wait(db: str) -> None:
    account, person_id = await person()
    daughter = await relative(account, person_id)
    assert await refused(asked(daughter, person_id, Topic.PHONE)) == "person_not_found"
    for _ in range(WAITING_MAX):
        await asked(account, person_id, Topic.PHONE)
    assert await refused(asked(account, person_id, Topic.PHONE)) == "too_many_data_requests"
    assert await my_requests(daughter) == []


async def test_who_asked_takes_it_back_and_nobody_else(db: str) -> None:
    account, person_id = await person()
    request_id = await asked(account, person_id, Topic.PHONE)
    stranger = await identity.account_actor()
    assert await refused(withdraw(stranger, request_id=request_id)) == "data_request_not_found"
    await withdraw(account, request_id=request_id)
    assert await refused(withdraw(account, request_id=request_id)) == "data_request_over"
    assert await refused(accepted(request_id)) == "data_request_over"


async def test_what_is_late_is_told_once_and_stands_first(db: str) -> None:
    account, person_id = await person()
    late = await asked(account, person_id, Topic.PHONE)
    due = (await my_request(account, request_id=late)).due_on
    await set_clock(at(due, time(23, 59)))
    assert await tell_overdue() == 0
    later = await asked(account, person_id, Topic.CONSENTS)
    await set_clock(at(due + timedelta(days=1), time(0, 1)))
    assert await tell_overdue() == 1
    assert await tell_overdue() == 0
    assert await value("SELECT count(*) FROM event WHERE kind = 'data_request.overdue'") == 1
    waiting = await request_list(await registrar())
    assert [(one.id, one.overdue) for one in waiting] == [(late, True), (later, False)]
    assert [one.id for one in await request_list(await registrar(), after=late)] == [later]


async def test_what_was_written_lies_sealed(db: str) -> None:
    account, person_id = await person()
    text = f"请把手机号改为{NEW_PHONE}"
    wanted = Contact(phone=NEW_PHONE)
    await ask(account, person_id=person_id, kind=CORRECT, topics=[Topic.PHONE], text=text, wanted=wanted)
    assert NEW_PHONE not in await value("SELECT row_to_json(data_request)::text FROM data_request")
    (seen,) = await request_list(await registrar())
    assert NEW_PHONE not in str(seen)
    assert "139****5678" in seen.text
    facts = await value("SELECT string_agg(fact::text, '') FROM event WHERE kind LIKE 'data_request%'")
    assert NEW_PHONE not in facts


async def _outcomes(*attempts: Awaitable[object]) -> list[str]:
    found = await asyncio.gather(*attempts, return_exceptions=True)
    return sorted(getattr(one, "code", repr(one)) if isinstance(one, Exception) else "done" for one in found)


@pytest.mark.commits
async def test_two_desks_answer_and_one_answer_stands(db: str) -> None:
    account, person_id = await person(phone="13800000009")
    for _ in range(5):
        request_id = await asked(account, person_id, Topic.PHONE)
        desks = [await registrar() for _ in range(3)]
        attempts = [
            answer(desk, request_id=request_id, decision=decision, text="已按申请办理")
            for desk, decision in zip(desks, (Decision.ACCEPT, Decision.REFUSE, Decision.ACCEPT), strict=True)
        ]
        assert await _outcomes(*attempts) == ["data_request_over", "data_request_over", "done"]
        told = "SELECT count(*) FROM event WHERE kind = 'data_request.answered' AND aggregate_id = $1"
        assert await value(told, request_id) == 1


@pytest.mark.commits
async def test_a_withdrawal_against_an_answer_has_one_end(db: str) -> None:
    account, person_id = await person(phone="13800000008")
    for _ in range(8):
        request_id = await asked(account, person_id, Topic.PHONE)
        desk = await registrar()
        attempts = (
            withdraw(account, request_id=request_id),
            answer(desk, request_id=request_id, decision=Decision.ACCEPT, text="已按申请办理"),
        )
        assert await _outcomes(*attempts) == ["data_request_over", "done"]
        steps = await value("SELECT count(*) FROM data_request_step WHERE request_id = $1", request_id)
        ended = (await my_request(account, request_id=request_id)).status
        assert (ended, steps) in {(RequestStatus.WITHDRAWN, 0), (RequestStatus.ACCEPTED, 1)}
