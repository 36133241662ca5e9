"""The bureau's part of the control API: the insured, their tokens, the profile, what was said and settled."""

from typing import Any, Literal

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from simulators import book, control
from simulators.insurance_bureau import control_money, enrolling, persons
from simulators.insurance_bureau.enrolling import NewPerson
from simulators.insurance_bureau.persons import Person
from simulators.insurance_bureau.platform import Bureau, account, hospital
from simulators.insurance_bureau.records import latest, owed
from simulators.keys import write_private
from simulators.people import PhoneRefusal

SHOWN_MAX = 50


class NewProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profile: Literal["plain", "sm2_sm4"]


def app(platform: Bureau) -> Litestar:
    return control.app_without_wallets(
        platform,
        show_book,
        enrol,
        list_persons,
        show_person,
        list_settlements,
        issue_token,
        switch,
        *control_money.HANDLERS,
    )


@post("/persons")
async def enrol(state: State, data: JSONBody[NewPerson]) -> dict[str, Any]:
    platform: Bureau = state.platform
    return _shown(platform, enrolling.enrol(platform, data, await platform.now()))


@get("/persons")
async def list_persons(state: State) -> dict[str, Any]:
    platform: Bureau = state.platform
    return {"items": [_shown(platform, person) for person in persons.everybody(platform, limit=SHOWN_MAX)]}


@get("/settlements")
async def list_settlements(state: State) -> dict[str, Any]:
    """The newest settlements with their shares, in fen."""
    return {"items": latest(state.platform, limit=SHOWN_MAX)}


@get("/persons/{psn_no:str}")
async def show_person(state: State, psn_no: FromPath[str]) -> dict[str, Any]:
    return _shown(state.platform, _person_called(state.platform, psn_no))


@post("/persons/{psn_no:str}/tokens")
async def issue_token(state: State, psn_no: FromPath[str]) -> dict[str, Any]:
    """The person opens the e-credential; the hospital scans it."""
    platform: Bureau = state.platform
    token = persons.issue_token(platform, _person_called(platform, psn_no), await platform.now())
    return {"token": token, "expires_in": int(persons.TOKEN_LIFE.total_seconds())}


@post("/profile", status_code=200)
async def switch(state: State, data: JSONBody[NewProfile]) -> dict[str, str]:
    """Speak plain JSON or SM2 and SM4 from now on; the card says so too."""
    platform: Bureau = state.platform
    platform.switch(data.profile)
    path = platform.folder / f"{platform.name}.json"
    card = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) | {"profile": data.profile}
    write_private(path, msgspec.json.format(msgspec.json.encode(card)) + b"\n")
    return {"profile": platform.profile}


@get("/book")
async def show_book(state: State) -> dict[str, Any]:
    platform: Bureau = state.platform
    return {
        "balanced": book.is_balanced(platform.store),
        "accounts": book.balances(platform.store),
        "merchant": _totals(platform),
        "owed": owed(platform),
    }


def _totals(platform: Bureau) -> book.Totals:
    """What the bureau came to owe the hospital, and what was taken back of it; nothing is ever on its way."""
    row = platform.store.row(
        """select coalesce(sum(max(amount_fen, 0)), 0) as paid, coalesce(sum(-min(amount_fen, 0)), 0) as back
           from entry where account = :account""",
        account=hospital(platform.identity.fixmedins_code),
    )
    assert row is not None, "an aggregate always has a row"
    net_fen = row["paid"] - row["back"]
    return book.Totals(
        paid_fen=row["paid"],
        refunded_fen=row["back"],
        refunding_fen=0,
        fee_fen=0,
        net_fen=net_fen,
        balance_fen=net_fen,
    )


def _person_called(platform: Bureau, psn_no: str) -> Person:
    person = persons.find(platform, psn_no)
    if person is None:
        raise PhoneRefusal(404, "NO_SUCH_PERSON", "没有这位参保人，请先 POST /persons")
    return person


def _shown(platform: Bureau, person: Person) -> dict[str, Any]:
    balance = book.balance_fen(platform.store, account(person.psn_no))
    return {**msgspec.to_builtins(person), "account_fen": balance}
