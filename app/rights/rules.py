"""What patients may ask, when it is answered, and what the law keeps. docs/algorithms/retention.md."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from enum import StrEnum

import msgspec

from app.rights.tables import RequestKind, RequestStatus, StepKind, Topic

# The hospital's own promise. PIPL 50 says "promptly"; GB/T 35273-2020, 8.7 allows thirty days; the rules of
# 2019 for apps (App违法违规收集使用个人信息行为认定方法) fifteen working days, which we take for all.
ANSWER_WORKING_DAYS = 15
SATURDAY = 5

TOPICS_OF: dict[RequestKind, frozenset[Topic]] = {
    RequestKind.CORRECTION: frozenset({Topic.NAME, Topic.PHONE, Topic.ADDRESS, Topic.CLINICAL}),
    RequestKind.DELETION: frozenset(
        {
            Topic.PHONE,
            Topic.ADDRESS,
            Topic.BINDINGS,
            Topic.CONSENTS,
            Topic.MESSAGES,
            Topic.RECORDS,
            Topic.BILLS,
        }
    ),
}


def due_on(asked_on: date) -> date:
    """The last day to answer on: the fifteenth Monday-to-Friday after the day it was asked.

    Public holidays count as working days: without a calendar of them the promise is only kept earlier.
    """
    day, left = asked_on, ANSWER_WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY
    return day


class Record(StrEnum):
    """What a law keeps, each by its own rule."""

    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"
    PRESCRIPTION = "prescription"
    PRESCRIPTION_2 = "prescription_2"
    PRESCRIPTION_3 = "prescription_3"
    MONEY = "money"


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """For how many years at least, from when on, and by which law."""

    topic: Topic
    name: str
    years: int
    law: str
    since: str
    from_next_year: bool = False  # counted from the first of January that follows


RECORDS_LAW = "《医疗机构病历管理规定（2013年版）》第二十九条"
PRESCRIPTIONS_LAW = "《处方管理办法》第五十条"

FLOORS: dict[Record, Floor] = {
    Record.OUTPATIENT: Floor(
        topic=Topic.RECORDS, name="门（急）诊病历", years=15, law=RECORDS_LAW, since="最后一次就诊"
    ),
    Record.INPATIENT: Floor(
        topic=Topic.RECORDS, name="住院病历", years=30, law=RECORDS_LAW, since="最后一次出院"
    ),
    Record.PRESCRIPTION: Floor(
        topic=Topic.RECORDS, name="普通、急诊、儿科处方", years=1, law=PRESCRIPTIONS_LAW, since="最后一次开具"
    ),
    Record.PRESCRIPTION_2: Floor(
        topic=Topic.RECORDS,
        name="医疗用毒性药品、第二类精神药品处方",
        years=2,
        law=PRESCRIPTIONS_LAW,
        since="最后一次开具",
    ),
    Record.PRESCRIPTION_3: Floor(
        topic=Topic.RECORDS,
        name="麻醉药品、第一类精神药品处方",
        years=3,
        law=PRESCRIPTIONS_LAW,
        since="最后一次开具",
    ),
    Record.MONEY: Floor(
        topic=Topic.BILLS,
        name="收费和付款凭证",
        years=30,
        law="《会计档案管理办法》第十四条及附表一",
        since="当年度终了",
        from_next_year=True,
    ),
}


class Last(msgspec.Struct, frozen=True):
    """The last day that a record tells of. `running`: it is not over, or nobody wrote down when it was."""

    day: date | None = None
    running: bool = False


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What must stay. `until` is the last day it must; None: the years have not begun to count."""

    record: Record
    until: date | None


def keep(record: Record, last: Last) -> Kept | None:
    """How long the record must stay, or None where there is none of it."""
    if last.running:
        return Kept(record=record, until=None)
    if last.day is None:
        return None
    return Kept(record=record, until=kept_until(FLOORS[record], last.day))


def kept_until(floor: Floor, last: date) -> date:
    """The last day it must be kept. A day that the later year lacks is taken for the day after: 1 March."""
    start = date(last.year + 1, 1, 1) if floor.from_next_year else last
    try:
        return start.replace(year=start.year + floor.years)
    except ValueError:
        return date(start.year + floor.years, 3, 1)


def still_kept(kept: Iterable[Kept], today: date) -> list[Kept]:
    """What may not go today."""
    return [each for each in kept if each.until is None or each.until >= today]


def why_kept(kept: Kept) -> str:
    """For the patient: what, how long, from when."""
    floor = FLOORS[kept.record]
    if kept.until is None:
        return f"{floor.name}：自{floor.since}之日起至少保存{floor.years}年，目前尚未开始计算"
    return f"{floor.name}：自{floor.since}起至少保存{floor.years}年"


def outcome(kinds: Collection[StepKind]) -> RequestStatus:
    """What an answer that accepts comes to: what must stay is not accepted."""
    assert kinds
    stays = [kind is StepKind.KEPT for kind in kinds]
    if all(stays):
        return RequestStatus.REFUSED
    return RequestStatus.PARTLY if any(stays) else RequestStatus.ACCEPTED
