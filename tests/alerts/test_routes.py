"""Alerts over HTTP, for a nurse and for the screen of her station."""

from uuid import UUID, uuid4

import httpx

from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from tests.make import inpatient as make

API = "/api/staff/v1"


async def post(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> httpx.Response:
    return await client.post(
        API + path, headers=headers | {"Idempotency-Key": str(uuid4())}, json={} if "handle" in path else None
    )


async def raised(ward: make.WardMade) -> UUID:
    return await raise_alert(
        make.TEST, kind=AlertKind.NURSE_CALL, level=AlertLevel.URGENT, ward_id=ward.id, text="呼叫护士"
    )


async def test_an_alert_is_shown_taken_and_handled(db: str, client: httpx.AsyncClient) -> None:
    ward = await make.new_ward()
    nurse, second = await make.staff(ward, name="王芳"), await make.staff(ward)
    station = await make.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    alert_id = await raised(ward)
    screen = await make.bearer(station, role="nurse_station")
    hers, others = await make.bearer(nurse, role="nurse"), await make.bearer(second, role="nurse")
    listed = await client.get(f"{API}/wards/{ward.id}/alerts", headers=screen)
    assert [alert["alert_id"] for alert in listed.json()["alerts"]] == [str(alert_id)]
    assert (await post(client, f"/alerts/{alert_id}/displayed", screen)).json()["status"] == "displayed"
    early = await post(client, f"/alerts/{alert_id}/handle", hers)
    assert (early.status_code, early.json()["code"]) == (409, "alert_not_accepted")
    assert (await post(client, f"/alerts/{alert_id}/accept", hers)).json()["status"] == "accepted"
    late = await post(client, f"/alerts/{alert_id}/accept", others)
    assert (late.status_code, late.json()["code"]) == (409, "alert_taken")
    assert "王芳" in late.json()["detail"]
    assert (await post(client, f"/alerts/{alert_id}/handle", hers)).json()["status"] == "handled"
    over = await post(client, f"/alerts/{alert_id}/accept", others)
    assert (over.status_code, over.json()["code"]) == (410, "alert_over")
    assert (await client.get(f"{API}/wards/{ward.id}/alerts", headers=hers)).json()["alerts"] == []


async def test_a_screen_accepts_nothing_and_a_strangers_ward_is_not_there(
    db: str, client: httpx.AsyncClient
) -> None:
    ward, other = await make.new_ward(), await make.new_ward()
    station = await make.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    alert_id = await raised(ward)
    screen = await make.bearer(station, role="nurse_station")
    refused = await post(client, f"/alerts/{alert_id}/accept", screen)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")
    stranger = await make.bearer(await make.staff(other), role="nurse")
    unseen = await client.get(f"{API}/wards/{ward.id}/alerts", headers=stranger)
    assert (unseen.status_code, unseen.json()["code"]) == (404, "ward_not_found")
