"""A deposit is topped up by a QR that a relative pays; the truth is ours, not the QR's."""

import httpx
import pytest

from app.inpatient.queries import stay_wristband
from tests.bedside_terminal.test_terminal import Terminal
from tests.billing.conftest import SIMULATOR, PayingHospital
from tests.make import inpatient as make

pytestmark = pytest.mark.commits


async def opened(client: httpx.AsyncClient, stay: make.StayMade) -> Terminal:
    terminal = Terminal(client, await make.bearer(stay.terminal, role="bedside"))
    assert (await terminal.unlock(stay)).status_code == 200
    return terminal


@pytest.mark.parametrize("method", ["wechat_native", "alipay_qr"])
async def test_a_relative_pays_the_qr_and_the_balance_grows(
    hospital: PayingHospital, client: httpx.AsyncClient, method: str
) -> None:
    stay = await make.stay()
    terminal = await opened(client, stay)
    started = (await terminal.post("/deposit/top-ups", amount_fen=50_000, channel=method)).json()
    assert started["qr_svg"].count("<svg") == 1
    assert (started["status"], started["paid"]) == ("awaiting_payer", False)
    channel = method.partition("_")[0]
    payer = await hospital.payer(channel)
    what = {"code_url" if channel == "wechat" else "qr_code": started["code_url"]}
    await hospital.platforms.call(SIMULATOR[channel], "POST", f"/payers/{payer.wallet}/payments", **what)
    await hospital.until(started["attempt_id"], "succeeded")
    known = (await terminal.get(f"/top-ups/{started['attempt_id']}")).json()
    deposit = (await terminal.get("/deposit")).json()
    assert known["paid"]
    assert deposit["balance_fen"] == 50_000
    assert [(r["amount_fen"], r["method"]) for r in deposit["receipts"]] == [(50_000, method)]
    await hospital.assert_books_agree()


async def test_one_key_is_one_top_up(hospital: PayingHospital, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    terminal = await opened(client, stay)
    replies = [
        await terminal.post("/deposit/top-ups", key="top-up-0001", amount_fen=100, channel="wechat_native")
        for _ in range(2)
    ]
    assert replies[0].json() == replies[1].json()
    assert await make.read("SELECT count(*) FROM bill WHERE encounter_id = $1", stay.encounter_id) == 1


async def test_another_stays_top_up_does_not_exist_here(
    hospital: PayingHospital, client: httpx.AsyncClient
) -> None:
    stay = await make.stay()
    other = await make.stay(ward=stay.ward, nurse=stay.nurse, label="02")
    theirs, ours = await opened(client, other), await opened(client, stay)
    started = await theirs.post("/deposit/top-ups", amount_fen=100, channel="wechat_native")
    reply = await ours.get(f"/top-ups/{started.json()['attempt_id']}")
    assert (reply.status_code, reply.json()["code"]) == (404, "top_up_not_found")


async def test_a_top_up_wants_a_fresh_proof(hospital: PayingHospital, client: httpx.AsyncClient) -> None:
    stay = await make.stay()
    terminal = await opened(client, stay)
    await make.write("UPDATE bedside_session SET proved_at = now() - interval '121 seconds'")
    refused = await terminal.post("/deposit/top-ups", amount_fen=100, channel="wechat_native")
    assert (refused.status_code, refused.json()["code"]) == (401, "step_up_required")
    assert refused.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age=120'
    )
    assert await make.read("SELECT count(*) FROM bill WHERE encounter_id = $1", stay.encounter_id) == 0
    assert (await terminal.get("/fees/today")).status_code == 200

    band = await stay_wristband(stay.nurse, admission_id=stay.admission_id)
    proved = await terminal.post("/prove", wristband=band, id_last6=stay.id_number[-6:])
    assert proved.status_code == 200, proved.text
    assert proved.json()["proved_until"] > proved.json()["expires_at"]
    started = await terminal.post("/deposit/top-ups", amount_fen=100, channel="wechat_native")
    assert started.is_success, started.text
