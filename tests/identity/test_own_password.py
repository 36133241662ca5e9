"""Passwords are long and not common; changing one's own takes the old one and the second factor."""

from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity.rules import COMMON, LENGTH_MAX, LENGTH_MIN, is_common, is_too_short_or_long
from tests.identity.staff import PASSWORD, STAFF, logged_in, refusal, tries
from tests.make import identity as make
from tests.make.rows import value

GOOD = "三餐四季 walk by the river"


async def doctor(client: httpx.AsyncClient) -> tuple[UUID, str, str, dict[str, str]]:
    staff_id, name = await make.staff_login()
    seed = await make.totp_seed(staff_id)
    return staff_id, name, seed, await logged_in(client, name, otp=make.otp(seed, aside=-1))


async def change(
    client: httpx.AsyncClient, headers: dict[str, str], new: str, *, old: str = PASSWORD, **proof: str
) -> httpx.Response:
    body = {"old_password": old, "new_password": new, **proof}
    return await client.post(f"{STAFF}/password", headers=headers, json=body)


async def test_a_new_password_ends_the_old_and_every_session(client: httpx.AsyncClient) -> None:
    staff_id, name, seed, headers = await doctor(client)
    version = await value("SELECT auth_version FROM staff_login WHERE staff_id = $1", staff_id)
    reply = await change(client, headers, GOOD, otp=make.otp(seed))
    assert reply.status_code == 200, reply.text
    assert await value("SELECT auth_version FROM staff_login WHERE staff_id = $1", staff_id) == version + 1
    assert refusal(await tries(client, name, otp=make.otp(seed, aside=1))) == (401, "login_refused")
    assert (await tries(client, name, GOOD, otp=make.otp(seed, aside=1))).status_code == 200
    told = "SELECT count(*) FROM event WHERE kind = 'staff_login.password_changed' AND aggregate_id = $1"
    assert await value(told, staff_id) == 1


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short-pass1", "password_length"),
        ("x" * 129, "password_length"),
        ("Password1234", "password_common"),
        ("aaaaaaaaaaaaab", "password_common"),
        (PASSWORD, "password_unchanged"),
    ],
)
async def test_a_bad_password_is_refused_with_its_reason(
    client: httpx.AsyncClient, new: str, code: str
) -> None:
    _, _, seed, headers = await doctor(client)
    assert refusal(await change(client, headers, new, otp=make.otp(seed))) == (422, code)


async def test_who_sits_down_at_an_open_screen_cannot_change_it(client: httpx.AsyncClient) -> None:
    staff_id, _, seed, headers = await doctor(client)
    assert refusal(await change(client, headers, GOOD)) == (401, "second_factor_required")
    wrong = await change(client, headers, GOOD, old="wrong-password", otp=make.otp(seed))
    assert refusal(wrong) == (401, "login_refused")
    assert refusal(await change(client, headers, GOOD, otp=make.otp(seed, aside=9))) == (401, "login_refused")
    assert await value("SELECT failures FROM staff_login WHERE staff_id = $1", staff_id) == 2


async def test_a_one_time_password_is_changed_into_a_complete_login(client: httpx.AsyncClient) -> None:
    staff_id, name = await make.staff_login()
    seed = await make.totp_seed(staff_id)
    await value(
        "UPDATE staff_login SET one_time_until = now() + interval '1 hour' WHERE staff_id = $1", staff_id
    )
    headers = await logged_in(client, name, otp=make.otp(seed, aside=-1))
    assert refusal(await client.get(f"{STAFF}/clock", headers=headers)) == (403, "login_incomplete")
    assert (await change(client, headers, GOOD, otp=make.otp(seed))).status_code == 200
    complete = await logged_in(client, name, GOOD, otp=make.otp(seed, aside=1))
    assert (await client.get(f"{STAFF}/clock", headers=complete)).status_code == 200


@given(st.text(max_size=200))
def test_the_length_counts_characters(password: str) -> None:
    assert is_too_short_or_long(password) is not (LENGTH_MIN <= len(password) <= LENGTH_MAX)


@given(st.sampled_from(sorted(COMMON)), st.booleans())
def test_common_passwords_are_common_in_capitals_too(password: str, capital: bool) -> None:
    assert is_common(password.upper() if capital else password, login_name="doctor01")
    assert not is_too_short_or_long(password)


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_password_around_the_login_name_is_refused(before: str, after: str) -> None:
    assert is_common(f"{before}DOCTOR01{after}", login_name="doctor01")


def test_a_sentence_is_good() -> None:
    assert not is_common(GOOD, login_name="doctor01")
