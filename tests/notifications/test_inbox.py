"""The phone's inbox: one line for each thing that happened, seen by nobody else."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import msgspec
import pytest

from app.billing.events import BillPaid, RefundSucceeded
from app.billing.tables import BillKind, RefundReason
from app.kernel.actor import Actor
from app.kernel.database import action
from app.kernel.events import Event, Lane, Subscription, emit
from app.kernel.ids import new_id
from app.kernel.relay import Relay
from app.laboratory.events import ResultReleased
from app.orders.events import OrdersSubmitted
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
    AppointmentExpired,
)
from app.pharmacy.events import PrescriptionReady
from app.subscriptions import SUBSCRIPTIONS
from notifications.inbox import MessageNotFound, inbox_state, mark_read, messages_of, tell_phones
from tests.make import identity, patients
from tests.make.rows import value
from tests.notifications.conftest import TEST

PHONES = [s for s in SUBSCRIPTIONS if s.name.startswith("notifications.phone_")]


def an_event() -> Event:
    now = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    return Event(
        id=new_id(), at=now, business_at=now, kind="result.released", aggregate_id=new_id(),
        aggregate_version=1, actor_kind="system", actor_id=None, channel="test",
    )  # fmt: skip


async def told(person_id: UUID, event: Event | None = None) -> None:
    await tell_phones(
        TEST, person_id=person_id, title="检验报告已发布", ref_id=new_id(), event=event or an_event()
    )


async def test_told_twice_it_is_there_once(db: str) -> None:
    account = await identity.account_actor()
    person_id, event = await patients.bound_person(account), an_event()
    for _ in range(2):
        await told(person_id, event)
    assert account.id is not None
    lines = await messages_of(TEST, account_id=account.id)
    assert [(line.kind, line.title, line.read) for line in lines] == [
        ("result.released", "检验报告已发布", False)
    ]
    pushed = await value("SELECT count(*) FROM rt_event WHERE stream = $1", f"account:{account.id}:inbox")
    assert pushed == 1


async def test_a_stranger_cannot_read_or_mark_a_line(db: str) -> None:
    account, stranger = await identity.account_actor(), await identity.account_actor()
    await told(await patients.bound_person(account))
    assert account.id is not None
    assert stranger.id is not None
    [line] = await messages_of(TEST, account_id=account.id)
    assert await messages_of(TEST, account_id=stranger.id) == []
    with pytest.raises(MessageNotFound):
        await mark_read(stranger, message_id=line.id)
    await mark_read(account, message_id=line.id)
    await mark_read(account, message_id=line.id)
    state = msgspec.to_builtins(await inbox_state(TEST, account.id))
    assert [m["read"] for m in state["messages"]] == [True]


async def test_the_messages_of_a_phone_over_http(client: httpx.AsyncClient) -> None:
    account = await identity.account_actor()
    person_id = await patients.bound_person(account)
    for _ in range(3):
        await told(person_id)
    mine = identity.bearer(await identity.account_token(account.id))
    path = "/api/mini-program/v1/messages"
    first = (await client.get(path, params={"limit": 2}, headers=mine)).json()
    rest = (await client.get(path, params={"limit": 2, "after": first[-1]["id"]}, headers=mine)).json()
    assert (len(first), len(rest)) == (2, 1)
    assert set(first[0]) == {"id", "person_id", "kind", "title", "ref_id", "at", "read"}
    assert len({line["id"] for line in first + rest}) == 3
    assert (await client.get(path, params={"limit": 101}, headers=mine)).status_code == 400
    marked = await client.post(f"{path}/{first[0]['id']}/read", headers=mine)
    assert marked.status_code == 204
    assert [line["read"] for line in (await client.get(path, headers=mine)).json()] == [True, False, False]
    other = identity.bearer(await identity.account_token())
    refused = await client.post(f"{path}/{rest[0]['id']}/read", headers=other)
    assert (refused.status_code, refused.json()["code"]) == (404, "message_not_found")
    assert (await client.get(path)).status_code == 401


def a_bill(person_id: UUID, kind: BillKind) -> dict[str, object]:
    return {
        "bill_id": new_id(), "subject_kind": "order_batch", "subject_id": new_id(), "person_id": person_id,
        "encounter_id": None, "kind": kind, "amount_fen": 100,
    }  # fmt: skip


def facts_of(person_id: UUID) -> dict[str, msgspec.Struct]:
    """What a visit tells, and the words a phone shows for it."""
    appointment = {"appointment_id": new_id(), "person_id": person_id, "session_id": new_id()}
    made = {"encounter_id": new_id(), "person_id": person_id}
    paid, back = a_bill(person_id, BillKind.OUTPATIENT), a_bill(person_id, BillKind.OUTPATIENT)
    return {
        "预约成功，请按时签到": AppointmentBooked(**appointment),
        "未在时限内支付，号源已释放": AppointmentExpired(**appointment),
        "预约已取消": AppointmentCancelled(**appointment, was_paid=True),
        "支付时号源已释放，费用将原路退回": AppointmentClosedLatePay(
            appointment_id=new_id(), person_id=person_id
        ),
        "医生已开单，请缴费": OrdersSubmitted(submission_id=new_id(), bill_id=new_id(), **made),
        "缴费成功": msgspec.convert(paid, BillPaid),
        "退款已按原支付方式退回": msgspec.convert(
            back | {"refund_id": new_id(), "reason": next(iter(RefundReason))}, RefundSucceeded
        ),
        "检验报告已发布，请查看": ResultReleased(report_id=new_id(), version=1, **made),
        "药品已备好，请到窗口取药": PrescriptionReady(
            prescription_id=new_id(), window_id=new_id(), number="P001", **made
        ),
    }


@action
async def say(actor: Actor, fact: msgspec.Struct) -> None:
    await emit(actor, fact)


async def relay_all(subscriptions: list[Subscription]) -> None:
    relay = Relay(subscriptions)
    while sum([await relay.turn(lane) for lane in Lane]):
        pass


async def test_each_step_of_a_visit_leaves_its_words(db: str) -> None:
    account = await identity.account_actor()
    assert account.id is not None
    facts = facts_of(await patients.bound_person(account))
    for fact in facts.values():
        await say(TEST, fact)
    await relay_all(PHONES)
    lines = await messages_of(TEST, account_id=account.id)
    assert {line.title for line in lines} == set(facts)
    assert len(lines) == len(facts)


async def test_a_paid_registration_is_told_by_the_booking_alone(db: str) -> None:
    account = await identity.account_actor()
    assert account.id is not None
    person_id = await patients.bound_person(account)
    await say(TEST, msgspec.convert(a_bill(person_id, BillKind.REGISTRATION), BillPaid))
    await relay_all(PHONES)
    assert await messages_of(TEST, account_id=account.id) == []


async def test_who_has_no_phone_leaves_no_line(db: str) -> None:
    await told(await patients.person())
    assert await value("SELECT count(*) FROM message") == 0
