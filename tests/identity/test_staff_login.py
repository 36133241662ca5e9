"""Staff prove what they know and what they hold; nobody learns which was wrong; guesses lock the login."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from app.identity import passwords, proving
from app.identity.roles import SECOND_FACTOR, FactorKind, StaffRole
from app.identity.second_factor import Proof
from app.identity.tokens import read_token
from app.kernel import clock
from tests.identity.staff import STAFF, logged_in, redeemed, refusal, tries
from tests.make import identity as make
from tests.make.rows import value

REFUSED = (401, "login_refused")


async def doctor() -> tuple[UUID, str, str]:
    """(staff id, login name, seed)."""
    staff_id, name = await make.staff_login()
    return staff_id, name, await make.totp_seed(staff_id)


async def test_a_doctor_logs_in_with_both_factors_and_is_known(client: httpx.AsyncClient) -> None:
    _, name, seed = await doctor()
    headers = await logged_in(client, name, otp=make.otp(seed))
    claims = read_token(headers["Authorization"].removeprefix("Bearer "))
    assert (claims.amr, claims.scope, claims.role) == (("pwd", "otp"), "", "doctor")
    assert (await client.get(f"{STAFF}/departments", headers=headers)).status_code == 200


async def test_the_second_factor_is_asked_for_only_after_the_right_password(
    client: httpx.AsyncClient,
) -> None:
    _, name, _ = await doctor()
    assert refusal(await tries(client, name, "wrong-password")) == REFUSED
    asked = await tries(client, name)
    assert refusal(asked) == (401, "second_factor_required")
    assert asked.json()["ids"] == {"factors": "totp"}


@pytest.mark.parametrize("wrong", ["password", "otp", "both"])
async def test_nobody_learns_which_factor_was_wrong(client: httpx.AsyncClient, wrong: str) -> None:
    _, name, seed = await doctor()
    otp = make.otp(seed) if wrong == "password" else make.otp(seed, aside=7)
    password = "right-password" if wrong == "otp" else "wrong-password"
    reply = await tries(client, name, password, otp=otp)
    told = {k: v for k, v in reply.json().items() if k != "request_id"}
    unknown = await tries(client, "nobody", "x" * 500, otp="123456")
    assert told == {k: v for k, v in unknown.json().items() if k != "request_id"}
    assert refusal(reply) == REFUSED


@pytest.mark.parametrize("otp", ["", "12345", "1234567", "abcdef", "１２３４５６", "-12345", "12 456"])
async def test_what_is_no_code_is_wrong(client: httpx.AsyncClient, otp: str) -> None:
    _, name, _ = await doctor()
    assert refusal(await tries(client, name, otp=otp)) == REFUSED


@pytest.mark.parametrize(("aside", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_codes_of_the_neighbouring_steps_are_good(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, aside: int, good: bool
) -> None:
    _, name, seed = await doctor()
    moment = clock.wall()
    monkeypatch.setattr(clock, "wall", lambda: moment)
    assert (await tries(client, name, otp=make.otp(seed, aside=aside))).is_success is good


async def test_a_code_and_those_before_it_open_once(client: httpx.AsyncClient) -> None:
    staff_id, name, seed = await doctor()
    assert (await tries(client, name, otp=make.otp(seed))).status_code == 200
    assert refusal(await tries(client, name, otp=make.otp(seed))) == REFUSED
    assert refusal(await tries(client, name, otp=make.otp(seed, aside=-1))) == REFUSED
    assert (await tries(client, name, otp=make.otp(seed, aside=1))).status_code == 200
    assert await value("SELECT failures FROM staff_login WHERE staff_id = $1", staff_id) == 0


@pytest.mark.commits
async def test_twenty_parallel_logins_with_one_code_give_one(db: str) -> None:
    staff_id, name, seed = await doctor()
    proof = Proof(kind=FactorKind.TOTP, answer=make.otp(seed))

    async def log_in() -> str:
        return await passwords.log_in_staff(
            login_name=name, password="right-password", challenge=make.CHALLENGE, proof=proof
        )

    answers = await asyncio.gather(*(log_in() for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 1, answers
    assert sum(isinstance(answer, proving.LoginRefused) for answer in answers) == 19, answers
    assert await value("SELECT count(*) FROM auth_code WHERE actor_id = $1", staff_id) == 1
    assert await value("SELECT locked_until FROM staff_login WHERE staff_id = $1", staff_id) is None


@pytest.mark.parametrize("wrong", ["password", "otp"])
async def test_wrong_guesses_lock_for_a_while_and_say_until_when(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    _, name, seed = await doctor()
    password = "right-password" if wrong == "otp" else "wrong-password"
    for _ in range(proving.FAILURES_MAX):
        assert refusal(await tries(client, name, password, otp=make.otp(seed, aside=9))) == REFUSED
    locked = await tries(client, name, otp=make.otp(seed))
    assert refusal(locked) == (429, "login_locked")
    assert 890 < int(locked.headers["Retry-After"]) <= 900
    assert "15 分钟" in locked.json()["detail"]
    later = clock.wall() + timedelta(minutes=proving.LOCKED_MINUTES, seconds=1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert (await tries(client, name, otp=make.otp(seed))).status_code == 200


async def test_only_a_complete_login_forgets_earlier_failures(client: httpx.AsyncClient) -> None:
    """Or a thief of the password could guess codes for ever, with the password alone in between."""
    staff_id, name, seed = await doctor()
    for _ in range(proving.FAILURES_MAX - 1):
        await tries(client, name, otp=make.otp(seed, aside=9))
        await tries(client, name)
    assert await value("SELECT failures FROM staff_login WHERE staff_id = $1", staff_id) == 4
    assert (await tries(client, name, otp=make.otp(seed))).status_code == 200
    assert await value("SELECT failures FROM staff_login WHERE staff_id = $1", staff_id) == 0


@pytest.mark.commits
async def test_guesses_at_once_are_all_counted_and_lock(db: str) -> None:
    _, name, seed = await doctor()

    async def guess(aside: int) -> str:
        proof = Proof(kind=FactorKind.TOTP, answer=make.otp(seed, aside=aside))
        return await passwords.log_in_staff(
            login_name=name, password="right-password", challenge=make.CHALLENGE, proof=proof
        )

    answers = await asyncio.gather(*(guess(aside) for aside in range(5, 17)), return_exceptions=True)
    assert sum(isinstance(answer, proving.LoginRefused) for answer in answers) == proving.FAILURES_MAX
    assert sum(isinstance(answer, proving.LoginLocked) for answer in answers) == 12 - proving.FAILURES_MAX


async def test_a_guess_that_was_right_while_another_locked_is_refused(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff_id, name, seed = await doctor()
    asked = passwords.check_password

    async def locked_meanwhile(stored: str, password: str) -> bool:
        await value(
            "UPDATE staff_login SET locked_until = now() + interval '1 hour' WHERE staff_id = $1", staff_id
        )
        return await asked(stored, password)

    monkeypatch.setattr(passwords, "check_password", locked_meanwhile)
    with pytest.raises(proving.LoginLocked):
        await passwords.log_in_staff(
            login_name=name,
            password="right-password",
            challenge=make.CHALLENGE,
            proof=Proof(kind=FactorKind.TOTP, answer=make.otp(seed)),
        )


@pytest.mark.parametrize("meanwhile", ["password_hash = 'another'", "disabled_at = now()"])
async def test_a_login_that_changes_while_it_is_hashed_is_refused(
    db: str, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    staff_id, name, seed = await doctor()
    asked = passwords.check_password

    async def changed_meanwhile(stored: str, password: str) -> bool:
        await value(f"UPDATE staff_login SET {meanwhile} WHERE staff_id = $1", staff_id)
        return await asked(stored, password)

    monkeypatch.setattr(passwords, "check_password", changed_meanwhile)
    with pytest.raises(proving.LoginRefused):
        await passwords.log_in_staff(
            login_name=name,
            password="right-password",
            challenge=make.CHALLENGE,
            proof=Proof(kind=FactorKind.TOTP, answer=make.otp(seed)),
        )


def test_every_role_says_whether_it_needs_a_second_factor() -> None:
    assert {role: SECOND_FACTOR[role] for role in StaffRole} == dict.fromkeys(StaffRole, True)


async def test_without_a_factor_a_login_may_only_enrol_one(client: httpx.AsyncClient) -> None:
    _, name = await make.staff_login()
    headers = await logged_in(client, name)
    for path in ("/departments", "/clock"):
        assert refusal(await client.get(STAFF + path, headers=headers)) == (403, "login_incomplete")
    for path in ("/rt/tickets", f"{STAFF}/step-up", f"{STAFF}/second-factor/recovery-codes"):
        reply = await client.post(path, headers=headers, json={})
        assert refusal(reply) == (403, "login_incomplete"), path
    assert (await client.post(f"{STAFF}/second-factor/totp", headers=headers)).status_code == 200


async def test_an_ordinary_login_of_a_role_that_needs_no_factor(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECOND_FACTOR, StaffRole.DOCTOR, False)
    _, name = await make.staff_login()
    headers = await logged_in(client, name)
    assert (await client.get(f"{STAFF}/departments", headers=headers)).status_code == 200
    enrolled_id, enrolled = await make.staff_login()
    await make.totp_seed(enrolled_id)
    assert refusal(await tries(client, enrolled)) == (401, "second_factor_required")


async def test_a_one_time_password_must_be_changed_and_expires(client: httpx.AsyncClient) -> None:
    staff_id, name, seed = await doctor()
    await value(
        "UPDATE staff_login SET one_time_until = now() + interval '1 hour' WHERE staff_id = $1", staff_id
    )
    headers = await redeemed(client, await tries(client, name, otp=make.otp(seed)))
    assert refusal(await client.get(f"{STAFF}/clock", headers=headers)) == (403, "login_incomplete")
    await value(
        "UPDATE staff_login SET one_time_until = now() - interval '1 second' WHERE staff_id = $1", staff_id
    )
    late = await tries(client, name, otp=make.otp(seed, aside=1))
    assert refusal(late) == (401, "one_time_password_expired")
    assert refusal(await tries(client, name, "wrong-password")) == REFUSED
