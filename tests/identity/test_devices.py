"""A device comes in once, with a code of ten minutes; afterwards its key alone opens its own place."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from app.identity import enrolment
from app.identity.devices import BedHasTerminal, move_device
from app.identity.enrolment import EnrolmentPaused, EnrolmentRefused, enrol_device, offer_enrolment
from app.identity.proofs import forget_nonces
from app.identity.roles import DeviceKind, PlaceKind
from app.identity.signed_in import forget_sessions
from app.identity.tokens import read_token
from app.kernel import clock
from app.kernel.actor import ActorKind
from app.kernel.ids import new_id
from tests.make import identity as make
from tests.make.proofs import DeviceAuth, DeviceKey
from tests.make.rows import value

ME, DOOR, ENROL = "/api/kiosk/v1/me", "/oauth/device", "/oauth/device/enrol"
KEEPER = make.staff_actor(new_id())


async def offered(kind: DeviceKind = DeviceKind.KIOSK, place_id: UUID | None = None) -> str:
    place_kind = PlaceKind.BED if kind is DeviceKind.BEDSIDE else PlaceKind.ZONE
    offer = await offer_enrolment(
        KEEPER,
        kind=kind,
        label="一层2号机",
        place_kind=place_kind,
        place_id=place_id or new_id(),
        place_name="一层",
    )
    return offer.code


async def enrol(client: httpx.AsyncClient, code: str, key: DeviceKey) -> httpx.Response:
    return await client.post(ENROL, json={"code": code}, auth=DeviceAuth(key))


async def log_in(client: httpx.AsyncClient, device_id: object, key: DeviceKey) -> httpx.Response:
    return await client.post(DOOR, json={"device_id": str(device_id)}, auth=DeviceAuth(key))


async def me(client: httpx.AsyncClient, token: str, auth: httpx.Auth) -> httpx.Response:
    return await client.get(ME, headers={"Authorization": f"DPoP {token}"}, auth=auth)


async def test_from_the_code_to_the_first_page(client: httpx.AsyncClient) -> None:
    key, code = DeviceKey.new(), await offered()
    assert len(code) == 10
    assert not set(code) & set("01OIL"), "nothing that looks like something else"
    enrolled = await enrol(client, f"{code[:5]}-{code[5:]}".lower(), key)
    assert enrolled.status_code == 201, enrolled.text
    granted = (await log_in(client, enrolled.json()["device_id"], key)).json()
    assert (granted["token_type"], granted["expires_in"]) == ("DPoP", 300)
    claims = read_token(granted["access_token"])
    assert (claims.kind, claims.role, claims.amr) == (ActorKind.DEVICE, "kiosk", ("pop",))
    assert claims.cnf == {"jkt": key.thumbprint}
    shown = await me(client, granted["access_token"], DeviceAuth(key))
    assert shown.status_code == 200, shown.text
    assert shown.json()["place"]["name"] == "一层"


async def test_the_code_is_stored_hashed_and_lives_ten_minutes(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await offered()
    assert code not in await value("SELECT json_agg(device_enrolment)::text FROM device_enrolment")
    later = clock.wall() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    with pytest.raises(EnrolmentRefused):
        await enrol_device(code=code, thumbprint=DeviceKey.new().thumbprint, address="10.0.0.1")


async def test_a_lost_answer_is_given_again_to_the_same_key_only(client: httpx.AsyncClient) -> None:
    key, code = DeviceKey.new(), await offered()
    first, again = await enrol(client, code, key), await enrol(client, code, key)
    assert again.json() == first.json()
    other = await enrol(client, code, DeviceKey.new())
    assert (other.status_code, other.json()["code"]) == (401, "enrolment_refused")


async def test_a_key_is_one_device(client: httpx.AsyncClient) -> None:
    key, second = DeviceKey.new(), await offered()
    await enrol(client, await offered(), key)
    refused = await enrol(client, second, key)
    assert (refused.status_code, refused.json()["code"]) == (409, "device_key_enrolled")
    assert (await enrol(client, second, DeviceKey.new())).status_code == 201, "the code is not used up"


async def test_who_has_no_key_cannot_enrol(client: httpx.AsyncClient) -> None:
    refused = await client.post(ENROL, json={"code": await offered()})
    assert (refused.status_code, refused.json()["code"]) == (401, "proof_missing")


@pytest.mark.commits
async def test_a_hundred_devices_with_one_code_are_one_device(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "TRIES_OF_ADDRESS_MAX", 1_000)
    code, keys = await offered(), [DeviceKey.new() for _ in range(100)]
    answers = await asyncio.gather(
        *(enrol_device(code=code, thumbprint=key.thumbprint, address="10.0.0.1") for key in keys),
        return_exceptions=True,
    )
    [device_id] = [answer for answer in answers if isinstance(answer, UUID)]
    others = {type(answer) for answer in answers} - {UUID}
    assert {kind.__name__ for kind in others} <= {"EnrolmentRefused", "PoolBusy"}
    assert await value("SELECT count(*) FROM device") == 1
    assert await value("SELECT device_id FROM device_enrolment") == device_id
    await value("DELETE FROM enrolment_try")


async def test_guessing_is_slowed_down_by_address_and_by_all(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = await offered()

    async def guess(code: str, address: str) -> type[BaseException] | None:
        try:
            await enrol_device(code=code, thumbprint=DeviceKey.new().thumbprint, address=address)
        except (EnrolmentRefused, EnrolmentPaused) as refusal:
            return type(refusal)
        return None

    for _ in range(enrolment.TRIES_OF_ADDRESS_MAX):
        assert await guess("22222-22222", "10.0.0.1") is EnrolmentRefused
    assert await guess(right, "10.0.0.1") is EnrolmentPaused
    monkeypatch.setattr(enrolment, "TRIES_MAX", enrolment.TRIES_OF_ADDRESS_MAX)
    assert await guess(right, "10.0.0.2") is EnrolmentPaused
    await value("UPDATE enrolment_try SET at = at - interval '11 minutes'")
    assert await enrolment.forget_tries() == enrolment.TRIES_OF_ADDRESS_MAX
    assert await guess(right, "10.0.0.1") is None


async def test_a_bed_has_one_terminal(client: httpx.AsyncClient) -> None:
    bed_id = new_id()
    first, second = [await offered(DeviceKind.BEDSIDE, bed_id) for _ in range(2)]
    enrolled = await enrol(client, first, DeviceKey.new())
    refused = await enrol(client, second, DeviceKey.new())
    assert (refused.status_code, refused.json()["code"]) == (409, "bed_has_terminal")
    other_id, _ = await make.device(kind="bedside", place_kind="bed")
    with pytest.raises(BedHasTerminal):
        await move_device(
            KEEPER, device_id=other_id, place_kind=PlaceKind.BED, place_id=bed_id, place_name="01床"
        )
    assert enrolled.status_code == 201


async def test_another_key_or_a_stranger_gets_no_token(client: httpx.AsyncClient) -> None:
    device_id, key = await make.device()
    for asking in (log_in(client, device_id, DeviceKey.new()), log_in(client, new_id(), key)):
        refused = await asking
        assert (refused.status_code, refused.json()["code"]) == (401, "device_refused")
    assert await value("SELECT count(*) FROM proof_nonce") == 0, "a stranger fills no table"


async def test_a_stolen_token_opens_nothing_without_its_key(client: httpx.AsyncClient) -> None:
    device_id, key = await make.device()
    token = (await log_in(client, device_id, key)).json()["access_token"]
    thief = DeviceKey.new()
    as_bearer = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
    assert (as_bearer.status_code, as_bearer.json()["code"]) == (401, "proof_missing")
    unsigned = await client.get(ME, headers={"Authorization": f"DPoP {token}", "DPoP": ""})
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "proof_invalid")
    otherwise_signed = await me(client, token, DeviceAuth(thief))
    assert (otherwise_signed.status_code, otherwise_signed.json()["code"]) == (401, "proof_invalid")
    assert (await me(client, token, DeviceAuth(key))).status_code == 200


async def test_a_device_token_that_was_bound_to_no_key_is_refused(client: httpx.AsyncClient) -> None:
    device_id, key = await make.device()
    key_thumbprint = make.KEYS.pop(device_id)
    make.KEYS[device_id] = Unbound(key_thumbprint)
    token = await make.token(ActorKind.DEVICE, device_id, channel="kiosk", role="kiosk")
    assert read_token(token).cnf is None
    for headers, auth in (
        ({"Authorization": f"Bearer {token}"}, None),
        ({"Authorization": f"DPoP {token}"}, DeviceAuth(key)),
    ):
        assert (await client.get(ME, headers=headers, auth=auth)).status_code == 401


async def test_an_ordinary_token_is_no_dpop_token(client: httpx.AsyncClient) -> None:
    token = await make.staff_token()
    reply = await client.get(
        "/api/staff/v1/departments",
        headers={"Authorization": f"DPoP {token}"},
        auth=DeviceAuth(DeviceKey.new()),
    )
    assert (reply.status_code, reply.json()["code"]) == (401, "token_refused")


Turn = Callable[[httpx.Request], httpx.Request]


class Captured(DeviceAuth):
    """Keeps what it signed, as somebody on the way would."""

    def auth_flow(self, request: httpx.Request):
        flow = super().auth_flow(request)
        self.request = next(flow)
        yield self.request


@pytest.fixture
async def captured(client: httpx.AsyncClient) -> httpx.Request:
    """A ticket for a socket that a kiosk asked for: the request as it went over the line."""
    device_id, key = await make.device()
    token = (await log_in(client, device_id, key)).json()["access_token"]
    auth = Captured(key)
    reply = await client.post("/rt/tickets", headers={"Authorization": f"DPoP {token}"}, json={}, auth=auth)
    assert reply.status_code == 201, reply.text
    return auth.request


async def test_a_captured_write_is_not_repeated_even_after_a_restart(
    client: httpx.AsyncClient, captured: httpx.Request
) -> None:
    forget_sessions()
    again = await client.send(captured)
    assert (again.status_code, again.json()["code"]) == (401, "proof_replayed")
    assert await forget_nonces() == 0, "as long as it is fresh"
    await value("UPDATE proof_nonce SET expires_at = now() - interval '1 second'")
    assert await forget_nonces() == 2


async def test_a_captured_write_cannot_be_altered(client: httpx.AsyncClient, captured: httpx.Request) -> None:
    for url, content in (
        (captured.url, b'{"x":1}'),
        (captured.url, b""),
        (captured.url.copy_add_param("x", "1"), captured.content),
        (captured.url.copy_with(path="/api/kiosk/v1/check-ins"), captured.content),
        (captured.url.copy_with(host="evil.test"), captured.content),
    ):
        headers = {name: captured.headers[name] for name in ("Authorization", "DPoP", "Content-Type")}
        reply = await client.post(url.copy_with(host="hospital.test"), headers=headers, content=content)
        if url.host == "evil.test":
            headers["Host"] = "evil.test"
            reply = await client.post(url, headers=headers, content=content)
        assert (reply.status_code, reply.json()["code"]) == (401, "proof_invalid"), url


async def test_a_read_is_not_repeated_either(client: httpx.AsyncClient) -> None:
    device_id, key = await make.device()
    token = (await log_in(client, device_id, key)).json()["access_token"]
    auth = Captured(key)
    assert (await me(client, token, auth)).status_code == 200
    assert (await client.send(auth.request)).json()["code"] == "proof_replayed"


async def test_a_device_with_a_wrong_clock_learns_the_time(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    device_id, key = await make.device()
    true_now = clock.wall()
    for wrong_by in (timedelta(minutes=-3), timedelta(minutes=3)):
        now = true_now + wrong_by
        monkeypatch.setattr(clock, "wall", lambda now=now: now)
        reply = await log_in(client, device_id, key)
        assert (reply.status_code, reply.json()["code"]) == (401, "proof_stale")
        assert reply.json()["ids"]["server_time"] == str(int(now.timestamp()))


class Unbound(DeviceKey):
    """A key that nobody remembered to bind a token to."""

    def __init__(self, key: DeviceKey) -> None:
        self.key, self.public = key.key, key.public

    @property
    def thumbprint(self) -> str:
        return ""
