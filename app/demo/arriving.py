"""Steps 1 to 5: log in, bind, hold, pay, check in, be called."""

import base64
import json
import time
from datetime import datetime, timedelta
from typing import Any

from app.demo.callers import Caller, Refused, StepBroken, expect
from app.demo.day import KIOSK, LATE_SECONDS, MINI, Day, eventually
from app.demo.people import new_birthday, new_id_number, new_name
from app.kernel.clock import LOCAL

DAY_BEGINS, DAY_ENDS = 8, 15  # local hours between which a visit still fits into the day
CALLS_MAX = 40


async def open_day(day: Day) -> str:
    """The hospital is awake: at night the demo hospital's clock moves on to the next morning."""
    admin = await day.staff("system_admin")
    now = (await day.business_now(admin)).astimezone(LOCAL)
    if not DAY_BEGINS <= now.hour < DAY_ENDS:
        morning = now.replace(hour=DAY_BEGINS, minute=0, second=0, microsecond=0)
        morning += timedelta(days=1) if now.hour >= DAY_ENDS else timedelta()
        await admin.post("/clock", {"at": morning.isoformat()})
        now = (await day.business_now(admin)).astimezone(LOCAL)
        await _channels_follow(day, morning)
        day.clock_moved = True
    day.today = now.date()
    return f"业务时间 {now:%Y-%m-%d %H:%M}" + ("（演示时钟已调到早晨）" if day.clock_moved else "")


async def _channels_follow(day: Day, morning: datetime) -> None:
    """The simulated channels look at the clock once a second; an order made before they did is expired."""

    async def both() -> bool:
        cards = [await gateway.get("/healthz") for gateway in (day.wechat, day.alipay)]
        return all(datetime.fromisoformat(card["business_time"]) >= morning for card in cards)

    await eventually(both, bool, "the channels' business time")


async def log_in_and_bind(day: Day) -> str:
    """A mother on WeChat binds herself and her child; her Alipay login finds the same two people."""
    day.openid = await day.wechat.new_payer()
    day.phone = await log_in(day, "wechat", await day.wechat.login_code(day.openid))
    born, child_born = new_birthday(day.today, age=34), new_birthday(day.today, age=8)
    day.mother_number = new_id_number(born_on=born, sex="2")
    day.child_number = new_id_number(born_on=child_born, sex="1")
    mother = person(new_name(), "2", born.isoformat(), "0", day.mother_number, await agreements(day.phone))
    child = person(
        new_name(), "1", child_born.isoformat(), "2", day.child_number, await agreements(day.phone, age=8)
    )

    wrong = day.child_number[:-1] + ("1" if day.child_number[-1] != "1" else "2")
    await day.phone.expect_refusal("id_number_invalid", "/persons", {**mother, "id_number": wrong})
    await day.phone.expect_refusal("guardian_needed", "/persons", child)
    day.mother = await day.phone.post("/persons", mother)
    day.child = await day.phone.post("/persons", child)
    expect(day.child["guardian"], "a minor is bound by a guardian")

    day.alipay_user = await day.alipay.new_payer()
    day.alipay_phone = await log_in(day, "alipay", await day.alipay.login_code(day.alipay_user))
    for form, known in ((mother, day.mother), (child, day.child)):
        again = await day.alipay_phone.post("/persons", form)
        expect(again["id"] == known["id"], "the same number is the same person")
    me = await day.phone.get("/messages")
    expect(me == [], "a new inbox is empty")
    return "微信、支付宝各登录一次；绑定本人与孩子（校验身份证、监护人）"


async def agreements(phone: Caller, *, age: int = 40) -> list[dict[str, Any]]:
    """What must be agreed to before results of somebody of this age open."""
    documents = (await phone.get("/consents"))["documents"]
    return [
        {"code": document["code"], "version": document["version"]}
        for document in documents
        if document["needed_to_read"] and age < (document["under_age"] or age + 1)
    ]


async def log_in(day: Day, platform: str, code: str) -> Caller:
    return await Caller(day.http, MINI).redeem("/login", {"platform": platform, "code": code})


def person(
    name: str, sex: str, born_on: str, relation: str, number: str, agreed: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "sex": sex,
        "born_on": born_on,
        "relation": relation,
        "id_number": number,
        "phone": "13800138000",
        "address": "北京市朝阳区建国路88号3单元502室",
        "consents": agreed or [],
    }


async def hold(day: Day) -> str:
    """Seven days of half-day sessions with timed windows; the first free one of today is held."""
    day.session, day.window = await _find_place(day)
    body = {
        "session_id": day.session["session_id"],
        "window_id": day.window["window_id"],
        "person_id": day.child["id"],
    }
    key = "demo-hold-" + day.child["id"][:18]
    held = await day.phone.post("/appointments", body, key=key)
    again = await day.phone.post("/appointments", body, key=key)
    expect(again["id"] == held["id"], "the same key must not hold twice")
    expect(held["status"] == "held", f"held, not {held['status']}")
    await day.phone.expect_refusal("already_booked", "/appointments", body)
    day.appointment = held
    minutes = (datetime.fromisoformat(held["expires_at"]) - await _now(day)).total_seconds() / 60
    expect(14 < minutes <= 15, f"a hold lasts 15 minutes, not {minutes:.1f}")
    return f"{held['department']} {held['doctor']} {held['half_day']} 第 {held['seq_no']} 号，保留 15 分钟"


async def _now(day: Day) -> datetime:
    return await day.business_now(await day.staff("system_admin"))


async def _find_place(day: Day) -> tuple[dict[str, Any], dict[str, Any]]:
    departments = (await day.phone.get("/departments"))["items"]
    departments.sort(key=lambda d: "儿" not in d["name"])
    for department in departments:
        shown = await day.phone.get(f"/departments/{department['id']}/sessions", days=7)
        dates = {session["date"] for session in shown["items"]}
        for session in shown["items"]:
            if session["date"] != day.today.isoformat() or session["sale"] != "open" or not session["free"]:
                continue
            windows = (await day.phone.get(f"/sessions/{session['session_id']}/windows"))["items"]
            free = [window for window in windows if window["bookable"] and window["free"] > 0]
            if free:
                expect(len(dates) > 1, "seven days are shown, not one")
                return session, free[0]
    raise StepBroken("nobody has a free number today")


async def pay(day: Day) -> str:
    """Only WeChat's word makes it booked: neither the order nor the phone's own opinion does."""
    bill = await day.phone.post(f"/appointments/{day.appointment['id']}/bill")
    attempt = await day.phone.post(f"/bills/{bill['bill_id']}/payments", {"channel": "wechat_jsapi"})
    seen = await day.phone.get(f"/appointments/{day.appointment['id']}")
    expect(seen["status"] == "held", "an order alone books nothing")
    day.phone_line = await day.listen(day.phone, f"account:{_account_id(day)}:inbox")
    await day.wechat.pay(day.openid, {"pay_params": attempt["pay_params"]})
    day.appointment = await eventually(
        lambda: day.phone.get(f"/appointments/{day.appointment['id']}"),
        lambda a: a["status"] == "booked",
        "the booking after WeChat's notice",
    )
    await day.phone_line.hear("appointment.booked", lambda d: d["ref_id"] == day.appointment["id"])
    expect(day.appointment["qr_svg"], "a booking has a QR")
    return f"微信支付 ¥{attempt['amount_fen'] / 100:.2f}，预约成功"


def _account_id(day: Day) -> str:
    """The token's own subject: what a phone knows about itself."""
    claims = day.phone.headers["Authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


async def check_in(day: Day) -> str:
    """At the kiosk, by the child's ID card: a ticket with a number, a masked name and who is ahead."""
    kiosk = await day.device(day.device_card("kiosk"), KIOSK)
    found = await kiosk.post("/identify", {"kind": "id_card", "value": day.child_number.lower()})
    expect(day.child["name"] not in str(found), "a kiosk never shows a full name")
    visit = next(v for v in found["visits"] if v["appointment_id"] == day.appointment["id"])
    expect(visit["can_check_in"], f"may not check in: {visit.get('why_not')}")
    body = {"visitor_token": found["visitor"]["token"], "appointment_id": visit["appointment_id"]}
    day.ticket = await kiosk.post("/check-ins", body)
    again = await kiosk.post("/check-ins", body)
    expect(again["ticket_id"] == day.ticket["ticket_id"], "checking in twice is one ticket")
    return f"{day.ticket['number']} 号 {day.ticket['masked_name']}，前面 {day.ticket['people_ahead']} 人"


async def be_called(day: Day) -> str:
    """The doctor calls; the phone and the hall hear it within a second, the hall without a full name."""
    session = day.session
    day.doctor = await day.staff("doctor", staff_id=session["doctor_id"])
    display = day.device_card("hall_display", name=day.appointment["zone"])
    day.hall_line = await day.listen(await day.device(display, KIOSK), f"zone:{display['place']['id']}:queue")
    called_at = await _call_until_ours(day)
    hall_at, shown = await day.hall_line.hear(
        "queue.changed", lambda d: d.get("call", {}).get("number") == day.ticket["number"]
    )
    phone_at, _ = await day.phone_line.hear("ticket.called", lambda d: d["ref_id"] == day.ticket["ticket_id"])
    heard = str([frame for _, frame in day.hall_line.heard]) + str(day.hall_line.states)
    expect(day.child["name"] not in heard, "a full name reached the hall")
    late = max(hall_at, phone_at) - called_at
    expect(late <= LATE_SECONDS, f"heard {late:.2f} s after the call")
    visit = await day.doctor.post(f"/tickets/{day.ticket['ticket_id']}/start")
    day.encounter_id = visit["encounter"]["id"]
    waits = f"大厅 {hall_at - called_at:.2f} 秒、手机 {phone_at - called_at:.2f} 秒后收到叫号"
    return f"{waits}；{shown['call']['room']}"


async def _call_until_ours(day: Day) -> float:
    """Call patient after patient; who does not come is passed over. The moment of our call returns."""
    room = day.appointment["room_id"]
    for _ in range(CALLS_MAX):
        called_at = time.monotonic()
        try:
            called = await day.doctor.post(f"/rooms/{room}/call-next")
        except Refused as refused:
            if refused.code != "desk_has_called":
                raise
            await day.doctor.post(f"/tickets/{refused.problem['ids']['ticket_id']}/miss")
            continue
        if called["ticket"]["ticket_id"] == day.ticket["ticket_id"]:
            return called_at
        await day.doctor.post(f"/tickets/{called['ticket']['ticket_id']}/miss")
    raise StepBroken(f"{CALLS_MAX} calls and our number was not among them")
