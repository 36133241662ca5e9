"""Devices for those who install them: a code for a place, moved, revoked, and all of them in pages."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from app.identity.signed_in import ALIVE_SECONDS_MAX, forget_sessions
from app.kernel.ids import new_id
from app.organization.device_routes import KEEPS_DEVICES
from tests.make import identity, inpatient, organization
from tests.make.proofs import DeviceAuth, DeviceKey

API, ME = "/api/staff/v1/devices", "/api/kiosk/v1/me"


class Keeper:
    """Who installs the devices."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client = client
        self.token = token

    async def get(self, **params: Any) -> dict[str, Any]:
        reply = await self.client.get(API, params=params, headers=identity.bearer(self.token))
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.client.post(API + path, json=body, headers=identity.bearer(self.token))

    async def offer(self, kind: str, place_kind: str, place_id: UUID) -> httpx.Response:
        place = {"place_kind": place_kind, "place_id": str(place_id)}
        return await self.post("/enrolments", {"kind": kind, "label": "一层3号机", **place})


@pytest.fixture
async def keeper(client: httpx.AsyncClient) -> Keeper:
    return Keeper(client, await identity.staff_token(role=KEEPS_DEVICES))


async def test_a_code_is_for_a_place_that_exists_and_suits(keeper: Keeper) -> None:
    zone_id, ward = await organization.zone(), await inpatient.new_ward()
    bed_id = await inpatient.bed(ward)
    for kind, place_kind, place_id in (
        ("kiosk", "zone", zone_id),
        ("hall_display", "zone", zone_id),
        ("bedside", "bed", bed_id),
        ("nurse_station", "ward", ward.id),
    ):
        offered = await keeper.offer(kind, place_kind, place_id)
        assert offered.status_code == 201, offered.text
        assert set(offered.json()) == {"enrolment_id", "code", "expires_at"}
        nowhere = await keeper.offer(kind, place_kind, new_id())
        assert (nowhere.status_code, nowhere.json()["code"]) == (404, "place_not_found")
    unfit = await keeper.offer("bedside", "zone", zone_id)
    assert (unfit.status_code, unfit.json()["code"]) == (422, "device_place_unfit")


async def test_a_second_terminal_for_a_bed_is_not_even_offered(keeper: Keeper) -> None:
    stay = await inpatient.stay()
    refused = await keeper.offer("bedside", "bed", stay.bed_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "bed_has_terminal")


async def test_only_their_keeper_handles_devices(client: httpx.AsyncClient) -> None:
    device_id, _ = await identity.device()
    for token in (await identity.staff_token(role="doctor"), await identity.device_token()):
        nobody = Keeper(client, token)
        for reply in (
            await client.get(API, headers=identity.bearer(token)),
            await nobody.offer("kiosk", "zone", new_id()),
            await nobody.post(f"/{device_id}/move", {"place_kind": "zone", "place_id": str(new_id())}),
            await nobody.post(f"/{device_id}/revoke"),
        ):
            assert (reply.status_code, reply.json()["code"]) == (403, "wrong_role")


async def test_moving_ends_the_sessions_and_the_next_ones_are_of_the_new_place(keeper: Keeper) -> None:
    here, there = await organization.zone(), await organization.zone()
    device_id, key = await identity.device(place_id=here)
    login = {"device_id": str(device_id)}
    granted = (await keeper.client.post("/oauth/device", json=login, auth=DeviceAuth(key))).json()
    place = {"place_kind": "zone", "place_id": str(there)}
    for _ in range(2):
        moved = await keeper.post(f"/{device_id}/move", place)
        assert (moved.status_code, moved.json()["place_id"]) == (200, str(there))
    forget_sessions()
    old = await keeper.client.get(ME, headers=identity.bearer(granted["access_token"]))
    assert (old.status_code, old.json()["code"]) == (401, "token_refused")
    granted = (await keeper.client.post("/oauth/device", json=login, auth=DeviceAuth(key))).json()
    shown = await keeper.client.get(ME, headers=identity.bearer(granted["access_token"]))
    assert shown.json()["place"]["id"] == str(there)
    unknown = await keeper.post(f"/{new_id()}/move", place)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "device_not_found")
    unfit = await keeper.post(f"/{device_id}/move", {"place_kind": "bed", "place_id": str(there)})
    assert unfit.json()["code"] == "device_place_unfit"


async def test_a_revoked_device_is_out_for_good(keeper: Keeper) -> None:
    assert ALIVE_SECONDS_MAX <= 2, "what a process may remember of a session"
    device_id, key = await identity.device()
    login = {"device_id": str(device_id)}
    granted = (await keeper.client.post("/oauth/device", json=login, auth=DeviceAuth(key))).json()
    first, again = [await keeper.post(f"/{device_id}/revoke") for _ in range(2)]
    assert first.json()["revoked_at"] == again.json()["revoked_at"]
    forget_sessions()
    refused = await keeper.client.get(ME, headers=identity.bearer(granted["access_token"]))
    assert (refused.status_code, refused.json()["code"]) == (401, "token_refused")
    refused = await keeper.client.post("/oauth/device", json=login, auth=DeviceAuth(key))
    assert (refused.status_code, refused.json()["code"]) == (401, "device_refused")
    assert (await keeper.post(f"/{new_id()}/revoke")).status_code == 404


async def test_the_devices_come_in_pages_newest_first(keeper: Keeper) -> None:
    made = [str((await identity.device())[0]) for _ in range(3)]
    first = await keeper.get(limit=2)
    rest = await keeper.get(limit=2, after=first["next"])
    assert [d["id"] for d in first["items"] + rest["items"]][:3] == made[::-1]
    assert set(first["items"][0]) == {
        "id", "kind", "label", "place_kind", "place_id", "place_name", "enrolled_at", "revoked_at",
    }  # fmt: skip
    assert (
        await keeper.client.get(API, params={"limit": 101}, headers=identity.bearer(keeper.token))
    ).is_error


async def test_the_doorstep_tells_the_time_and_whether_this_is_a_demo(client: httpx.AsyncClient) -> None:
    told = (await client.get("/oauth/device")).json()
    assert set(told) == {"server_time", "demo"}
    assert told["demo"] is True


async def test_an_enrolled_device_appears_with_its_place(keeper: Keeper) -> None:
    zone_id = await organization.zone()
    code = (await keeper.offer("kiosk", "zone", zone_id)).json()["code"]
    enrolled = await keeper.client.post(
        "/oauth/device/enrol", json={"code": code}, auth=DeviceAuth(DeviceKey.new())
    )
    [device] = (await keeper.get())["items"]
    assert (device["id"], device["place_id"]) == (enrolled.json()["device_id"], str(zone_id))
    assert (device["label"], device["revoked_at"]) == ("一层3号机", None)
