"""Steps 6 to 9: diagnose, order, pay, the laboratory, the pharmacy, the end, and the books."""

import time
from typing import Any

from app.demo.callers import Caller, Refused, StepBroken, expect
from app.demo.day import LATE_SECONDS, Day, eventually

PANEL = "血常规"


async def consult(day: Day) -> str:
    """Complaint and diagnosis; a blood count and a drug, after what must be refused was refused."""
    visit = f"/encounters/{day.encounter_id}"
    await day.doctor.post(
        f"{visit}/note", {"chief_complaint": "发热、咽痛 2 天", "advice": "多饮水，按时服药"}
    )
    found = (await day.doctor.get("/icd10", q="J06.9"))["items"]
    expect(found and found[0]["code"] == "J06.9", "ICD-10 knows J06.9")
    await day.doctor.post(f"{visit}/diagnoses", {"icd10_code": "J06.9", "kind": "primary"})

    panels = (await day.doctor.get("/lab-panels", limit=50))["items"]
    panel = next(p for p in panels if PANEL in p["name"])
    await day.doctor.post(f"{visit}/lab-orders", {"panel_id": panel["id"]})
    await _prescribe(day, visit)
    submission = await day.doctor.post(f"{visit}/submit")
    day.bill_id = submission["bill_id"]
    return f"诊断 J06.9；开立{panel['name']}与药品（过敏、超量处方被拦下）"


async def _prescribe(day: Day, visit: str) -> None:
    drugs = [
        d for d in (await day.doctor.get("/drugs", q="", limit=50))["items"] if d["drug_class"] == "ordinary"
    ]
    harmful = drugs[0]
    harmless = next(d for d in drugs if not set(d["ingredients"]) & set(harmful["ingredients"]))
    allergy = {"substance": harmful["ingredients"][0], "substance_name": harmful["name"], "reaction": "皮疹"}
    await day.doctor.post(f"/persons/{day.child['id']}/allergies", allergy)
    path = f"{visit}/prescriptions"
    await day.doctor.expect_refusal("allergy", path, {"lines": [_line(harmful, days=3)]})
    await day.doctor.expect_refusal("supply_needs_reason", path, {"lines": [_line(harmless, days=8)]})
    await day.doctor.post(path, {"lines": [_line(harmless, days=3)]})


def _line(drug: dict[str, Any], *, days: int) -> dict[str, Any]:
    return {
        "drug_id": drug["id"],
        "dose": drug["usual_dose"],
        "route": drug["usual_route"],
        "frequency": "tid",
        "days": days,
        "quantity": "1",
    }


async def pay_orders(day: Day) -> str:
    """One bill for both, paid from the Alipay mini-program."""
    bill = await day.alipay_phone.get(f"/bills/{day.bill_id}")
    expect(len(bill["lines"]) == 2, f"one bill for two orders, not {len(bill['lines'])} lines")
    expect(sum(line["amount_fen"] for line in bill["lines"]) == bill["amount_fen"], "the lines add up")
    attempt = await day.alipay_phone.post(f"/bills/{day.bill_id}/payments", {"channel": "alipay_mini"})
    await day.alipay.pay(day.alipay_user, {"pay_params": attempt["pay_params"]})
    await eventually(
        lambda: day.alipay_phone.get(f"/bills/{day.bill_id}"),
        lambda b: b["status"] == "paid",
        "the bill after Alipay's notice",
    )
    return f"支付宝一次付清 ¥{bill['amount']}"


async def laboratory(day: Day) -> str:
    """Labelled, collected, received, measured, verified by a second person, released, read."""
    collector, technician, checker = await _hands(day)
    tubes = await eventually(
        lambda: _label(collector, day.encounter_id), lambda items: items, "a tube to collect"
    )
    tube = tubes[0]
    await collector.post(f"/specimens/{tube['id']}/collect")
    await collector.post(f"/specimens/{tube['id']}/send")
    await technician.post(f"/specimens/{tube['id']}/receive")
    await technician.post("/lab-results", await _measured(technician, tube))
    measured = await technician.get(f"/specimens/by-barcode/{tube['barcode']}")
    report = f"/reports/{measured['report_id']}"
    await technician.expect_refusal("second_person_needed", f"{report}/verify", {})
    await checker.post(f"{report}/verify")
    released_at = time.monotonic()
    await checker.post(f"{report}/release")
    day.report_id = measured["report_id"]
    heard_at, told = await day.phone_line.hear("result.released", lambda d: d["ref_id"] == day.report_id)
    expect(set(told) == {"message_id", "person_id", "ref_id"}, "a push carries no clinical content")
    expect(heard_at - released_at <= LATE_SECONDS, f"heard {heard_at - released_at:.2f} s after the release")
    shown = await day.phone.get(f"/reports/{day.report_id}")
    marks = {row["name"]: f"{row['word']} {row['arrow']}".strip() for row in shown["rows"] if row["abnormal"]}
    expect(marks, "the abnormal value is marked in words")
    expect(all(row["reference"] for row in shown["rows"]), "every row has its reference range")
    return f"{len(shown['rows'])} 项，{heard_at - released_at:.2f} 秒后手机收到；异常：{marks}"


async def _hands(day: Day) -> tuple[Caller, Caller, Caller]:
    """Who draws the blood, who measures, and who checks: three people of the laboratory."""
    return (
        await day.staff("technician", nth=2),
        await day.staff("technician"),
        await day.staff("technician", nth=1),
    )


async def _label(collector: Caller, encounter_id: str) -> list[dict[str, Any]]:
    """Printing the tubes' labels; before the payment's news has come the laboratory knows no such patient."""
    try:
        return (await collector.post("/specimens", {"encounter_id": encounter_id}))["items"]
    except Refused as refused:
        if refused.code not in {"nothing_to_label", "encounter_not_found"}:
            raise
        return []


async def _measured(technician: Caller, tube: dict[str, Any]) -> dict[str, Any]:
    """What an analyser sends: every test in range, but for the first, which is too high."""
    panels = (await technician.get("/lab-panels", limit=50))["items"]
    wanted = [panel for panel in panels if panel["name"] in tube["panels"] or panel["id"] in tube["panels"]]
    results: list[dict[str, str]] = []
    for brief in wanted:
        panel = await technician.get(f"/lab-panels/{brief['id']}")
        results += [_value(test, high=not results and i == 0) for i, test in enumerate(panel["tests"])]
    expect(results, f"tests of {tube['panels']}")
    return {
        "barcode": tube["barcode"],
        "analyser": "demo-analyser",
        "message_id": f"demo-{tube['id']}",
        "results": results,
    }


def _value(test: dict[str, Any], *, high: bool) -> dict[str, str]:
    """Inside every reference range of the test, or a little above all of them."""
    lows = [float(r["low"]) for r in test["references"] if r["low"] is not None]
    highs = [float(r["high"]) for r in test["references"] if r["high"] is not None]
    low, top = max(lows, default=0.0), min(highs, default=max(lows, default=1.0) * 2)
    value = max(highs, default=top) * 1.1 if high else (low + top) / 2
    return {"code": test["code"], "value": f"{value:.3g}", "unit": test["unit"]}


async def pharmacy(day: Day) -> str:
    """Checked, called to the window, handed out once."""
    pharmacist, second = await day.staff("pharmacist"), await day.staff("pharmacist", nth=1)
    waiting = await eventually(
        lambda: _prescriptions(pharmacist, day.encounter_id), lambda items: items, "the prescription"
    )
    prescription = f"/prescriptions/{waiting[0]['id']}"
    await pharmacist.post(f"{prescription}/review", {"decision": "pass"})
    called = await pharmacist.post(f"{prescription}/call")
    await day.phone_line.hear("prescription.ready", lambda d: d["ref_id"] == waiting[0]["id"])
    batches = [
        {"line_id": line["id"], "batch_number": "D20260901", "expires_on": f"{day.today.year + 2}-01-01"}
        for line in called["lines"]
    ]
    handed = {"checks": ["prescription", "drug", "compatibility", "diagnosis"], "batches": batches}
    done = await second.post(f"{prescription}/dispense", handed)
    expect(done["dispense"] == "dispensed", f"dispensed, not {done['dispense']}")
    mine = await day.phone.get("/prescriptions", person_id=day.child["id"])
    expect(mine["items"][0]["state"] == "dispensed", "the phone sees it dispensed")
    return f"药师审核后叫 {called['number']} 号到{called['window']}，核对发药"


async def _prescriptions(pharmacist: Caller, encounter_id: str) -> list[dict[str, Any]]:
    after: str | None = None
    while True:
        params = {"limit": 100} | ({"after": after} if after else {})
        page = await pharmacist.get("/prescriptions", **params)
        if found := [p for p in page["items"] if p["encounter_id"] == encounter_id]:
            return found
        after = page["next"]
        if after is None:
            return []


STORY = [
    "appointment.booked", "patient.arrived", "ticket.called", "encounter.diagnosis_recorded",
    "bill.paid", "specimen.collected", "result.released", "prescription.ready",
    "prescription.dispensed", "encounter.closed",
]  # fmt: skip


async def close(day: Day) -> str:
    """The visit ends; the timeline tells all of it, in order."""
    await day.doctor.post(f"/encounters/{day.encounter_id}/finish")

    async def kinds() -> list[str]:
        page = await day.phone.get("/timeline", person_id=day.child["id"], limit=100)
        return [step["kind"] for step in sorted(page["items"], key=lambda s: s["at"])]

    told = await eventually(kinds, lambda seen: set(STORY) <= set(seen), "the whole timeline")
    order = [told.index(kind) for kind in STORY if kind != "bill.paid"]
    expect(order == sorted(order), f"the story is out of order: {told}")
    return f"时间轴 {len(told)} 步齐全"


async def compare_books(day: Day) -> str:
    """Our ledger against what each channel says that it took and gave back, to the fen."""
    cashier = await day.staff("cashier")
    await eventually(
        lambda: book_differences(day, cashier), lambda found: not found, "both books", seconds=30
    )
    totals = await cashier.get("/ledger/totals")
    if not totals["channels"]:
        raise StepBroken("nothing was booked at all")
    return "；".join(f"{c['channel']} 收 ¥{c['paid_fen'] / 100:.2f}" for c in totals["channels"])


async def book_differences(day: Day, cashier: Caller) -> list[str]:
    """What our ledger and the channels' own books tell differently at this moment."""
    ours = await cashier.get("/ledger/totals")
    expect(ours["balanced"], "our own book does not balance")
    found: list[str] = []
    for name, gateway in (("wechat", day.wechat), ("alipay", day.alipay)):
        book = await gateway.get("/book")
        expect(book["balanced"], f"{name}'s book does not balance")
        mine = [c for c in ours["channels"] if c["channel"].startswith(name)]
        for field in ("paid_fen", "refunded_fen"):
            here, there = sum(c[field] for c in mine), book["merchant"][field]
            if here != there:
                found.append(f"{name} {field}: ours {here}, theirs {there}")
    return found
