"""From a value to a report: once, by the right range, seen by four eyes, corrected by a new version."""

from datetime import date
from uuid import UUID

import pytest

from app.kernel.actor import Actor, ActorKind, Reach
from app.kernel.ids import new_id
from app.kernel.settings import settings
from app.laboratory import measuring, reporting
from app.laboratory.collecting import SpecimenNotFound, reject_specimen
from app.laboratory.measuring import record_results
from app.laboratory.queries import lab_report, read_report
from app.laboratory.reporting import correct_report, record_qc, release_report, verify_report
from app.laboratory.tables import QcState, RejectReason
from app.orders import critical
from app.orders.critical import acknowledge_critical, handle_critical
from app.orders.reports import ReportNeedsHandover, ReportNotFound
from tests.make import identity, laboratory, orders, organization
from tests.make.rows import value

HIGH = (("WBC", "12.3", "10^9/L"), ("HGB", "120", "g/L"))
CRITICAL = (("WBC", "30.1", "10^9/L"), ("HGB", "59", "g/L"))


async def test_the_phone_reads_values_ranges_and_words(db: str) -> None:
    visit = await orders.visit(sex="2")
    report = await laboratory.released(visit, *HIGH)
    read = await read_report(visit.phone, report_id=report)
    wbc, hgb = read.rows
    assert (wbc.value, wbc.unit, wbc.reference) == ("12.3", "10^9/L", "3.5–9.5\u200910^9/L")
    assert (wbc.mark, wbc.word, wbc.arrow, wbc.abnormal, wbc.position) == ("偏高 ↑", "偏高", "↑", True, 1.467)
    assert (hgb.mark, hgb.reference, hgb.abnormal) == ("正常", "115–150\u2009g/L", False)
    assert read.abnormal_count == 1


async def test_a_man_is_judged_by_a_mans_range(db: str) -> None:
    visit = await orders.visit(sex="1")
    report = await laboratory.released(visit, *HIGH)
    read = await read_report(visit.phone, report_id=report)
    assert read.rows[1].mark == "偏低 ↓"


async def test_a_newborn_is_judged_by_its_age_in_days(db: str) -> None:
    newborn = orders.Range(days_below=28, low="15", high="20")
    adult = orders.Range(days_from=28, low="3.5", high="9.5")
    panel = await orders.panel(tests=[("WBC", "白细胞计数", "10^9/L", [newborn, adult])])
    visit = await orders.visit(born_on=date(1990, 5, 6))
    await orders.paid_lab_order(visit, panel_id=panel)
    report = await laboratory.measure(visit, await laboratory.received(visit), ("WBC", "5", "10^9/L"))
    assert (await lab_report(visit.technician, report_id=report)).rows[0].mark == "正常"


async def test_release_ends_the_orders_and_the_first_reading_is_kept(db: str) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit)
    assert await value("SELECT status FROM clinical_order WHERE kind = 'lab'") == "done"
    assert await value("SELECT read_at FROM report WHERE id = $1", report) is None
    await read_report(visit.phone, report_id=report)
    first = await value("SELECT read_at FROM report WHERE id = $1", report)
    await read_report(visit.phone, report_id=report)
    assert await value("SELECT read_at FROM report WHERE id = $1", report) == first
    await orders.settle()
    kinds = await value("SELECT array_agg(kind ORDER BY kind) FROM timeline_entry WHERE kind LIKE 'r%'")
    assert kinds == ["report.read", "result.released"]


async def test_a_stranger_and_an_early_reader_find_no_report(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    report = await laboratory.measure(visit, specimen)
    with pytest.raises(ReportNotFound):
        await read_report(visit.phone, report_id=report)
    await verify_report(visit.second_technician, report_id=report)
    await release_report(visit.second_technician, report_id=report)
    with pytest.raises(ReportNotFound):
        await read_report(await identity.account_actor(), report_id=report)
    stranger = identity.staff_actor(await organization.staff(department_id=await organization.department()))
    with pytest.raises(reporting.LabReportNotFound):
        await lab_report(stranger, report_id=report)


async def test_the_fact_of_a_release_carries_no_value(db: str) -> None:
    visit = await orders.visit()
    await laboratory.released(visit, *HIGH)
    told = await value("SELECT fact::text FROM event WHERE kind = 'result.released'")
    assert "12.3" not in told
    assert "偏高" not in told
    assert "WBC" not in told


async def test_a_message_sent_again_changes_nothing(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    await laboratory.measure(visit, specimen, *HIGH)
    await laboratory.measure(visit, specimen, *HIGH)
    assert await value("SELECT count(*) FROM analyser_message") == 1
    with pytest.raises(measuring.MessageDiffers):
        await laboratory.measure(visit, specimen)


async def test_a_repeat_measurement_takes_the_place_of_the_first(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    report = await laboratory.measure(visit, specimen, *CRITICAL)
    await laboratory.measure(visit, specimen, message_id="m2")
    assert await value("SELECT count(*) FROM lab_result WHERE report_id = $1", report) == 2
    assert await value("SELECT array_agg(DISTINCT status) FROM critical_value") == ["withdrawn"]
    await laboratory.measure(visit, specimen, *CRITICAL, message_id="m3")
    assert await value("SELECT count(*) FROM critical_value WHERE status = 'flagged'") == 2


async def test_an_analyser_needs_no_care_relation(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    analyser = Actor(kind=ActorKind.DEVICE, id=new_id(), channel="analyser", reach=Reach.EVERYBODY)
    await record_results(
        analyser,
        barcode=await laboratory.barcode(specimen),
        analyser="XN-1000",
        message_id="m1",
        values=laboratory.measured(),
    )
    assert await laboratory.status(specimen) == "resulted"


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        pytest.param((("PLT", "200", "10^9/L"),), measuring.TestNotAsked, id="a test nobody asked for"),
        pytest.param((("WBC", "5.6", "mg/L"),), measuring.UnitDiffers, id="another unit"),
        pytest.param((("WBC", "阴性", "10^9/L"),), measuring.ValueUnreadable, id="a word for a number"),
        pytest.param((("WBC", "  ", "10^9/L"),), measuring.ValueUnreadable, id="nothing"),
        pytest.param((("WBC", "1" * 41, "10^9/L"),), measuring.ValueUnreadable, id="too long"),
    ],
)
async def test_what_cannot_be_trusted_is_not_guessed(
    db: str, values: tuple[tuple[str, str, str], ...], refusal: type[Exception]
) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    with pytest.raises(refusal):
        await laboratory.measure(visit, specimen, *values)


async def test_values_for_unknown_or_unreceived_tubes_are_refused(db: str) -> None:
    visit = await orders.visit()
    await orders.paid_lab_order(visit)
    specimen = await laboratory.labelled(visit)
    with pytest.raises(measuring.SpecimenNotReceived):
        await laboratory.measure(visit, specimen)
    with pytest.raises(SpecimenNotFound):
        await record_results(
            visit.technician, barcode="0" * 12, analyser="XN", message_id="m", values=laboratory.measured()
        )


async def test_words_are_kept_where_there_is_no_range(db: str) -> None:
    panel = await orders.panel(tests=[("RH", "Rh 血型", "", [])])
    visit = await orders.visit()
    await orders.paid_lab_order(visit, panel_id=panel)
    report = await laboratory.measure(visit, await laboratory.received(visit), ("RH", "阳性", ""))
    row = (await lab_report(visit.technician, report_id=report)).rows[0]
    assert (row.value, row.mark, row.reference, row.position) == ("阳性", "正常", "", None)


async def test_a_report_is_verified_complete_and_by_another_person(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    report = await laboratory.measure(visit, specimen, ("WBC", "5.6", "10^9/L"))
    assert await laboratory.status(specimen) == "received"
    with pytest.raises(reporting.ResultsIncomplete):
        await verify_report(visit.second_technician, report_id=report)
    await laboratory.measure(visit, specimen, ("HGB", "130", "g/L"), message_id="m2")
    assert await laboratory.status(specimen) == "resulted"
    with pytest.raises(reporting.SecondPersonNeeded):
        await verify_report(visit.technician, report_id=report)
    with pytest.raises(reporting.ReportNotInStep):
        await release_report(visit.second_technician, report_id=report)
    await verify_report(visit.second_technician, report_id=report)
    with pytest.raises(measuring.SpecimenNotReceived):
        await laboratory.measure(visit, specimen, message_id="m3")
    with pytest.raises(reporting.LabReportNotFound):
        await verify_report(visit.second_technician, report_id=new_id())


async def test_a_control_out_of_bounds_stops_the_release(db: str) -> None:
    visit = await orders.visit()
    report = await laboratory.measure(visit, await laboratory.ordered_and_received(visit))
    await verify_report(visit.second_technician, report_id=report)
    await qc(visit.technician, QcState.OUT)
    with pytest.raises(reporting.QcIsOut):
        await release_report(visit.second_technician, report_id=report)
    await qc(visit.technician, QcState.IN)
    await release_report(visit.second_technician, report_id=report)


async def qc(actor: Actor, state: QcState) -> None:
    await record_qc(actor, analyser="XN-1000", test_code="WBC", state=state)


async def test_anothers_analysers_control_stops_nothing(db: str) -> None:
    visit = await orders.visit()
    report = await laboratory.measure(visit, await laboratory.ordered_and_received(visit))
    await verify_report(visit.second_technician, report_id=report)
    await record_qc(visit.technician, analyser="XN-2000", test_code="WBC", state=QcState.OUT)
    await release_report(visit.second_technician, report_id=report)


async def test_a_correction_hides_the_old_version_until_the_new_one_is_out(db: str) -> None:
    visit = await orders.visit()
    first = await laboratory.released(visit, *HIGH)
    second = await correct_report(
        visit.technician,
        report_id=first,
        reason="标本溶血复测",
        values=laboratory.measured(("WBC", "9.0", "10^9/L")),
    )
    for version in (first, second):
        with pytest.raises(ReportNotFound):
            await read_report(visit.phone, report_id=version)
    with pytest.raises(reporting.SecondPersonNeeded):
        await verify_report(visit.technician, report_id=second)
    await verify_report(visit.second_technician, report_id=second)
    await release_report(visit.second_technician, report_id=second)
    read = await read_report(visit.phone, report_id=second)
    assert (read.version, read.corrected, read.abnormal_count) == (2, True, 0)
    assert [row.value for row in read.rows] == ["9.0", "120"]
    assert (await lab_report(visit.technician, report_id=first)).rows[0].value == "12.3"


async def test_a_correction_says_why_and_what(db: str) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit)
    for reason, values in (("", laboratory.measured()), ("复测", [])):
        with pytest.raises(reporting.CorrectionReasonMissing):
            await correct_report(visit.technician, report_id=report, reason=reason, values=values)


async def critical_of(report_id: UUID, code: str) -> UUID:
    return await value(
        "SELECT id FROM critical_value WHERE report_id = $1 AND test_code = $2", report_id, code
    )


async def test_a_dangerous_value_waits_for_somebody_who_read_it_back(db: str) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit, *CRITICAL)
    assert await value("SELECT count(*) FROM alert WHERE status = 'raised'") == 2
    with pytest.raises(ReportNeedsHandover):
        await read_report(visit.phone, report_id=report)
    for code, read_back in (("WBC", "30.1"), ("HGB", "59")):
        await acknowledge_critical(
            visit.doctor, critical_value_id=await critical_of(report, code), read_back=read_back
        )
    read = await read_report(visit.phone, report_id=report)
    assert [row.mark for row in read.rows] == ["危急 ↑↑", "危急 ↓↓"]
    assert await value("SELECT count(*) FROM alert WHERE status = 'cancelled'") == 2


async def test_a_hospital_may_show_dangerous_values_at_once(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit, *CRITICAL)
    monkeypatch.setenv("JIUYI_HOLD_CRITICAL_REPORTS", "0")
    settings.cache_clear()
    try:
        assert await read_report(visit.phone, report_id=report)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


async def test_the_critical_loop_has_its_order_and_words(db: str) -> None:
    visit = await orders.visit()
    report = await laboratory.released(visit, *CRITICAL)
    found = await critical_of(report, "WBC")
    with pytest.raises(critical.ReadBackMissing):
        await acknowledge_critical(visit.doctor, critical_value_id=found, read_back=" ")
    with pytest.raises(critical.HandlingMissing):
        await handle_critical(visit.doctor, critical_value_id=found, handling="")
    with pytest.raises(critical.CriticalValueNotFound):
        await acknowledge_critical(visit.pharmacist, critical_value_id=found, read_back="30.1")
    await acknowledge_critical(visit.doctor, critical_value_id=found, read_back="30.1")
    await handle_critical(visit.doctor, critical_value_id=found, handling="复查血涂片，血液科会诊")
    assert await value("SELECT status FROM critical_value WHERE id = $1", found) == "handled"


async def test_a_corrected_report_reopens_the_loop(db: str) -> None:
    visit = await orders.visit()
    first = await laboratory.released(visit, *CRITICAL)
    await acknowledge_critical(
        visit.doctor, critical_value_id=await critical_of(first, "WBC"), read_back="30.1"
    )
    second = await correct_report(
        visit.technician, report_id=first, reason="复测", values=laboratory.measured(("HGB", "58", "g/L"))
    )
    assert await value(
        "SELECT status FROM critical_value WHERE id = $1", await critical_of(second, "WBC")
    ) == ("flagged")


async def test_a_rejected_tubes_dangerous_value_says_nothing(db: str) -> None:
    visit = await orders.visit()
    specimen = await laboratory.ordered_and_received(visit)
    await laboratory.measure(visit, specimen, ("WBC", "30.1", "10^9/L"))
    await reject_specimen(visit.technician, specimen_id=specimen, reason=RejectReason.CLOTTED)
    assert await value("SELECT array_agg(status) FROM critical_value") == ["withdrawn"]
