"""Bills and payments on the phone: what is owed, exactly, and only to who may see it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.billing.payments import start_attempt
from app.billing.refunds import request_refund
from app.billing.tables import PayMethod
from app.kernel.actor import system
from app.kernel.ids import new_id
from tests.billing.conftest import PayingHospital, hospital, platforms
from tests.make import billing as make
from tests.make import identity
from tests.make.rows import value

__all__ = ["hospital", "platforms"]

pytestmark = pytest.mark.commits

TEST = system("test")
OLDER = "UPDATE attempt SET created_at = now() - interval '3 seconds' WHERE id = $1 RETURNING id"


class Phone:
    """A logged-in mini-program."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self.http = http
        self.token = token

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(
            f"/api/mini-program/v1{path}", params=query, headers=identity.bearer(self.token)
        )

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(
            f"/api/mini-program/v1{path}", json=body, headers=identity.bearer(self.token)
        )


@pytest.fixture
async def http(hospital: PayingHospital) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=hospital.url, timeout=20, trust_env=False) as client:
        yield client


async def phone_of(http: httpx.AsyncClient, payer: make.Payer) -> Phone:
    return Phone(http, await identity.account_token(payer.actor.id))


async def test_bills_are_listed_newest_first_in_pages(
    hospital: PayingHospital, http: httpx.AsyncClient
) -> None:
    payer = await hospital.payer()
    made = [str(await make.bill(payer.person_id)) for _ in range(3)]
    phone = await phone_of(http, payer)
    first = (await phone.get("/bills", limit=2)).json()
    rest = (await phone.get("/bills", limit=2, after=first["next"])).json()
    assert [bill["id"] for bill in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
    of_person = (await phone.get("/bills", person_id=str(payer.person_id))).json()
    assert len(of_person["items"]) == 3


async def test_a_bill_shows_its_lines_its_split_and_the_exact_total(
    hospital: PayingHospital, http: httpx.AsyncClient
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id, prices=(12_345_000, 33_333))
    bill = (await (await phone_of(http, payer)).get(f"/bills/{bill_id}")).json()
    assert (bill["amount_fen"], bill["amount"], bill["status"]) == (1238, "12.38", "open")
    assert [(line["unit_price"], line["amount"]) for line in bill["lines"]] == [
        ("12.345", "12.35"),
        ("0.033333", "0.03"),
    ]
    assert sum(bill["split"].values()) == bill["amount_fen"]
    assert bill["lines"][0]["quantity"] == "1"


async def test_the_phone_pays_and_learns_the_truth_without_any_notice(
    hospital: PayingHospital, http: httpx.AsyncClient
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    phone = await phone_of(http, payer)
    started = (await phone.post(f"/bills/{bill_id}/payments", channel="wechat_jsapi")).json()
    assert (started["status"], started["amount_fen"]) == ("awaiting_payer", 1234)
    attempt_id = UUID(started["attempt_id"])
    await hospital.fault("wechat", "withhold", reference=attempt_id.hex)
    await hospital.platforms.call(
        "wechat_pay", "POST", f"/payers/{payer.wallet}/payments", pay_params=started["pay_params"]
    )
    path = f"/payments/{attempt_id}"
    assert (await phone.get(path)).json()["status"] == "awaiting_payer"  # asked a moment ago: not again
    await value(
        "UPDATE attempt SET created_at = now() - interval '3 seconds' WHERE id = $1 RETURNING id", attempt_id
    )
    assert (await phone.get(path)).json()["status"] == "succeeded"
    assert (await phone.get(f"/bills/{bill_id}")).json()["status"] == "paid"
    refund_id = await request_refund(TEST, bill_id=bill_id)
    refunds = (await phone.get(f"/bills/{bill_id}")).json()["refunds"]
    assert [(refund["id"], refund["status"]) for refund in refunds] == [(str(refund_id), "requested")]
    await hospital.finish_refunds()


async def test_a_slow_channel_does_not_hold_the_phone(
    hospital: PayingHospital, http: httpx.AsyncClient
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt = await hospital.start(payer, bill_id)
    await value(
        "UPDATE attempt SET created_at = now() - interval '3 seconds' WHERE id = $1 RETURNING id", attempt.id
    )
    await hospital.fault("wechat", "delay_before", endpoint="query", seconds=6)
    reply = await (await phone_of(http, payer)).get(f"/payments/{attempt.id}")
    assert reply.json()["status"] == "awaiting_payer"
    assert reply.elapsed.total_seconds() < 5.5


async def test_a_stranger_finds_no_bill_and_no_payment(
    hospital: PayingHospital, http: httpx.AsyncClient
) -> None:
    payer, stranger = await hospital.payer(), await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=PayMethod.WECHAT_JSAPI)
    phone = await phone_of(http, stranger)
    for reply, code in (
        (await phone.get(f"/bills/{bill_id}"), "bill_not_found"),
        (await phone.get(f"/bills/{new_id()}"), "bill_not_found"),
        (await phone.post(f"/bills/{bill_id}/payments", channel="wechat_jsapi"), "bill_not_found"),
        (await phone.get(f"/payments/{attempt_id}"), "payment_not_found"),
        (await phone.get(f"/payments/{new_id()}"), "payment_not_found"),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, code)
    assert (await phone.get("/bills", person_id=str(payer.person_id))).json()["items"] == []
    assert (await phone.get("/bills")).json()["items"] == []


async def test_a_client_says_how_it_pays_and_nothing_else(
    hospital: PayingHospital, http: httpx.AsyncClient
) -> None:
    payer = await hospital.payer()
    bill_id = await make.bill(payer.person_id)
    phone = await phone_of(http, payer)
    for body in ({"channel": "cash"}, {"channel": "wechat_jsapi", "amount_fen": 1}, {}):
        reply = await phone.post(f"/bills/{bill_id}/payments", **body)
        assert (reply.status_code, reply.json()["code"]) == (400, "malformed")


async def test_the_cashier_sees_the_book_in_totals(hospital: PayingHospital, http: httpx.AsyncClient) -> None:
    path = "/api/staff/v1/ledger/totals"
    cashier = identity.bearer(await identity.staff_token(role="cashier"))
    doctor = identity.bearer(await identity.staff_token(role="doctor"))
    totals = (await http.get(path, headers=cashier)).json()
    assert totals["balanced"] is True
    assert {"account", "name", "debit_fen", "credit_fen", "balance_fen"} == set(totals["accounts"][0])
    assert (await http.get(path, headers=doctor)).status_code == 403
