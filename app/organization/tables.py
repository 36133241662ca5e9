"""Where care happens and who gives it."""

from enum import StrEnum

from piccolo.columns import UUID, Boolean, ForeignKey, Varchar
from piccolo.constraints import Unique
from piccolo.table import Table

from app.identity.roles import StaffRole


class WindowKind(StrEnum):
    PHARMACY = "pharmacy"
    LAB = "lab"
    CASHIER = "cashier"


class Campus(Table, tablename="campus"):
    id = UUID(primary_key=True)
    code = Varchar(length=20, unique=True)
    name = Varchar(length=60)


class Zone(Table, tablename="zone"):
    """A waiting area with its hall display."""

    id = UUID(primary_key=True)
    campus_id = ForeignKey(references=Campus)
    code = Varchar(length=20)
    name = Varchar(length=60)

    zone_code_once = Unique(["campus_id", "code"])


class Department(Table, tablename="department"):
    """A department of this hospital; `specialty_code` is the national 诊疗科目 it maps to."""

    id = UUID(primary_key=True)
    campus_id = ForeignKey(references=Campus)
    zone_id = ForeignKey(references=Zone, null=True, default=None)
    code = Varchar(length=20)
    name = Varchar(length=60)
    specialty_code = Varchar(length=8)
    number_only = Boolean(default=False)  # its very name would tell a disease: call numbers, no names

    department_code_once = Unique(["campus_id", "code"])


class Room(Table, tablename="room"):
    id = UUID(primary_key=True)
    department_id = ForeignKey(references=Department, index=True)
    zone_id = ForeignKey(references=Zone, index=True)
    name = Varchar(length=60)

    room_name_once = Unique(["department_id", "name"])


class Ward(Table, tablename="ward"):
    id = UUID(primary_key=True)
    campus_id = ForeignKey(references=Campus)
    department_id = ForeignKey(references=Department)
    code = Varchar(length=20)
    name = Varchar(length=60)

    ward_code_once = Unique(["campus_id", "code"])


class Bed(Table, tablename="bed"):
    id = UUID(primary_key=True)
    ward_id = ForeignKey(references=Ward)
    label = Varchar(length=20)

    bed_label_once = Unique(["ward_id", "label"])


class Staff(Table, tablename="staff"):
    """A member of staff. What the login may do is identity's matter; `role` here is the profession."""

    id = UUID(primary_key=True)
    staff_no = Varchar(length=20, unique=True)
    name = Varchar(length=60)
    role = Varchar(length=16, choices=StaffRole)
    title = Varchar(length=20, default="")  # 主任医师, 副主任医师, 主治医师, 医师 ...
    department_id = ForeignKey(references=Department, null=True, default=None, index=True)
    ward_id = ForeignKey(references=Ward, null=True, default=None, index=True)
    active = Boolean(default=True)


class ServiceWindow(Table, tablename="service_window"):
    """A counter that calls people: pharmacy, blood drawing, cashier."""

    id = UUID(primary_key=True)
    campus_id = ForeignKey(references=Campus)
    zone_id = ForeignKey(references=Zone, null=True, default=None)
    kind = Varchar(length=12, choices=WindowKind)
    name = Varchar(length=60)

    service_window_name_once = Unique(["campus_id", "name"])


TABLES: list[type[Table]] = [Campus, Zone, Department, Room, Ward, Bed, Staff, ServiceWindow]
