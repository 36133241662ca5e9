"""Rows of organization."""

from itertools import count
from uuid import UUID

from tests.make.rows import row

_numbers = count(1)


async def campus() -> UUID:
    return await row("campus", code=f"C{next(_numbers)}", name="东院区")


async def zone(*, campus_id: UUID | None = None) -> UUID:
    return await row(
        "zone", campus_id=campus_id or await campus(), code=f"Z{next(_numbers)}", name="门诊三层B区"
    )


async def department(*, name: str = "呼吸内科", number_only: bool = False) -> UUID:
    campus_id = await campus()
    return await row(
        "department",
        campus_id=campus_id,
        zone_id=await zone(campus_id=campus_id),
        code=f"D{next(_numbers)}",
        name=name,
        specialty_code="03.01",
        number_only=number_only,
    )


async def room(*, department_id: UUID, zone_id: UUID | None = None) -> UUID:
    number = next(_numbers)
    return await row(
        "room", department_id=department_id, zone_id=zone_id or await zone(), name=f"{number}诊室"
    )


async def ward(*, department_id: UUID | None = None) -> UUID:
    return await row(
        "ward",
        campus_id=await campus(),
        department_id=department_id or await department(),
        code=f"W{next(_numbers)}",
        name="呼吸内科病区",
    )


async def bed(*, ward_id: UUID) -> UUID:
    return await row("bed", ward_id=ward_id, label=f"{next(_numbers)}床")


async def window(*, kind: str = "pharmacy") -> UUID:
    return await row("service_window", campus_id=await campus(), kind=kind, name=f"{next(_numbers)}号窗口")


async def staff(
    *,
    role: str = "doctor",
    title: str = "主治医师",
    department_id: UUID | None = None,
    ward_id: UUID | None = None,
    name: str = "钟医生",
) -> UUID:
    return await row(
        "staff",
        staff_no=f"S{next(_numbers)}",
        name=name,
        role=role,
        title=title,
        department_id=department_id,
        ward_id=ward_id,
        active=True,
    )
