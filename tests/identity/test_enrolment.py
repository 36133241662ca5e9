"""Enrolling an authenticator app, losing it, and proving again who sits there."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from app.identity import authenticator, totp
from app.identity.limited import StepUpRequired, require_recent
from app.identity.tokens import read_token
from app.kernel import clock
from app.kernel.crypto import Undecipherable, decrypt
from tests.identity.staff import PASSWORD, STAFF, logged_in, refusal, tries
from tests.make import identity as make
from tests.make.rows import value

REFUSED = (401, "login_refused")


def later(monkeypatch: pytest.MonkeyPatch, **time: float) -> None:
    moment = clock.wall() + timedelta(**time)
    monkeypatch.setattr(clock, "wall", lambda: moment)


async def enrolled(client: httpx.AsyncClient) -> tuple[str, str, list[str]]:
    """(login name, seed, recovery codes) of somebody who went all the way over HTTP."""
    _, name = await make.staff_login()
    headers = await logged_in(client, name)
    made = (await client.post(f"{STAFF}/second-factor/totp", headers=headers)).json()
    reply = await client.post(
        f"{STAFF}/second-factor/totp/confirm", headers=headers, json={"otp": make.otp(made["seed"], aside=-1)}
    )
    assert reply.status_code == 200, reply.text
    return name, made["seed"], reply.json()["recovery_codes"]


async def doctor(client: httpx.AsyncClient) -> tuple[UUID, str, str, dict[str, str]]:
    """(staff id, login name, seed, headers) of a complete login; the code of this step is used."""
    staff_id, name = await make.staff_login()
    seed = await make.totp_seed(staff_id)
    return staff_id, name, seed, await logged_in(client, name, otp=make.otp(seed, aside=-1))


async def test_the_first_code_enrols_and_the_seed_is_kept_encrypted(client: httpx.AsyncClient) -> None:
    _, name = await make.staff_login()
    headers = await logged_in(client, name)
    made = (await client.post(f"{STAFF}/second-factor/totp", headers=headers)).json()
    assert made["uri"] == totp.enrolment_uri(made["seed"], login_name=name)
    assert made["qr_svg"].count("<svg") == 1
    confirm = f"{STAFF}/second-factor/totp/confirm"
    wrong = await client.post(confirm, headers=headers, json={"otp": make.otp(made["seed"], aside=5)})
    assert refusal(wrong) == (422, "first_code_wrong")
    assert (await tries(client, name)).status_code == 200, "nothing is enrolled yet"
    codes = await client.post(confirm, headers=headers, json={"otp": make.otp(made["seed"])})
    assert len(set(codes.json()["recovery_codes"])) == authenticator.RECOVERY_CODES
    assert refusal(await client.post(confirm, headers=headers, json={"otp": "123456"}))[0] in {401, 409}
    assert refusal(await tries(client, name)) == (401, "second_factor_required")
    assert refusal(await tries(client, name, otp=make.otp(made["seed"]))) == REFUSED, "the first code is used"
    assert (await tries(client, name, otp=make.otp(made["seed"], aside=1))).status_code == 200
    assert made["seed"] not in await value("SELECT json_agg(totp_seed)::text FROM totp_seed")


async def test_a_seed_opens_only_in_its_own_row(client: httpx.AsyncClient) -> None:
    await enrolled(client)
    staff_id, _ = await make.staff_login()
    stored = await value("SELECT seed FROM totp_seed WHERE seed IS NOT NULL LIMIT 1")
    with pytest.raises(Undecipherable):
        decrypt(stored, context=authenticator.seed_context(staff_id))


async def test_an_enrolment_waits_ten_minutes(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff_id, _ = await make.staff_login()
    actor = make.staff_actor(staff_id)
    made = await authenticator.start_enrolment(actor)
    later(monkeypatch, minutes=authenticator.PENDING_MINUTES, seconds=1)
    with pytest.raises(authenticator.EnrolmentOver):
        await authenticator.confirm_enrolment(actor, code=make.otp(made.seed))


async def test_the_sessions_before_the_enrolment_end(client: httpx.AsyncClient) -> None:
    staff_id, _, seed, _ = await doctor(client)
    version = await value("SELECT auth_version FROM staff_login WHERE staff_id = $1", staff_id)
    actor = make.staff_actor(staff_id)
    made = await authenticator.start_enrolment(actor)
    await authenticator.confirm_enrolment(actor, code=make.otp(made.seed))
    assert made.seed != seed
    assert await value("SELECT auth_version FROM staff_login WHERE staff_id = $1", staff_id) == version + 1


async def test_a_recovery_code_opens_once_in_any_spelling(client: httpx.AsyncClient) -> None:
    name, _, codes = await enrolled(client)
    assert refusal(await tries(client, name, recovery_code="AAAA-BBBB-CCCC-DDDD")) == REFUSED
    assert (await tries(client, name, recovery_code=f" {codes[0].lower()} ")).status_code == 200
    assert refusal(await tries(client, name, recovery_code=codes[0])) == REFUSED
    assert await value("SELECT failures FROM staff_login WHERE login_name = $1", name) == 0
    headers = await logged_in(client, name, recovery_code=codes[1])
    renewed = await client.post(f"{STAFF}/second-factor/recovery-codes", headers=headers)
    assert refusal(await tries(client, name, recovery_code=codes[2])) == REFUSED
    fresh = renewed.json()["recovery_codes"][0]
    assert (await tries(client, name, recovery_code=fresh)).status_code == 200


async def test_a_recovery_code_of_another_is_wrong(client: httpx.AsyncClient) -> None:
    _, _, codes = await enrolled(client)
    other, _, _ = await enrolled(client)
    assert refusal(await tries(client, other, recovery_code=codes[0])) == REFUSED
    assert await value("SELECT failures FROM staff_login WHERE login_name = $1", other) == 1


@pytest.mark.parametrize("path", ["/second-factor/totp", "/second-factor/recovery-codes"])
async def test_replacing_a_factor_wants_a_fresh_proof(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    _, _, seed, headers = await doctor(client)
    assert (await client.post(STAFF + path, headers=headers)).status_code == 200
    later(monkeypatch, seconds=125)
    stale = await client.post(STAFF + path, headers=headers)
    assert refusal(stale) == (401, "step_up_required")
    again = await client.post(f"{STAFF}/step-up", headers=headers, json={"otp": make.otp(seed)})
    fresh = make.bearer(again.json()["access_token"])
    assert (await client.post(STAFF + path, headers=fresh)).status_code == 200


async def test_a_step_up_is_a_fresh_token_of_the_same_session(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff_id, _, seed, headers = await doctor(client)
    before = read_token(headers["Authorization"].removeprefix("Bearer "))
    later(monkeypatch, seconds=125)
    for body, code in (
        ({}, "second_factor_required"),
        ({"password": PASSWORD}, "second_factor_required"),
        ({"otp": make.otp(seed, aside=9)}, "login_refused"),
        ({"otp": make.otp(seed), "password": "wrong-password"}, "login_refused"),
    ):
        reply = await client.post(f"{STAFF}/step-up", headers=headers, json=body)
        assert refusal(reply) == (401, code), body
    assert await value("SELECT failures FROM staff_login WHERE staff_id = $1", staff_id) == 2
    reply = await client.post(f"{STAFF}/step-up", headers=headers, json={"otp": make.otp(seed)})
    after = read_token(reply.json()["access_token"])
    assert (after.sid, after.role, after.amr) == (before.sid, before.role, before.amr)
    assert after.auth_time == int(clock.wall().timestamp())
    assert after.auth_time - before.auth_time >= 124


async def test_who_has_no_factor_steps_up_by_password(client: httpx.AsyncClient) -> None:
    staff_id, _ = await make.staff_login()
    headers = make.bearer(await make.token(make.ActorKind.STAFF, staff_id, channel="staff", role="doctor"))
    wrong = await client.post(f"{STAFF}/step-up", headers=headers, json={"password": "wrong-password"})
    assert refusal(wrong) == REFUSED
    assert refusal(await client.post(f"{STAFF}/step-up", headers=headers, json={})) == REFUSED
    right = await client.post(f"{STAFF}/step-up", headers=headers, json={"password": PASSWORD})
    assert right.status_code == 200


async def test_an_ended_session_cannot_step_up(client: httpx.AsyncClient) -> None:
    _, _, seed, headers = await doctor(client)
    await value("UPDATE login_session SET revoked_at = now()")
    reply = await client.post(f"{STAFF}/step-up", headers=headers, json={"otp": make.otp(seed)})
    assert refusal(reply) == (401, "token_refused")


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (120, True), (121, False), (3600, False)])
def test_a_proof_is_recent_for_120_seconds(
    monkeypatch: pytest.MonkeyPatch, seconds: int, fresh: bool
) -> None:
    proved = int(clock.wall().timestamp())
    moment = datetime.fromtimestamp(proved + seconds, UTC)
    monkeypatch.setattr(clock, "wall", lambda: moment)
    if fresh:
        require_recent(proved)
    else:
        with pytest.raises(StepUpRequired):
            require_recent(proved)
