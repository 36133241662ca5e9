"""On the phone: agree, invite a relative, take it up, see who may act, end it, and leave nothing orphaned."""

from collections.abc import Mapping
from datetime import date, time
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import Actor, ActorKind
from app.outpatient.rules import at
from app.patients.break_glass import break_glass
from app.patients.tables import BreakGlassReason
from tests.make import billing, identity, organization, patients, payment, visit
from tests.make.rows import value

PHONE = "/api/mini-program/v1"
MONDAY = date(2026, 3, 2)
MOTHER = {"name": "李小明", "sex": "2", "born_on": "1990-05-06", "relation": "0"}


class Phone:
    def __init__(self, client: httpx.AsyncClient, actor: Actor, token: str) -> None:
        self.client = client
        self.actor = actor
        self.token = token

    async def get(self, path: str, **params: str) -> httpx.Response:
        return await self.client.get(f"{PHONE}{path}", params=params, headers=identity.bearer(self.token))

    async def post(self, path: str, body: Mapping[str, object] | None = None) -> httpx.Response:
        return await self.client.post(f"{PHONE}{path}", json=body, headers=identity.bearer(self.token))

    async def refusal(self, path: str, body: Mapping[str, object] | None = None) -> str:
        answer = await self.post(path, body)
        assert answer.status_code >= 400, answer.text
        return answer.json()["code"]


async def new_phone(client: httpx.AsyncClient) -> Phone:
    account_id = await identity.account()
    actor = Actor(kind=ActorKind.ACCOUNT, id=account_id, channel="mini_program")
    return Phone(client, actor, await identity.account_token(account_id))


@pytest.fixture
async def phone(client: httpx.AsyncClient) -> Phone:
    await visit.set_clock(at(MONDAY, time(10)))
    return await new_phone(client)


@pytest.fixture
async def relative(client: httpx.AsyncClient) -> Phone:
    return await new_phone(client)


async def agreed(phone: Phone, person: str, *codes: str) -> None:
    for document in (await phone.get("/consents")).json()["documents"]:
        if document["needed_to_read"] or document["code"] in codes:
            body = {"person_id": person, "code": document["code"], "version": document["version"]}
            assert (await phone.post("/consents", body)).status_code == 201


async def invited(phone: Phone, person: str, *scopes: str) -> str:
    body = {"person_id": person, "scopes": list(scopes), "ends_at": "2026-09-01T00:00:00+08:00"}
    answer = await phone.post("/invitations", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["code"]


async def test_adding_somebody_without_consent_books_and_does_not_read(phone: Phone) -> None:
    number = patients.id_number()
    person = (await phone.post("/persons", MOTHER | {"id_number": number})).json()
    assert person["consents_missing"] == ["privacy", "sensitive_health"]
    for path in ("/timeline", "/reports", "/prescriptions"):
        closed = await phone.get(path, person_id=person["id"])
        assert (closed.status_code, closed.json()["code"]) == (403, "consent_required"), path
        assert "同意" in closed.json()["detail"]
    assert (await phone.get("/tickets")).status_code == 200
    await agreed(phone, person["id"])
    assert (await phone.get("/timeline", person_id=person["id"])).status_code == 200


async def test_agreeing_while_adding_is_one_step(phone: Phone) -> None:
    documents = (await phone.get("/consents")).json()["documents"]
    consents = [{"code": d["code"], "version": d["version"]} for d in documents if not d["under_age"]]
    body = MOTHER | {"id_number": patients.id_number(), "consents": consents}
    person = (await phone.post("/persons", body)).json()
    assert person["consents_missing"] == []
    old = body | {"id_number": patients.id_number(), "consents": [{"code": "privacy", "version": 9}]}
    assert await phone.refusal("/persons", old | {"relation": "1"}) == "person_not_found"
    assert len((await phone.get("/persons")).json()["items"]) == 1, "both or neither"


async def test_taking_an_agreement_back_says_what_follows(phone: Phone, relative: Phone) -> None:
    person = str(await patients.bound_person(phone.actor))
    shown = (await phone.get("/consents", person_id=person)).json()["persons"]
    [health] = [given for given in shown[0]["given"] if given["code"] == "sensitive_health"]
    path = f"/consents/{health['id']}/withdraw"
    assert await relative.refusal(path) == "consent_not_found"
    answer = (await phone.post(path)).json()
    assert "诊疗照常进行" in answer["what_follows"]
    assert (await phone.get("/timeline", person_id=person)).json()["code"] == "consent_required"
    assert (await relative.get("/consents")).json()["persons"] == []


async def test_a_relative_books_and_pays_and_reads_nothing(phone: Phone, relative: Phone) -> None:
    person = str(await patients.bound_person(phone.actor))
    made = await visit.session(await visit.clinic())
    code = await invited(phone, person, "book", "pay")
    assert await phone.refusal("/invitations/accept", {"code": code, "relation": "5"}) == "own_invitation"
    accepted = await relative.post("/invitations/accept", {"code": code, "relation": "5"})
    assert (accepted.json()["proof"], accepted.json()["scopes"]) == ("granted", ["book", "pay"])
    assert await relative.refusal("/invitations/accept", {"code": code, "relation": "5"}) == (
        "invitation_invalid"
    )
    body = {"session_id": str(made.id), "window_id": str(made.windows[0]), "person_id": person}
    held = (await relative.post("/appointments", body)).json()
    bill = (await relative.post(f"/appointments/{held['id']}/bill")).json()
    assert (await relative.get(f"/bills/{bill['bill_id']}")).json()["lines"]
    assert (await relative.get("/timeline", person_id=person)).json()["code"] == "person_not_found"
    assert (await relative.get("/consents")).json()["persons"] == []
    assert (await relative.get("/access")).json()["items"] == []


async def test_the_person_sees_who_may_act_and_ends_it(phone: Phone, relative: Phone) -> None:
    person = str(await patients.bound_person(phone.actor))
    assert (await relative.post(
        "/invitations/accept", {"code": await invited(phone, person, "book"), "relation": "5"}
    )).status_code == 201  # fmt: skip
    [shown] = (await phone.get("/access")).json()["items"]
    [own, theirs] = shown["may_act"]
    assert (own["mine"], theirs["mine"], theirs["scopes"]) == (True, False, ["book"])
    assert theirs["until"].startswith("2026-08-31T16:00")
    assert await relative.refusal(f"/proxies/{theirs['id']}/revoke") == "proxy_not_found"
    assert (await phone.post(f"/proxies/{theirs['id']}/revoke")).status_code == 204
    assert (await relative.get("/persons")).json()["items"] == []
    made = await visit.session(await visit.clinic())
    body = {"session_id": str(made.id), "window_id": str(made.windows[0]), "person_id": person}
    assert await relative.refusal("/appointments", body) == "person_not_found"


async def test_an_invitation_is_shown_to_its_sender_and_can_be_taken_back(
    phone: Phone, relative: Phone
) -> None:
    person = str(await patients.bound_person(phone.actor))
    code = await invited(phone, person, "book")
    [sent] = (await phone.get("/invitations")).json()["items"]
    assert sent["code"] == code
    assert (await relative.get("/invitations")).json()["items"] == []
    path = f"/invitations/{sent['id']}/withdraw"
    assert await relative.refusal(path) == "invitation_invalid"
    assert (await phone.post(path)).json()["code"] is None
    assert await relative.refusal("/invitations/accept", {"code": code, "relation": "5"}) == (
        "invitation_invalid"
    )


async def test_the_person_sees_who_broke_the_glass(phone: Phone) -> None:
    person = await patients.bound_person(phone.actor)
    doctor = identity.staff_actor(await organization.staff())
    why = "患者昏迷，需要了解过敏史"
    await break_glass(doctor, person_id=person, reason=BreakGlassReason.UNCONSCIOUS, explanation=why)
    [shown] = (await phone.get("/access")).json()["items"]
    [look] = shown["break_glass"]
    assert (look["who"], look["reason"], look["explanation"]) == ("钟医生 主治医师", "unconscious", why)


async def knows_the_name(other: Phone, number: str) -> UUID:
    """An account that adds a grown-up by name and number alone."""
    return await patients.bound_person(other.actor, number=number, relation="1")


async def test_who_knows_a_name_sees_only_what_it_booked_itself(phone: Phone, relative: Phone) -> None:
    number = patients.id_number()
    person = await patients.bound_person(phone.actor, number=number)
    place = await visit.clinic()
    hers = await visit.session(place)
    body = {"session_id": str(hers.id), "window_id": str(hers.windows[0]), "person_id": str(person)}
    held = (await phone.post("/appointments", body)).json()
    bill = (await phone.post(f"/appointments/{held['id']}/bill")).json()["bill_id"]
    await knows_the_name(relative, number)
    assert (await relative.get("/appointments")).json()["items"] == []
    assert (await relative.get(f"/appointments/{held['id']}")).status_code == 404
    assert await relative.refusal(f"/appointments/{held['id']}/cancel") == "appointment_not_found"
    assert (await relative.get(f"/bills/{bill}")).json()["lines"] == []
    other = await visit.session(await visit.clinic())
    body = {"session_id": str(other.id), "window_id": str(other.windows[0]), "person_id": str(person)}
    own = (await relative.post("/appointments", body)).json()
    assert [a["id"] for a in (await relative.get("/appointments")).json()["items"]] == [own["id"]]
    assert {a["id"] for a in (await phone.get("/appointments")).json()["items"]} == {held["id"], own["id"]}


async def test_leaving_orphans_no_appointment_and_no_bill(phone: Phone, relative: Phone) -> None:
    person = await patients.bound_person(phone.actor)
    path = f"/persons/{person}/unbind"
    assert await relative.refusal(path) == "person_not_found"
    made = await visit.session(await visit.clinic())
    body = {"session_id": str(made.id), "window_id": str(made.windows[0]), "person_id": str(person)}
    held = (await phone.post("/appointments", body)).json()
    assert await phone.refusal(path) == "live_appointments"
    await phone.post(f"/appointments/{held['id']}/cancel")
    bill = await billing.bill(person)
    assert await phone.refusal(path) == "unpaid_bills"
    code = await invited(phone, str(person), "book", "pay")
    await relative.post("/invitations/accept", {"code": code, "relation": "5"})
    assert (await phone.post(path)).status_code == 204, "somebody is left who may pay"
    assert await relative.refusal(path) == "unpaid_bills"
    await payment.pay(bill)
    assert (await relative.post(path)).status_code == 204
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.unbound'") == 2
