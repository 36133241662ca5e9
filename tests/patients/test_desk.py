"""The registration window helps who stands there with the card, and nobody else."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kernel.actor import Actor, Reach, system
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.patients.access import may_act_for, may_see
from app.patients.binding import Relation
from app.patients.desk import (
    accounts_at_the_desk,
    end_at_the_desk,
    invite_at_the_desk,
    prove_at_the_desk,
)
from app.patients.proxies import accept_invitation, invitation_view
from app.patients.queries import bound_persons
from app.patients.tables import Scope
from tests.make import identity, organization, patients
from tests.make.rows import value
from tests.make.visit import now

DESK = "/api/staff/v1/desk"


async def registrar() -> Actor:
    """As the policy lets a window reach, where whoever stands there may be anybody."""
    staff_id = await organization.staff(role="registrar")
    return identity.staff_actor(staff_id, role="registrar", reach=Reach.EVERYBODY)


async def known(number: str) -> tuple[Actor, UUID]:
    """Somebody who was here before and adds herself with name and number only."""
    person = await patients.person(number=number)
    account = await identity.account_actor()
    await patients.bound_person(account, number=number)
    return account, person


async def test_the_card_and_the_phone_together_open_the_results(db: str) -> None:
    number = patients.id_number()
    account, person = await known(number)
    desk = await registrar()
    [shown] = await accounts_at_the_desk(desk, id_number=number)
    assert (shown.proof, shown.holder) == ("id_and_name", "李*明")
    assert not await may_act_for(account, person_id=person, scope=Scope.READ)
    await prove_at_the_desk(desk, id_number=number, binding_id=shown.binding_id)
    await patients.agree(account, person)
    assert await may_see(account, person_id=person)
    assert (await bound_persons(account))[0].proof == "window"
    assert await value("SELECT count(*) FROM event WHERE kind = 'person.binding_proven'") == 1


async def test_a_window_ends_what_the_person_did_not_want(db: str) -> None:
    number = patients.id_number()
    account, _ = await known(number)
    [shown] = await accounts_at_the_desk(desk := await registrar(), id_number=number)
    await end_at_the_desk(desk, id_number=number, binding_id=shown.binding_id)
    assert await bound_persons(account) == []
    assert await accounts_at_the_desk(desk, id_number=number) == []


async def test_who_has_no_phone_lets_a_relative_act_from_the_window(db: str) -> None:
    number = patients.id_number()
    person = await patients.person(number=number)
    desk, daughter = await registrar(), await identity.account_actor()
    ends_at = await now() + timedelta(days=300)
    invitation_id = await invite_at_the_desk(
        desk, id_number=number, scopes=[Scope.BOOK, Scope.PAY], ends_at=ends_at
    )
    code = (await invitation_view(desk, invitation_id=invitation_id)).code
    assert code is not None
    await accept_invitation(daughter, code=code, relation=Relation.PARENT)
    assert await may_act_for(daughter, person_id=person, scope=Scope.BOOK)
    assert not await may_act_for(daughter, person_id=person, scope=Scope.READ)


@pytest.mark.parametrize("act", [prove_at_the_desk, end_at_the_desk], ids=["prove", "end"])
async def test_another_persons_card_reaches_no_binding(db: str, act: Callable[..., Awaitable[Any]]) -> None:
    number, other = patients.id_number(), patients.id_number()
    await known(number)
    await patients.person(number=other)
    [shown] = await accounts_at_the_desk(desk := await registrar(), id_number=number)
    for card, binding_id, who, code in (
        (other, shown.binding_id, desk, "proxy_not_found"),
        (number, new_id(), desk, "proxy_not_found"),
        ("11010519491231002X", shown.binding_id, desk, "person_not_found"),
        (number, shown.binding_id, system("test"), "person_not_found"),
    ):
        with pytest.raises(DomainError) as refusal:
            await act(who, id_number=card, binding_id=binding_id)
        assert refusal.value.code == code


async def test_a_relatives_binding_is_not_proven_as_oneself(db: str) -> None:
    number = patients.id_number()
    await patients.bound_person(await identity.account_actor(), number=number, relation="1")
    [shown] = await accounts_at_the_desk(desk := await registrar(), id_number=number)
    with pytest.raises(DomainError) as refusal:
        await prove_at_the_desk(desk, id_number=number, binding_id=shown.binding_id)
    assert refusal.value.code == "only_self_is_proven"


async def test_the_window_over_http(client: httpx.AsyncClient) -> None:
    number = patients.id_number()
    await known(number)
    token = await identity.staff_token(role="registrar", staff_id=await organization.staff())
    card = {"id_number": number}

    async def post(path: str, body: Mapping[str, object], by: str = token) -> httpx.Response:
        return await client.post(f"{DESK}{path}", json=body, headers=identity.bearer(by))

    listed = await post("/bindings", card)
    assert number not in listed.text
    binding = f"/bindings/{listed.json()['items'][0]['binding_id']}"
    assert (await post(f"{binding}/prove", card)).json()["items"][0]["proof"] == "window"
    ends_at = (await now() + timedelta(days=5)).isoformat()
    made = await post("/invitations", card | {"scopes": ["book"], "ends_at": ends_at})
    assert (made.status_code, bool(made.json()["code"])) == (201, True)
    assert (await post(f"{binding}/end", card)).json()["items"] == []
    doctor = await identity.staff_token(role="doctor")
    assert (await post("/bindings", card, by=doctor)).status_code == 403
