"""Values arrive: once by the analyser's own number, judged by sex and age when the specimen was taken."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec

from app.catalog.queries import LabPanelView, LabTestView, lab_panel
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value
from app.kernel.errors import DomainError, Invalid
from app.kernel.ids import new_id
from app.laboratory import rules
from app.laboratory.collecting import SpecimenNotFound
from app.laboratory.rules import Limits
from app.laboratory.tables import SPECIMEN_FLOW, ResultFlag, SpecimenStatus
from app.orders.critical import flag_critical, unflag_critical


class SpecimenNotReceived(DomainError):
    code = "specimen_not_received"
    message = "标本尚未核收，或已拒收、已审核，不能录入结果。请核对条码。"


class MessageDiffers(Invalid):
    code = "analyser_message_differs"
    message = "仪器重复使用了消息编号，但内容不同。请检查仪器接口后重新发送。"


class TestNotAsked(Invalid):
    code = "test_not_asked"
    message = "结果中有该标本未申请的检验项目，请核对条码与仪器项目对照。"


class UnitDiffers(Invalid):
    code = "unit_differs"
    message = "结果单位与检验目录不一致，请检查仪器设置。系统不会自行换算。"


class ValueUnreadable(Invalid):
    code = "value_unreadable"
    message = "结果为空、过长，或有参考范围的项目不是数字，请检查后重新发送。"


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value as the analyser or a technician writes it."""

    code: str
    value: str
    unit: str = ""


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """What a tube's values are judged by: its tests, and whose it was when it was taken."""

    tests: dict[str, tuple[int, LabTestView]]  # by code, with the place in the report
    sex: str
    age_days: int


@action
async def record_results(
    actor: Actor, *, barcode: str, analyser: str, message_id: str, values: Sequence[Measured]
) -> UUID:
    """Take over what an analyser measured in one tube; returns the tube. Sent again it changes nothing.

    Who may send is the route's matter: an analyser cares for no patient.
    """
    specimen = await fetch_one("SELECT * FROM specimen WHERE barcode = $1 FOR UPDATE", barcode)
    if specimen is None:
        raise SpecimenNotFound(barcode=barcode)
    if not await _is_news(specimen["id"], analyser, message_id, values):
        return specimen["id"]
    if specimen["status"] not in (SpecimenStatus.RECEIVED, SpecimenStatus.RESULTED):
        raise SpecimenNotReceived(specimen_id=specimen["id"])
    judge = await judge_of(actor, specimen=specimen)
    report_id = await _open_report(specimen["id"])
    for measured in values:
        await write_value(
            actor,
            specimen=specimen,
            report_id=report_id,
            judge=judge,
            measured=measured,
            analyser=analyser,
        )
    if specimen["status"] == SpecimenStatus.RECEIVED and await is_complete(report_id, judge):
        await SPECIMEN_FLOW.move(specimen["id"], SpecimenStatus.RESULTED)
    return specimen["id"]


async def _is_news(specimen_id: UUID, analyser: str, message_id: str, values: Sequence[Measured]) -> bool:
    content_hash = hashlib.sha256(msgspec.json.encode(values)).hexdigest()
    taken = await fetch_value(
        "INSERT INTO analyser_message (id, analyser, message_id, specimen_id, content_hash, received_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT ON CONSTRAINT analyser_message_once DO NOTHING"
        " RETURNING id",
        new_id(),
        analyser,
        message_id,
        specimen_id,
        content_hash,
        await clock.now(),
    )
    if taken is not None:
        return True
    known = await fetch_one(
        "SELECT specimen_id, content_hash FROM analyser_message WHERE analyser = $1 AND message_id = $2",
        analyser,
        message_id,
    )
    # None: the number was used for a tube that the sender may not see.
    if known is None or (known["specimen_id"], known["content_hash"]) != (specimen_id, content_hash):
        raise MessageDiffers(specimen_id=specimen_id)
    return False


async def judge_of(actor: Actor, *, specimen: asyncpg.Record) -> Judge:
    rows = await fetch(
        "SELECT r.panel_id FROM specimen_order s JOIN lab_request r ON r.id = s.order_id"
        " WHERE s.specimen_id = $1 AND s.live ORDER BY s.order_id",
        specimen["id"],
    )
    panels: list[LabPanelView] = [await lab_panel(actor, panel_id=row["panel_id"]) for row in rows]
    tests = [test for panel in panels for test in panel.tests]
    # Nobody's name is read here, only what the ranges ask for.
    person = await fetch_one("SELECT sex, born_on FROM person WHERE id = $1", specimen["person_id"])
    assert person is not None
    return Judge(
        tests={test.code: (position, test) for position, test in reversed(list(enumerate(tests, start=1)))},
        sex=person["sex"],
        age_days=rules.age_days(person["born_on"], at=specimen["collected_at"]),
    )


async def _open_report(specimen_id: UUID) -> UUID:
    """The tube's report that is still being written; the first value opens it."""
    known = await fetch_value(
        "SELECT id FROM lab_report WHERE specimen_id = $1 AND version = 1 AND status = 'entered'", specimen_id
    )
    if known is not None:
        return known
    title = await fetch_value(
        "SELECT string_agg(o.title, '、' ORDER BY o.id) FROM specimen_order s"
        " JOIN clinical_order o ON o.id = s.order_id WHERE s.specimen_id = $1 AND s.live",
        specimen_id,
    )
    return await fetch_value(
        "INSERT INTO lab_report (id, specimen_id, version, correction_reason, title, status, entered_at)"
        " VALUES ($1, $2, 1, '', $3, 'entered', $4) RETURNING id",
        new_id(),
        specimen_id,
        title[:120],
        await clock.now(),
    )


async def write_value(
    actor: Actor,
    *,
    specimen: asyncpg.Record,
    report_id: UUID,
    judge: Judge,
    measured: Measured,
    analyser: str,
) -> None:
    """Judge and keep one value. A repeat before the verification takes the place of the first."""
    if measured.code not in judge.tests:
        raise TestNotAsked(specimen_id=specimen["id"], test_code=measured.code)
    position, test = judge.tests[measured.code]
    if measured.unit != test.unit:
        raise UnitDiffers(specimen_id=specimen["id"], test_code=measured.code)
    limits = _limits(test, judge)
    number = _readable(measured, limits, specimen["id"])
    flag = rules.flag_of(number, limits)
    await _keep(actor, report_id, position, test, measured.value.strip(), number, limits, flag, analyser)
    await _tell_critical(actor, specimen, report_id, test, flag)


def _limits(test: LabTestView, judge: Judge) -> Limits:
    found = rules.reference_for(test.references, sex=judge.sex, days=judge.age_days)
    if found is None:
        return Limits()
    return Limits(
        low=found.low,
        high=found.high,
        critical_low=found.critical_low,
        critical_high=found.critical_high,
    )


def _readable(measured: Measured, limits: Limits, specimen_id: UUID) -> Decimal | None:
    """The value's number. A word is one only where there is nothing to compare it with."""
    number = rules.number_in(measured.value)
    too_long = len(measured.value) > rules.VALUE_LETTERS_MAX
    if not measured.value.strip() or too_long or (number is None and limits != Limits()):
        raise ValueUnreadable(specimen_id=specimen_id, test_code=measured.code)
    return number


async def _keep(
    actor: Actor,
    report_id: UUID,
    position: int,
    test: LabTestView,
    value: str,
    number: Decimal | None,
    limits: Limits,
    flag: ResultFlag,
    analyser: str,
) -> None:
    await fetch_value(
        "INSERT INTO lab_result (id, report_id, test_id, position, code, name, unit, value, number, low,"
        " high, critical_low, critical_high, flag, analyser, entered_by, entered_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
        " ON CONFLICT ON CONSTRAINT lab_result_once DO UPDATE SET value = $8, number = $9, low = $10,"
        " high = $11, critical_low = $12, critical_high = $13, flag = $14, analyser = $15,"
        " entered_by = $16, entered_at = $17",
        new_id(),
        report_id,
        test.id,
        position,
        test.code,
        test.name,
        test.unit,
        value,
        number,
        limits.low,
        limits.high,
        limits.critical_low,
        limits.critical_high,
        str(flag),
        analyser,
        actor.id,
        await clock.now(),
    )


async def _tell_critical(
    actor: Actor, specimen: asyncpg.Record, report_id: UUID, test: LabTestView, flag: ResultFlag
) -> None:
    if flag not in rules.CRITICAL:
        await unflag_critical(actor, report_id=report_id, test_code=test.code)
        return
    ordered_by = await fetch_value(
        "SELECT o.ordered_by FROM specimen_order s JOIN clinical_order o ON o.id = s.order_id"
        " WHERE s.specimen_id = $1 ORDER BY o.id LIMIT 1",
        specimen["id"],
    )
    await flag_critical(
        actor,
        report_id=report_id,
        test_code=test.code,
        test_name=test.name,
        encounter_id=specimen["encounter_id"],
        person_id=specimen["person_id"],
        ordered_by=ordered_by,
    )


async def is_complete(report_id: UUID, judge: Judge) -> bool:
    """Every test that was asked has a value."""
    rows = await fetch("SELECT code FROM lab_result WHERE report_id = $1", report_id)
    return not rules.missing_tests(judge.tests, (row["code"] for row in rows))
