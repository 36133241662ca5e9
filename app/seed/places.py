"""The demo hospital's house: one campus, 20 departments, zones, rooms, two wards, windows, devices."""

from uuid import UUID

import msgspec

from app.identity.roles import DeviceKind
from app.kernel.ids import new_id
from app.seed.copying import Rows

CAMPUS = ("MAIN", "就医示范医院本部")
ZONES = ("一层A区", "一层B区", "二层A区", "二层B区", "三层A区", "三层B区")
BEDS_PER_WARD = 20
BEDSIDE_TERMINALS_PER_WARD = 4
KIOSKS = 2


class Spec(msgspec.Struct, frozen=True):
    """A department to be: its national specialty (诊疗科目) and how many doctors hold clinics."""

    code: str
    name: str
    specialty_code: str
    doctors: int
    number_only: bool = False


# 18 that hold clinics, three to a zone, and two that work for them.
DEPARTMENTS = (
    Spec("GP", "全科医学科", "02", 4),
    Spec("RESP", "呼吸内科", "03.01", 4),
    Spec("GAST", "消化内科", "03.02", 3),
    Spec("NEUR", "神经内科", "03.03", 3),
    Spec("CARD", "心血管内科", "03.04", 4),
    Spec("NEPH", "肾内科", "03.06", 3),
    Spec("ENDO", "内分泌科", "03.07", 3),
    Spec("SURG", "普通外科", "04.01", 4),
    Spec("ORTH", "骨科", "04.03", 4),
    Spec("UROL", "泌尿外科", "04.04", 3),
    Spec("GYN", "妇科", "05.01", 3),
    Spec("OBS", "产科", "05.02", 3),
    Spec("PED", "儿科", "07", 4),
    Spec("EYE", "眼科", "10", 3),
    Spec("ENT", "耳鼻咽喉科", "11", 3),
    Spec("DENT", "口腔科", "12", 3),
    Spec("DERM", "皮肤性病科", "13", 3, number_only=True),
    Spec("TCM", "中医科", "50", 3),
    Spec("LAB", "检验科", "30", 0),
    Spec("PHAR", "药剂科", "", 0),
)
WARDS = (("W-RESP", "呼吸内科病区", "RESP"), ("W-SURG", "普通外科病区", "SURG"))
WINDOWS = (
    ("pharmacy", "门诊药房1号窗口"),
    ("pharmacy", "门诊药房2号窗口"),
    ("lab", "采血1号窗口"),
    ("lab", "采血2号窗口"),
    ("cashier", "收费1号窗口"),
)


class DevicePlan(msgspec.Struct, frozen=True, kw_only=True):
    kind: DeviceKind
    label: str
    place_kind: str
    place_id: UUID
    place_name: str


class House(msgspec.Struct, frozen=True, kw_only=True):
    """The places with their new ids, and the rows to copy in order."""

    campus_id: UUID
    departments: dict[str, UUID]
    rooms: dict[str, list[UUID]]
    wards: dict[str, UUID]
    devices: list[DevicePlan]
    rows: list[Rows]


def build_house() -> House:
    campus_id = new_id()
    zones = [(new_id(), campus_id, f"Z{n}", name) for n, name in enumerate(ZONES, start=1)]
    departments = {spec.code: new_id() for spec in DEPARTMENTS}
    zone_of = {spec.code: zones[n // 3 % len(zones)][0] for n, spec in enumerate(DEPARTMENTS)}
    rooms = {spec.code: [new_id() for _ in range(spec.doctors)] for spec in DEPARTMENTS}
    wards = {code: new_id() for code, _, _ in WARDS}
    beds = [
        (new_id(), wards[code], f"{number:02d}床")
        for code, _, _ in WARDS
        for number in range(1, BEDS_PER_WARD + 1)
    ]
    windows = [(new_id(), campus_id, zones[0][0], kind, name) for kind, name in WINDOWS]
    rows = [
        Rows(table="campus", columns=("id", "code", "name"), records=[(campus_id, *CAMPUS)]),
        Rows(table="zone", columns=("id", "campus_id", "code", "name"), records=zones),
        _department_rows(campus_id, departments, zone_of),
        _room_rows(departments, zone_of, rooms),
        Rows(
            table="ward",
            columns=("id", "campus_id", "department_id", "code", "name"),
            records=[(wards[code], campus_id, departments[of], code, name) for code, name, of in WARDS],
        ),
        Rows(table="bed", columns=("id", "ward_id", "label"), records=beds),
        Rows(
            table="service_window",
            columns=("id", "campus_id", "zone_id", "kind", "name"),
            records=windows,
        ),
    ]
    return House(
        campus_id=campus_id,
        departments=departments,
        rooms=rooms,
        wards=wards,
        devices=_devices(zones, wards, beds, windows),
        rows=rows,
    )


def _department_rows(campus_id: UUID, departments: dict[str, UUID], zone_of: dict[str, UUID]) -> Rows:
    return Rows(
        table="department",
        columns=("id", "campus_id", "zone_id", "code", "name", "specialty_code", "number_only"),
        records=[
            (
                departments[spec.code],
                campus_id,
                zone_of[spec.code],
                spec.code,
                spec.name,
                spec.specialty_code,
                spec.number_only,
            )
            for spec in DEPARTMENTS
        ],
    )


def _room_rows(departments: dict[str, UUID], zone_of: dict[str, UUID], rooms: dict[str, list[UUID]]) -> Rows:
    return Rows(
        table="room",
        columns=("id", "department_id", "zone_id", "name"),
        records=[
            # A room's name must not tell what a number-only department treats.
            (room_id, departments[spec.code], zone_of[spec.code], _room_name(spec, number))
            for spec in DEPARTMENTS
            for number, room_id in enumerate(rooms[spec.code], start=1)
        ],
    )


def _room_name(spec: Spec, number: int) -> str:
    return f"专科{number}诊室" if spec.number_only else f"{spec.name}{number}诊室"


def _devices(
    zones: list[tuple[UUID, UUID, str, str]],
    wards: dict[str, UUID],
    beds: list[tuple[UUID, UUID, str]],
    windows: list[tuple[UUID, UUID, UUID, str, str]],
) -> list[DevicePlan]:
    def plan(kind: DeviceKind, label: str, place_kind: str, place_id: UUID, name: str) -> DevicePlan:
        return DevicePlan(kind=kind, label=label, place_kind=place_kind, place_id=place_id, place_name=name)

    ward_names = {wards[code]: name for code, name, _ in WARDS}
    first_beds = [bed for bed in beds if int(bed[2][:2]) <= BEDSIDE_TERMINALS_PER_WARD]
    kiosks = [
        plan(DeviceKind.KIOSK, f"自助机{number}", "zone", zone[0], zone[3])
        for number, zone in enumerate(zones[:KIOSKS], start=1)
    ]
    halls = [
        plan(DeviceKind.HALL_DISPLAY, f"{name}候诊大屏", "zone", zone_id, name)
        for zone_id, _, _, name in zones
    ]
    stations = [
        plan(DeviceKind.NURSE_STATION, f"{name}护士站", "ward", ward_id, name)
        for ward_id, name in ward_names.items()
    ]
    terminals = [
        plan(DeviceKind.BEDSIDE, f"{ward_names[ward_id]}{label}终端", "bed", bed_id, label)
        for bed_id, ward_id, label in first_beds
    ]
    boards = [
        plan(DeviceKind.WINDOW_DISPLAY, f"{name}屏", "window", window_id, name)
        for window_id, _, _, kind, name in windows
        if kind == "pharmacy"
    ]
    return [*kiosks, *halls, *stations, *terminals, *boards]
