"""Step 10: an inpatient's bedside terminal, from the wristband to the nurse."""

import time
from typing import Any

from app.demo.callers import Caller, Refused, StepBroken, expect
from app.demo.day import BEDSIDE, LATE_SECONDS, Day, eventually

TOP_UP_FEN = 50_000
STAYS_MAX = 100


async def bedside(day: Day) -> str:
    """Unlock by wristband and ID digits, read the day's fees, top up by QR, call the nurse."""
    card = day.device_card("bedside")
    station = station_of(day, card)
    nurse = await day.staff("nurse", department=department_of(station))
    stay = await admit_mother(day, nurse, card, station)
    await _charge_something(day, nurse, stay)
    terminal = await day.device(card, BEDSIDE)
    band = (await nurse.get(f"/admissions/{stay['admission_id']}/wristband"))["qr"]
    await _unlock(day, terminal, band)
    fees = await terminal.get("/fees/today")
    expect(fees["total_fen"] == sum(line["amount_fen"] for line in fees["lines"]) > 0, "today's fees add up")
    line = await day.listen(terminal, f"bed:{card['device_id']}:settle")
    before = (await terminal.get("/deposit"))["balance_fen"]
    await _top_up(day, terminal)
    after = await eventually(
        lambda: terminal.get("/deposit"), lambda d: d["balance_fen"] == before + TOP_UP_FEN, "the deposit"
    )
    await line.hear("bill.paid", lambda d: True)
    late = await _call_nurse(day, terminal, station, nurse)
    return (
        f"今日费用 ¥{fees['total_fen'] / 100:.2f}，预交金充值后 ¥{after['balance_fen'] / 100:.2f}；"
        f"护士站 {late:.2f} 秒后收到呼叫"
    )


def station_of(day: Day, card: dict[str, Any]) -> dict[str, Any]:
    """The nurse station of the terminal's ward; labels begin with the ward's name."""
    for device in day.credentials["devices"]:
        if device["kind"] == "nurse_station" and card["label"].startswith(device["place"]["name"]):
            return device
    raise StepBroken(f"no nurse station for {card['label']}")


def department_of(station: dict[str, Any]) -> str:
    return str(station["place"]["name"]).removesuffix("病区")


async def admit_mother(
    day: Day, nurse: Caller, card: dict[str, Any], station: dict[str, Any]
) -> dict[str, Any]:
    """Free the bed of whoever lies there from an earlier day, then admit her."""
    bed_id = card["place"]["id"]
    stays = (await nurse.get(f"/wards/{station['place']['id']}/stays", limit=STAYS_MAX))["items"]
    for stay in stays:
        if stay["bed_id"] == bed_id:
            await nurse.post(f"/admissions/{stay['admission_id']}/discharge")
    registrar = await day.staff("registrar")
    body = {"person_id": day.mother["id"], "bed_id": bed_id}
    try:
        return await nurse.post("/admissions", body)
    except Refused as refused:
        if refused.code not in {"wrong_role", "admission_not_here"}:
            raise
    return await registrar.post("/admissions", body)


async def _charge_something(day: Day, nurse: Caller, stay: dict[str, Any]) -> None:
    """A treatment of today, so that the list has a line at any hour."""
    items = (await nurse.get("/prices/treatment"))["items"]
    body = {"item_id": items[0]["item_id"], "quantity": "1"}
    await nurse.post(f"/admissions/{stay['admission_id']}/daily-charges", body)


async def _unlock(day: Day, terminal: Caller, band: str) -> None:
    digits = day.mother_number[-6:]
    wrong = "000000" if digits != "000000" else "111111"
    await terminal.expect_refusal("id_digits_wrong", "/unlock", {"wristband": band, "id_last6": wrong})
    opened = await terminal.post("/unlock", {"wristband": band, "id_last6": digits})
    expect(day.mother["name"] not in str(opened), "the terminal masks the name")
    terminal.headers["Bedside-Session"] = opened["session"]


async def _top_up(day: Day, terminal: Caller) -> None:
    attempt = await terminal.post("/deposit/top-ups", {"amount_fen": TOP_UP_FEN, "channel": "wechat_native"})
    expect(attempt["code_url"] and attempt["qr_svg"], "a dynamic QR")
    relative = await day.wechat.new_payer()
    await day.wechat.pay(relative, {"code_url": attempt["code_url"]})
    await eventually(
        lambda: terminal.get(f"/top-ups/{attempt['attempt_id']}"), lambda t: t["paid"], "the top-up"
    )


async def _call_nurse(day: Day, terminal: Caller, station: dict[str, Any], nurse: Caller) -> float:
    ward_id = station["place"]["id"]
    line = await day.listen(await day.device(station, BEDSIDE), f"ward:{ward_id}:alerts")
    called_at = time.monotonic()
    call = await terminal.post("/nurse-calls")
    heard_at, _ = await line.hear("alert.raised", lambda d: d["alert_id"] == call["alert_id"])
    expect(heard_at - called_at <= LATE_SECONDS, f"the station heard {heard_at - called_at:.2f} s late")
    await nurse.post(f"/alerts/{call['alert_id']}/accept")
    await nurse.post(f"/alerts/{call['alert_id']}/handle", {"note": "已到床旁"})
    await line.hear("alert.handled", lambda d: d["alert_id"] == call["alert_id"])
    return heard_at - called_at
