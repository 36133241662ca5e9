"""The demo hospital's week: every department has an ordinary clinic each half-day, and its chief's own."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from app.catalog.queries import price_by_code
from app.identity.roles import StaffRole
from app.kernel.actor import Actor
from app.kernel.database import action
from app.kernel.ids import new_id
from app.outpatient.schedule import Template, make_templates
from app.outpatient.tables import HalfDay, VisitType
from app.seed.copying import Rows, copy_rows
from app.seed.places import DEPARTMENTS, House, Spec
from app.seed.staff import DOCTOR_TITLES, Member

HALF_DAYS = [(weekday, half_day) for weekday in range(1, 8) for half_day in HalfDay]
CHIEF_EVERY = 4  # half-days between two of the chief's own clinics
ORDINARY_CAPACITY, EXPERT_CAPACITY = 4, 2
FEES = dict(
    zip(
        DOCTOR_TITLES,
        ("CONSULT-CHIEF", "CONSULT-ASSOCIATE", "CONSULT-ATTENDING", "CONSULT-ORDINARY"),
        strict=True,
    )
)
# What a day in one of the wards costs beside what is ordered.
WARD_DAY = ("BED-SHARED", "NURSING-2", "TREAT-ROUND")


@action
async def put_clinics(actor: Actor, *, house: House, members: list[Member], since: date) -> None:
    fees = {title: (await price_by_code(actor, code=code)).item_id for title, code in FEES.items()}
    await make_templates(actor, templates=plan_clinics(house, members, fees, since))


def plan_clinics(house: House, members: list[Member], fees: dict[str, UUID], since: date) -> list[Template]:
    return [
        template
        for number, spec in enumerate(DEPARTMENTS)
        if spec.doctors
        for template in _week_of(number, spec, house, members, fees, since)
    ]


def _week_of(
    number: int, spec: Spec, house: House, members: list[Member], fees: dict[str, UUID], since: date
) -> Iterator[Template]:
    doctors = [m for m in members if m.role is StaffRole.DOCTOR and m.department == spec.code]
    rooms = {m.id: room_id for m, room_id in zip(doctors, house.rooms[spec.code], strict=True)}
    chief, *others = doctors
    for slot, (weekday, half_day) in enumerate(HALF_DAYS):
        on_duty = [(others[slot % len(others)], VisitType.ORDINARY, ORDINARY_CAPACITY)]
        if slot % CHIEF_EVERY == number % CHIEF_EVERY:
            on_duty.append((chief, VisitType.EXPERT, EXPERT_CAPACITY))
        for member, visit_type, capacity in on_duty:
            yield Template(
                campus_id=house.campus_id,
                department_id=house.departments[spec.code],
                staff_id=member.id,
                room_id=rooms[member.id],
                weekday=weekday,
                half_day=half_day,
                visit_type=visit_type,
                item_id=fees[member.title],
                valid_from=since,
                window_capacity=capacity,
            )


@action
async def put_ward_rates(actor: Actor, *, house: House) -> None:
    items = [(await price_by_code(actor, code=code)).item_id for code in WARD_DAY]
    records = [(new_id(), ward_id, item_id) for ward_id in house.wards.values() for item_id in items]
    await copy_rows(
        actor, rows=Rows(table="ward_rate", columns=("id", "ward_id", "item_id"), records=records)
    )
