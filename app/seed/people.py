"""2,000 patients with valid, invented ID numbers, sealed like real ones."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

from faker import Faker

from app.kernel.crypto import blind_index, encrypt
from app.kernel.ids import new_id
from app.patients.rules import FEMALE, MALE, check_character
from app.seed.copying import Rows

PATIENTS = 2000
YOUNGEST = date(2026, 6, 30)
AGE_DAYS_MAX = 90 * 365
CHILDREN_SHARE = 0.15
CHILD_DAYS_MAX = 14 * 365
ALLERGIC_SHARE = 0.06
# Districts by GB/T 2260.
REGIONS = {
    "110101": "北京市东城区", "110105": "北京市朝阳区", "110108": "北京市海淀区", "310101": "上海市黄浦区",
    "310104": "上海市徐汇区", "310115": "上海市浦东新区", "440103": "广东省广州市荔湾区",
    "440106": "广东省广州市天河区", "440305": "广东省深圳市南山区", "510104": "四川省成都市锦江区",
    "510107": "四川省成都市武侯区", "330102": "浙江省杭州市上城区", "330106": "浙江省杭州市西湖区",
    "420102": "湖北省武汉市江岸区", "420106": "湖北省武汉市武昌区",
}  # fmt: skip
STREETS = ("建国路", "解放路", "人民路", "中山路", "文三路", "和平街", "新华街")
SUBSTANCES = (
    ("penicillin", "青霉素类", "皮疹"),
    ("cephalosporin", "头孢菌素类", "皮疹"),
    ("sulfonamide", "磺胺类", "荨麻疹"),
    ("nsaid", "解热镇痛药", "哮喘发作"),
    ("iodinated-contrast", "碘造影剂", "恶心、皮疹"),
)


def patient_rows(fake: Faker, random: Random, *, at: datetime) -> list[Rows]:
    numbers = invented_numbers(random)
    people = [_person(fake, random, next(numbers), at) for _ in range(PATIENTS)]
    allergic = random.sample([person[0] for person in people], int(PATIENTS * ALLERGIC_SHARE))
    return [
        Rows(
            table="person",
            columns=(
                "id",
                "name",
                "sex",
                "born_on",
                "id_kind",
                "id_number",
                "id_number_index",
                "phone",
                "phone_index",
                "address",
                "created_at",
            ),
            records=people,
        ),
        Rows(
            table="allergy",
            columns=("id", "person_id", "substance", "substance_name", "reaction", "recorded_at"),
            records=[(new_id(), person_id, *random.choice(SUBSTANCES), at) for person_id in allergic],
        ),
    ]


def invented_numbers(random: Random) -> Iterator[tuple[str, str, date]]:
    """(number, sex, birth date), each number once."""
    seen: set[str] = set()
    while True:
        most = CHILD_DAYS_MAX if random.random() < CHILDREN_SHARE else AGE_DAYS_MAX
        born_on = YOUNGEST - timedelta(days=random.randrange(most))
        sequence = random.randrange(1000)
        first = f"{random.choice(list(REGIONS))}{born_on:%Y%m%d}{sequence:03d}"
        if first not in seen:
            seen.add(first)
            yield first + check_character(first), MALE if sequence % 2 else FEMALE, born_on


def _person(
    fake: Faker, random: Random, invented: tuple[str, str, date], at: datetime
) -> tuple[UUID, str, str, date, str, str, str, str, str, str, datetime]:
    number, sex, born_on = invented
    person_id = new_id()
    phone = f"1{random.choice('3578')}{random.randrange(10**9):09d}"
    return (
        person_id,
        fake.name_male() if sex == MALE else fake.name_female(),
        sex,
        born_on,
        "01",
        encrypt(number, context=f"person.id_number.{person_id}"),
        blind_index(number, column="person.id_number"),
        encrypt(phone, context=f"person.phone.{person_id}"),
        blind_index(phone, column="person.phone"),
        encrypt(invented_address(number), context=f"person.address.{person_id}"),
        at,
    )


def invented_address(number: str) -> str:
    """A door in the district of an ID number."""
    sequence = int(number[14:17])
    return f"{REGIONS[number[:6]]}{STREETS[sequence % len(STREETS)]}{sequence + 1}号"
