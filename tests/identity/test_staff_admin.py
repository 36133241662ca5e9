"""Logins are administered by somebody else; what concerns an administrator takes two; old sessions end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.identity import four_eyes, staff_admin
from app.identity.roles import ADMIN_ROLES, StaffRole
from app.identity.tables import LoginRequestKind
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.errors import DomainError, WrongState
from app.kernel.ids import new_id
from tests.identity.staff import STAFF, logged_in, refusal, tries
from tests.make import identity as make
from tests.make.rows import row, value

ROLE, PASSWORD, FACTOR = LoginRequestKind.ROLE, LoginRequestKind.PASSWORD, LoginRequestKind.SECOND_FACTOR


async def login(role: str = "doctor") -> UUID:
    """A login of this role; its staff id."""
    staff_id = new_id()
    await make.staff_token(role=role, staff_id=staff_id)
    return staff_id


async def security() -> Actor:
    return make.staff_actor(await login("security_admin"))


async def refused(answer: Awaitable[Any]) -> type[DomainError]:
    with pytest.raises(DomainError) as error:
        await answer
    return type(error.value)


async def of(staff_id: UUID, column: str) -> Any:
    return await value(f"SELECT {column} FROM staff_login WHERE staff_id = $1", staff_id)


async def told(staff_id: UUID) -> list[str]:
    return await value("SELECT array_agg(kind ORDER BY id) FROM event WHERE aggregate_id = $1", staff_id)


async def asked(actor: Actor, staff_id: UUID, kind: LoginRequestKind, role: str | None = None) -> UUID:
    wanted = None if role is None else StaffRole(role)
    return await four_eyes.request_change(actor, staff_id=staff_id, kind=kind, role=wanted)


async def approve(actor: Actor, request_id: UUID) -> UUID:
    return await four_eyes.approve_request(actor, request_id=request_id, password_hash="a hash")


ONE_PERSON: dict[str, Callable[[Actor, UUID], Awaitable[Any]]] = {
    "create": lambda a, s: staff_admin.create_login(
        a, staff_id=s, login_name="newcomer", role=StaffRole.NURSE
    ),
    "role": lambda a, s: staff_admin.set_role(a, staff_id=s, role=StaffRole.NURSE),
    "disable": lambda a, s: staff_admin.disable_login(a, staff_id=s),
    "unlock": lambda a, s: staff_admin.unlock_login(a, staff_id=s),
    "password": lambda a, s: staff_admin.reset_password(a, staff_id=s, password_hash="a hash"),
    "factor": lambda a, s: staff_admin.reset_second_factor(a, staff_id=s),
}


@pytest.mark.parametrize("what", ONE_PERSON)
async def test_nobody_administers_the_own_login(db: str, what: str) -> None:
    actor = await security()
    assert actor.id is not None
    assert await refused(ONE_PERSON[what](actor, actor.id)) is staff_admin.OwnLogin
    for kind in LoginRequestKind:
        assert await refused(asked(actor, actor.id, kind)) is staff_admin.OwnLogin


@pytest.mark.parametrize("what", [what for what in ONE_PERSON if what != "create"])
async def test_a_login_that_is_not_there_is_not_found(db: str, what: str) -> None:
    assert (await refused(ONE_PERSON[what](await security(), new_id()))).code == "login_not_found"


@pytest.mark.parametrize("what", ["role", "disable", "password", "factor"])
async def test_every_change_ends_the_sessions_before_it(db: str, what: str) -> None:
    staff_id = await login()
    await ONE_PERSON[what](await security(), staff_id)
    assert await of(staff_id, "auth_version") == 2
    assert len(await told(staff_id)) == 1


@pytest.mark.parametrize("role", sorted(ADMIN_ROLES))
async def test_one_person_makes_no_administrator(db: str, role: str) -> None:
    actor, staff_id = await security(), await login()
    wanted = StaffRole(role)
    made = staff_admin.create_login(actor, staff_id=new_id(), login_name="n", role=wanted)
    assert await refused(made) is staff_admin.SecondPersonNeeded
    given = staff_admin.set_role(actor, staff_id=staff_id, role=wanted)
    assert await refused(given) is staff_admin.SecondPersonNeeded
    assert await of(staff_id, "role") == "doctor"


@pytest.mark.parametrize("role", sorted(ADMIN_ROLES))
@pytest.mark.parametrize("what", ["password", "factor"])
async def test_one_person_takes_no_administrators_login_over(db: str, role: str, what: str) -> None:
    staff_id = await login(role)
    assert await refused(ONE_PERSON[what](await security(), staff_id)) is staff_admin.SecondPersonNeeded
    assert await of(staff_id, "auth_version") == 1


@pytest.mark.parametrize("role", sorted(ADMIN_ROLES))
async def test_two_people_make_an_administrator(db: str, role: str) -> None:
    one, other, staff_id = await security(), await security(), await login()
    request_id = await asked(one, staff_id, ROLE, role)
    assert await of(staff_id, "role") == "doctor"
    assert await refused(approve(one, request_id)) is four_eyes.NotTheSecondPerson
    await approve(other, request_id)
    assert (await of(staff_id, "role"), await of(staff_id, "auth_version")) == (role, 2)
    assert await told(staff_id) == ["staff_login.change_requested", "staff_login.role_given"]
    event = await value(
        "SELECT row_to_json(event) FROM event WHERE aggregate_id = $1 ORDER BY id DESC LIMIT 1", staff_id
    )
    assert str(other.id) in event
    assert str(request_id) in event
    assert await refused(approve(other, request_id)) is WrongState


async def test_a_login_has_one_role_and_never_two_of_the_three(db: str) -> None:
    one, other, staff_id = await security(), await security(), await login("audit_admin")
    await approve(other, await asked(one, staff_id, ROLE, "system_admin"))
    assert await value("SELECT array_agg(role) FROM staff_login WHERE staff_id = $1", staff_id) == [
        "system_admin"
    ]


async def test_whom_it_is_about_does_not_approve(db: str) -> None:
    one, about = await security(), await security()
    assert about.id is not None
    for kind, role in ((ROLE, "audit_admin"), (PASSWORD, None), (FACTOR, None)):
        request_id = await asked(one, about.id, kind, role)
        assert await refused(approve(about, request_id)) is four_eyes.NotTheSecondPerson


async def test_two_people_reset_an_administrators_password_and_factor(db: str) -> None:
    one, other, staff_id = await security(), await security(), await login("system_admin")
    await make.totp_seed(staff_id)
    await approve(other, await asked(one, staff_id, PASSWORD))
    assert await of(staff_id, "password_hash") == "a hash"
    assert await of(staff_id, "one_time_until > now()") is True
    await approve(other, await asked(one, staff_id, FACTOR))
    assert await value("SELECT count(*) FROM totp_seed WHERE staff_id = $1", staff_id) == 0
    assert await of(staff_id, "auth_version") == 3


async def test_a_request_is_over_after_a_day_or_when_its_author_is_no_longer_entitled(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third, staff_id = await security(), await security(), await security(), await login()
    first = await asked(one, staff_id, ROLE, "audit_admin")
    second = await asked(third, staff_id, ROLE, "audit_admin")
    assert third.id is not None
    await staff_admin.disable_login(other, staff_id=third.id)
    assert await refused(approve(other, second)) is four_eyes.RequestOutdated
    later = clock.wall() + timedelta(hours=four_eyes.REQUEST_HOURS, seconds=1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert await refused(approve(other, first)) is four_eyes.RequestOutdated
    assert await four_eyes.open_requests(other, limit=10, after=None) == []


async def test_a_declined_request_is_over(db: str) -> None:
    one, other, staff_id = await security(), await security(), await login()
    request_id = await asked(one, staff_id, ROLE, "audit_admin")
    await four_eyes.decline_request(one, request_id=request_id)
    assert await refused(approve(other, request_id)) is WrongState
    assert await of(staff_id, "role") == "doctor"
    assert (await told(staff_id))[-1] == "staff_login.change_declined"
    gone = four_eyes.login_request(one, request_id=new_id())
    assert await refused(gone) is four_eyes.RequestNotFound
    assert await refused(approve(other, new_id())) is four_eyes.RequestNotFound


async def test_a_request_says_what_it_is_for(db: str) -> None:
    one, ordinary, administrator = await security(), await login(), await login("audit_admin")
    assert await refused(asked(one, ordinary, ROLE)) is four_eyes.RoleMissing
    assert await refused(asked(one, administrator, PASSWORD, "doctor")) is four_eyes.RoleMissing
    for kind, role in ((PASSWORD, None), (FACTOR, None), (ROLE, "nurse")):
        assert await refused(asked(one, ordinary, kind, role)) is four_eyes.NoSecondPersonNeeded


@pytest.mark.commits
async def test_many_approvals_at_once_give_one(db: str) -> None:
    one, staff_id = await security(), await login()
    others = [await security() for _ in range(8)]
    request_id = await asked(one, staff_id, ROLE, "audit_admin")
    answers = await asyncio.gather(*(approve(other, request_id) for other in others), return_exceptions=True)
    assert sum(answer == request_id for answer in answers) == 1, answers
    assert sum(isinstance(answer, WrongState) for answer in answers) == 7, answers
    assert await of(staff_id, "auth_version") == 2


async def test_another_role_opens_a_disabled_login(db: str) -> None:
    actor, staff_id = await security(), await login()
    await staff_admin.disable_login(actor, staff_id=staff_id)
    assert await of(staff_id, "disabled_at IS NOT NULL") is True
    await staff_admin.set_role(actor, staff_id=staff_id, role=StaffRole.NURSE)
    assert (await of(staff_id, "disabled_at"), await of(staff_id, "role")) == (None, "nurse")


async def test_a_newcomer_from_the_first_password_to_the_first_patient(client: httpx.AsyncClient) -> None:
    headers = await make.staff_headers(role="security_admin")
    staff_id = await row("staff", staff_no="N900", name="张三", role="nurse", title="", active=True)
    body = {"login_name": "nurse900", "role": "nurse"}
    created = await client.post(f"{STAFF}/staff-members/{staff_id}/login", headers=headers, json=body)
    assert created.status_code == 201, created.text
    assert refusal(await tries(client, "nurse900", "none")) == (401, "login_refused")

    reset = await client.post(f"{STAFF}/logins/{staff_id}/password", headers=headers)
    first = reset.json()["one_time_password"]
    newcomer = await logged_in(client, "nurse900", first)
    body = {"old_password": first, "new_password": "三餐四季 walk by the river"}
    assert (await client.post(f"{STAFF}/password", headers=newcomer, json=body)).status_code == 200
    newcomer = await logged_in(client, "nurse900", body["new_password"])
    seed = (await client.post(f"{STAFF}/second-factor/totp", headers=newcomer)).json()["seed"]
    confirm = {"otp": make.otp(seed)}
    await client.post(f"{STAFF}/second-factor/totp/confirm", headers=newcomer, json=confirm)
    newcomer = await logged_in(client, "nurse900", body["new_password"], otp=make.otp(seed, aside=1))
    assert (await client.get(f"{STAFF}/me", headers=newcomer)).json()["name"] == "张三"


async def test_a_login_is_for_somebody_of_the_staff_and_its_name_is_free(client: httpx.AsyncClient) -> None:
    headers = await make.staff_headers(role="security_admin")
    body = {"login_name": "nurse901", "role": "nurse"}
    nobody = await client.post(f"{STAFF}/staff-members/{new_id()}/login", headers=headers, json=body)
    assert refusal(nobody) == (404, "staff_not_found")
    ids = [
        await row("staff", staff_no=f"N{n}", name="张三", role="nurse", title="", active=True)
        for n in (901, 902)
    ]
    codes = []
    for number, staff_id in enumerate([ids[0], ids[1], ids[0]]):
        key = {"Idempotency-Key": f"login-{number:04d}"}
        path = f"{STAFF}/staff-members/{staff_id}/login"
        codes.append((await client.post(path, headers=headers | key, json=body)).status_code)
    assert codes == [201, 409, 409]


async def test_logins_are_listed_in_pages_without_secrets(client: httpx.AsyncClient) -> None:
    headers = await make.staff_headers(role="security_admin")
    enrolled, _ = await make.staff_login()
    await make.totp_seed(enrolled)
    first = (await client.get(f"{STAFF}/logins?limit=1", headers=headers)).json()["items"]
    rest = await client.get(f"{STAFF}/logins?after={first[0]['staff_id']}", headers=headers)
    shown = {item["staff_id"]: item for item in [*first, *rest.json()["items"]]}
    assert len(first) == 1
    assert len(shown) == len(rest.json()["items"]) + 1
    assert shown[str(enrolled)]["has_second_factor"] is True
    assert "hash" not in rest.text
    assert "seed" not in rest.text


async def test_a_locked_login_is_unlocked_and_a_lost_phone_forgotten(client: httpx.AsyncClient) -> None:
    headers = await make.staff_headers(role="security_admin")
    staff_id, name = await make.staff_login()
    await make.totp_seed(staff_id)
    for _ in range(5):
        await tries(client, name, "wrong-password")
    assert refusal(await tries(client, name)) == (429, "login_locked")
    reply = await client.post(f"{STAFF}/logins/{staff_id}/unlock", headers=headers)
    assert (reply.status_code, reply.json()["locked_until"]) == (200, None)
    assert refusal(await tries(client, name)) == (401, "second_factor_required")
    key = {"Idempotency-Key": "lost-phone-1"}
    await client.post(f"{STAFF}/logins/{staff_id}/second-factor/reset", headers=headers | key)
    incomplete = await logged_in(client, name)
    assert refusal(await client.get(f"{STAFF}/me", headers=incomplete)) == (403, "login_incomplete")


async def test_requests_over_http(client: httpx.AsyncClient) -> None:
    one, other = [await make.staff_headers(role="security_admin") for _ in range(2)]
    about = await login("audit_admin")
    body = {"staff_id": str(about), "kind": "password"}
    made = await client.post(f"{STAFF}/login-requests", headers=one, json=body)
    assert made.status_code == 201, made.text
    waiting = (await client.get(f"{STAFF}/login-requests", headers=other)).json()["items"]
    assert [item["id"] for item in waiting] == [made.json()["id"]]
    path = f"{STAFF}/login-requests/{made.json()['id']}"
    own = await client.post(f"{path}/approve", headers=one)
    assert refusal(own) == (403, "not_the_second_person")
    done = (await client.post(f"{path}/approve", headers=other)).json()
    assert (done["request"]["status"], len(done["one_time_password"])) == ("approved", 19)
    again = await client.post(
        f"{STAFF}/login-requests", headers=one | {"Idempotency-Key": "again-01"}, json=body
    )
    declined = await client.post(f"{STAFF}/login-requests/{again.json()['id']}/decline", headers=other)
    assert declined.json()["request"]["status"] == "declined"
    assert declined.json()["one_time_password"] is None


PATHS = [
    ("GET", "/logins"),
    ("POST", f"/logins/{new_id()}/role"),
    ("POST", f"/logins/{new_id()}/disable"),
    ("POST", f"/logins/{new_id()}/unlock"),
    ("POST", f"/logins/{new_id()}/password"),
    ("POST", f"/logins/{new_id()}/second-factor/reset"),
    ("GET", "/login-requests"),
    ("POST", "/login-requests"),
    ("POST", f"/login-requests/{new_id()}/approve"),
    ("POST", f"/login-requests/{new_id()}/decline"),
    ("POST", f"/staff-members/{new_id()}/login"),
]


@pytest.mark.parametrize("role", [role for role in StaffRole if role is not StaffRole.SECURITY_ADMIN])
async def test_logins_are_a_matter_of_security_administrators_alone(
    client: httpx.AsyncClient, role: StaffRole
) -> None:
    headers = await make.staff_headers(role=role)
    for method, path in PATHS:
        reply = await client.request(method, STAFF + path, headers=headers)
        assert refusal(reply) == (403, "wrong_role"), path


def test_a_one_time_password_is_new_each_time_and_good_enough() -> None:
    made = {staff_admin.new_one_time_password() for _ in range(50)}
    assert len(made) == 50
    assert {len(password) for password in made} == {19}
    assert msgspec.json.encode(sorted(made)).isascii()


@pytest.mark.parametrize("path", ["role", "password", "second-factor/reset"])
async def test_an_open_screen_gives_nobody_a_way_in(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    headers, staff_id = await make.staff_headers(role="security_admin"), await login()
    later = clock.wall() + timedelta(seconds=125)
    monkeypatch.setattr(clock, "wall", lambda: later)
    body = {"role": "nurse"} if path == "role" else {}
    reply = await client.post(f"{STAFF}/logins/{staff_id}/{path}", headers=headers, json=body)
    assert refusal(reply) == (401, "step_up_required")
    assert (await client.get(f"{STAFF}/logins", headers=headers)).status_code == 200
