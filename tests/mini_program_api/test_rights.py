"""On the phone: who has looked, a copy, a request, its answer from the desk, and the message of it."""

from datetime import date, time
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import system
from app.outpatient.rules import at
from app.patients.access import CareReason, relate
from tests.make import identity, organization, patients, visit
from tests.make.orders import settle
from tests.make.rows import value
from tests.make.traces import access
from tests.mini_program_api.test_sharing import Phone, agreed, invited, new_phone

MONDAY = date(2026, 3, 2)
STAFF = "/api/staff/v1"
NEW = "13912345678"


@pytest.fixture
async def phone(client: httpx.AsyncClient) -> Phone:
    await visit.set_clock(at(MONDAY, time(10)))
    return await new_phone(client)


async def added(phone: Phone, **values: object) -> str:
    form = {"name": "李小明", "sex": "2", "born_on": "1990-05-06", "relation": "0", "phone": "13800138000"}
    answer = await phone.post("/persons", form | {"id_number": patients.id_number()} | values)
    assert answer.status_code == 201, answer.text
    person = answer.json()["id"]
    await agreed(phone, person)
    return person


async def test_who_has_looked_is_read_by_the_person_and_not_by_a_reading_relative(
    client: httpx.AsyncClient, phone: Phone
) -> None:
    person = await added(phone)
    department = await organization.department(name="呼吸内科")
    doctor = await organization.staff(name="张伟", department_id=department)
    reason = CareReason.CONSULTATION
    await relate(system("test"), person_id=UUID(person), staff_id=doctor, reason=reason)
    for permission in ("report.read", "report.read", "person.unmask"):
        await access(person_id=UUID(person), actor_id=doctor, permission=permission, reason="核对身份")
    answer = await phone.get(f"/persons/{person}/accesses", limit="1")
    (line,) = answer.json()["items"]
    assert (line["who"], line["what"], line["why"]) == (
        "张伟 主治医师 呼吸内科", "完整的证件号或手机号", "为您看诊"
    )  # fmt: skip
    assert line["reason"] == "核对身份"
    more = await phone.get(f"/persons/{person}/accesses", before=str(answer.json()["next"]))
    assert [(line["what"], line["times"]) for line in more.json()["items"]] == [("检验报告", 2)]
    await agreed(phone, person, "family_sharing")
    daughter = await new_phone(client)
    code = await invited(phone, person, "read")
    assert (await daughter.post("/invitations/accept", {"code": code, "relation": "5"})).status_code == 201
    assert (await daughter.get("/timeline", person_id=person)).status_code == 200
    assert (await daughter.get(f"/persons/{person}/accesses")).status_code == 404


async def test_a_doctors_real_look_is_there_at_once(client: httpx.AsyncClient, phone: Phone) -> None:
    person = await added(phone)
    doctor = await organization.staff(name="张伟")
    reason = CareReason.CONSULTATION
    await relate(system("test"), person_id=UUID(person), staff_id=doctor, reason=reason)
    headers = identity.bearer(await identity.staff_token(staff_id=doctor))
    assert (await client.get(f"{STAFF}/persons/{person}", headers=headers)).status_code == 200
    lines = (await phone.get(f"/persons/{person}/accesses")).json()["items"]
    assert [(line["who"], line["role"], line["what"], line["why"]) for line in lines] == [
        ("张伟 主治医师", "医生", "基本信息", "为您看诊")
    ]


async def test_a_wrong_period_is_refused_with_words(phone: Phone) -> None:
    person = await added(phone)
    answer = await phone.get(f"/persons/{person}/accesses", first_day="2026-03-02", last_day="2026-03-01")
    assert (answer.status_code, answer.json()["code"]) == (422, "period_wrong")


async def test_a_copy_is_asked_for_once_and_fetched_as_one_document(phone: Phone) -> None:
    person = await added(phone)
    headers = identity.bearer(phone.token)
    path = f"/api/mini-program/v1/persons/{person}/exports"
    first, again = [await phone.client.post(path, json={}, headers=headers) for _ in range(2)]
    assert first.status_code == 201, first.text
    assert first.json() == again.json()  # one Idempotency-Key, one copy
    copy = (await phone.get(f"/exports/{first.json()['id']}")).json()
    assert copy["schema"] == "jiuyi-copy-1"
    assert copy["parts"][0]["rows"][0]["name"] == "李小明"
    assert "13800138000" not in str(copy)


async def test_a_correction_goes_to_the_desk_and_its_answer_comes_back(
    client: httpx.AsyncClient, phone: Phone
) -> None:
    person = await added(phone)
    wish = {"kind": "correction", "topics": ["phone"], "text": "换号了", "wanted": {"phone": NEW}}
    asked = (await phone.post(f"/persons/{person}/data-requests", wish)).json()
    assert (asked["status"], asked["due_on"]) == ("received", "2026-03-23")
    assert asked["wanted_phone"] == "139****5678"
    desk = await _desk()
    waiting = (await client.get(f"{STAFF}/data-requests", headers=desk())).json()["items"]
    assert [one["id"] for one in waiting] == [asked["id"]]
    assert NEW not in str(waiting)
    body = {"decision": "accept", "text": "已更正"}
    path = f"{STAFF}/data-requests/{asked['id']}/answer"
    answer = await client.post(path, json=body, headers=desk())
    assert answer.json()["status"] == "accepted", answer.text
    await settle()
    (message,) = [m for m in (await phone.get("/messages")).json() if m["kind"] == "data_request.answered"]
    assert message["ref_id"] == asked["id"]
    assert "手机" not in message["title"]
    (mine,) = (await phone.get("/data-requests")).json()["items"]
    assert [step["kind"] for step in mine["steps"]] == ["corrected"]
    (shown,) = (await phone.get("/persons")).json()["items"]
    assert shown["masked_phone"] == "139****5678"


async def test_a_deletion_names_what_the_law_keeps(client: httpx.AsyncClient, phone: Phone) -> None:
    person = await added(phone)
    wish = {"kind": "deletion", "topics": ["records", "phone"], "text": "请删除我的全部资料"}
    asked = (await phone.post(f"/persons/{person}/data-requests", wish)).json()
    desk = await _desk()
    body = {"decision": "accept", "text": "可以删除的已删除"}
    answer = await client.post(f"{STAFF}/data-requests/{asked['id']}/answer", json=body, headers=desk())
    assert [step["kind"] for step in answer.json()["steps"]] == ["forwarded", "removed"], answer.text
    assert await value("SELECT phone FROM person WHERE id = $1", UUID(person)) is None


async def test_a_request_is_taken_back(phone: Phone) -> None:
    person = await added(phone)
    wish = {"kind": "deletion", "topics": ["phone"], "text": "请删除手机号"}
    asked = (await phone.post(f"/persons/{person}/data-requests", wish)).json()
    gone = await phone.post(f"/data-requests/{asked['id']}/withdraw")
    assert gone.json()["status"] == "withdrawn"
    assert await phone.refusal(f"/data-requests/{asked['id']}/withdraw") == "data_request_over"


async def test_a_window_writes_it_down_for_who_has_no_phone(client: httpx.AsyncClient, phone: Phone) -> None:
    number = patients.id_number()
    await added(phone, id_number=number)
    writer, other = await _desk(), await _desk()
    wish = {"id_number": number, "kind": "deletion", "topics": ["phone"], "text": "本人到窗口要求"}
    asked = await client.post(f"{STAFF}/desk/data-requests", json=wish, headers=writer())
    assert asked.status_code == 201, asked.text
    path = f"{STAFF}/data-requests/{asked.json()['id']}/answer"
    body = {"decision": "accept", "text": "已办理"}
    assert (await client.post(path, json=body, headers=writer())).json()["code"] == "own_data_request"
    assert (await client.post(path, json=body, headers=other())).json()["status"] == "accepted"


async def _desk() -> Any:
    """The headers of a registrar's next request."""
    staff_id = await organization.staff(role="registrar")
    token = await identity.staff_token(role="registrar", staff_id=staff_id)
    return lambda: identity.bearer(token)
