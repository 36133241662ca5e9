"""Afterwards at home: who has looked at the child's data, and a copy of all of it."""

from app.demo.callers import expect
from app.demo.day import Day


async def see_who_looked(day: Day) -> str:
    """The guardian reads who looked, doctor first of all, and takes a copy."""
    child = day.child["id"]
    seen = (await day.phone.get(f"/persons/{child}/accesses", limit=100))["items"]
    doctors = [line for line in seen if line["role"] == "医生"]
    expect(doctors, f"no doctor is said to have looked: {seen}")
    copy_id = (await day.phone.post(f"/persons/{child}/exports"))["id"]
    copy = await day.phone.get(f"/exports/{copy_id}")
    rows = sum(len(part["rows"]) for part in copy["parts"])
    expect(rows, "the copy is empty")
    return f"{len(seen)} 行，如 {doctors[0]['who']} 查看{doctors[0]['what']}；资料副本 {rows} 条"
