"""A person's plain numbers: for whom, and what is told of it."""

import json
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import system
from app.patients.access import relate
from app.patients.tables import CareReason
from tests.make import identity, organization, patients
from tests.make.rows import value

SYSTEM = system("test")
NUMBER, PHONE, ADDRESS = "11010519491231002X", "13812345678", "浙江省杭州市西湖区文三路1号"


async def asked_by(client: httpx.AsyncClient, role: str, **body: object) -> tuple[httpx.Response, UUID, UUID]:
    """The reply to a member of staff with this role who cares for the person."""
    department = await organization.department()
    person = await patients.person(
        name="李小明", number=NUMBER, phone=PHONE, address=ADDRESS, born_on=patients.date(1949, 12, 31)
    )
    staff = await organization.staff(department_id=department, role=role)
    await relate(SYSTEM, person_id=person, department_id=department, reason=CareReason.CHECK_IN)
    token = await identity.staff_token(staff_id=staff, role=role)
    asked = {"fields": ["id_number", "phone"], "reason": "打印病历首页"} | body
    reply = await client.post(
        f"/api/staff/v1/persons/{person}/unmask", json=asked, headers=identity.bearer(token)
    )
    return reply, person, staff


async def facts() -> list[dict[str, object]]:
    told = await value(
        "SELECT coalesce(json_agg(json_build_object('payload', fact, 'by', actor_id)), '[]')::text"
        " FROM event WHERE kind = 'person.unmasked'"
    )
    return json.loads(told)


@pytest.mark.parametrize("role", ["registrar", "cashier", "doctor", "nurse"])
async def test_who_says_why_reads_the_plain_numbers_and_it_is_told(
    client: httpx.AsyncClient, role: str
) -> None:
    reply, person, staff = await asked_by(client, role)
    assert reply.status_code == 200, reply.text
    assert reply.json() == {"person_id": str(person), "id_number": NUMBER, "phone": PHONE}
    [fact] = await facts()
    assert fact["by"] == str(staff)
    assert fact["payload"] == {
        "person_id": str(person),
        "fields": ["id_number", "phone"],
        "reason": "打印病历首页",
    }
    assert NUMBER not in str(fact)


async def test_only_what_was_asked_for_is_told(client: httpx.AsyncClient) -> None:
    reply, person, _ = await asked_by(client, "nurse", fields=["phone"], reason="联系家属13912345678")
    assert reply.json() == {"person_id": str(person), "phone": PHONE}
    [fact] = await facts()
    assert fact["payload"] == {
        "person_id": str(person),
        "fields": ["phone"],
        "reason": "联系家属139****5678",
    }


async def test_an_address_can_be_asked_for_too(client: httpx.AsyncClient) -> None:
    reply, person, _ = await asked_by(client, "registrar", fields=["address"], reason="邮寄报告")
    assert reply.json() == {"person_id": str(person), "address": ADDRESS}
    assert "文三路" not in str(await facts())


@pytest.mark.parametrize("role", ["pharmacist", "technician"])
async def test_other_roles_are_refused(client: httpx.AsyncClient, role: str) -> None:
    reply, _, _ = await asked_by(client, role)
    assert (reply.status_code, reply.json()["code"]) == (403, "wrong_role")
    assert await facts() == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"reason": " x "}, 422, "reason_needed", id="no reason"),
        pytest.param({"fields": []}, 400, "malformed", id="nothing wanted"),
        pytest.param({"fields": ["born_on"]}, 400, "malformed", id="no such field"),
        pytest.param({"reason": "x" * 201}, 400, "malformed", id="a novel"),
    ],
)
async def test_a_question_without_sense_is_refused(
    client: httpx.AsyncClient, body: dict[str, object], status: int, code: str
) -> None:
    reply, _, _ = await asked_by(client, "doctor", **body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert await facts() == []


async def test_who_does_not_care_for_the_person_learns_nothing(client: httpx.AsyncClient) -> None:
    person = await patients.person(phone=PHONE)
    token = await identity.staff_token(staff_id=await organization.staff())
    reply = await client.post(
        f"/api/staff/v1/persons/{person}/unmask",
        json={"fields": ["phone"], "reason": "好奇"},
        headers=identity.bearer(token),
    )
    assert (reply.status_code, reply.json()["code"]) == (404, "person_not_found")
    assert await facts() == []


async def test_a_repeated_question_is_one_fact(client: httpx.AsyncClient) -> None:
    first, person, staff = await asked_by(client, "doctor")
    token = await identity.token(identity.ActorKind.STAFF, staff, channel="staff", role="doctor")
    headers = identity.bearer(token)
    body = {"fields": ["phone", "id_number"], "reason": "打印病历首页"}
    path = f"/api/staff/v1/persons/{person}/unmask"
    replies = [await client.post(path, json=body, headers=headers) for _ in range(2)]
    assert [reply.json() for reply in replies] == [first.json()] * 2
    assert len(await facts()) == 2  # one of the first question, one of the second


async def test_by_default_staff_read_masked_numbers(client: httpx.AsyncClient) -> None:
    _, person, staff = await asked_by(client, "nurse")
    token = await identity.token(identity.ActorKind.STAFF, staff, channel="staff", role="nurse")
    reply = await client.get(f"/api/staff/v1/persons/{person}", headers=identity.bearer(token))
    assert reply.json()["masked_id_number"] == "110105********002X"
    assert reply.json()["masked_phone"] == "138****5678"
    assert reply.json()["masked_address"] == "浙江省杭州市西湖区***"
    assert NUMBER not in reply.text
    assert "文三路" not in reply.text
    assert PHONE not in reply.text
