"""The demo hospital's staff: 60 doctors and those without whom they could do nothing."""

from uuid import UUID

import msgspec
from faker import Faker

from app.identity.roles import StaffRole
from app.kernel.ids import new_id
from app.seed.copying import Rows
from app.seed.places import DEPARTMENTS, WARDS, House

# In this order within a department, so that every one has a chief.
DOCTOR_TITLES = ("主任医师", "副主任医师", "主治医师", "医师")
NURSES_PER_WARD = 3
OTHERS = (
    (StaffRole.PHARMACIST, "主管药师", "PHAR", 3),
    (StaffRole.TECHNICIAN, "主管技师", "LAB", 3),
    (StaffRole.NURSE, "护师", "GP", 2),  # triage desk
    (StaffRole.CASHIER, "收费员", None, 2),
    (StaffRole.REGISTRAR, "挂号员", None, 2),
    (StaffRole.SYSTEM_ADMIN, "信息科工程师", None, 1),
    (StaffRole.SECURITY_ADMIN, "信息安全工程师", None, 2),  # what one asks for, the other approves
    (StaffRole.AUDIT_ADMIN, "安全审计员", None, 1),
)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    login_name: str
    name: str
    role: StaffRole
    title: str
    department: str  # code, or empty
    department_id: UUID | None
    ward_id: UUID | None = None


def build_staff(fake: Faker, house: House) -> list[Member]:
    counted: dict[StaffRole, int] = {}

    def member(role: StaffRole, title: str, department: str | None, ward_id: UUID | None = None) -> Member:
        counted[role] = counted.get(role, 0) + 1
        return Member(
            id=new_id(),
            login_name=f"{role}{counted[role]:02d}",
            name=fake.name(),
            role=role,
            title=title,
            department=department or "",
            department_id=house.departments[department] if department else None,
            ward_id=ward_id,
        )

    doctors = [
        member(StaffRole.DOCTOR, DOCTOR_TITLES[number], spec.code)
        for spec in DEPARTMENTS
        for number in range(spec.doctors)
    ]
    nurses = [
        member(StaffRole.NURSE, "护师", of, house.wards[code])
        for code, _, of in WARDS
        for _ in range(NURSES_PER_WARD)
    ]
    others = [
        member(role, title, department) for role, title, department, count in OTHERS for _ in range(count)
    ]
    return [*doctors, *nurses, *others]


def staff_rows(members: list[Member], hashes: dict[StaffRole, str]) -> list[Rows]:
    return [
        Rows(
            table="staff",
            columns=("id", "staff_no", "name", "role", "title", "department_id", "ward_id", "active"),
            records=[
                (m.id, m.login_name.upper(), m.name, str(m.role), m.title, m.department_id, m.ward_id, True)
                for m in members
            ],
        ),
        Rows(
            table="staff_login",
            columns=("staff_id", "login_name", "password_hash", "role", "auth_version", "failures"),
            records=[(m.id, m.login_name, hashes[m.role], str(m.role), 1, 0) for m in members],
        ),
    ]
