"""A tube's way, step by step."""

from uuid import UUID

from app.kernel.actor import system
from app.laboratory.collecting import collect_specimen, label_specimens, receive_specimen
from app.laboratory.measuring import Measured, record_results
from app.laboratory.reporting import release_report, verify_report
from tests.make import orders
from tests.make.orders import Visit
from tests.make.rows import value

TEST = system("test")
NORMAL = (("WBC", "5.60", "10^9/L"), ("HGB", "130", "g/L"))


def measured(*values: tuple[str, str, str]) -> list[Measured]:
    return [Measured(code=code, value=text, unit=unit) for code, text, unit in values or NORMAL]


async def labelled(visit: Visit) -> UUID:
    """The visit's first tube; its paid orders get their barcodes."""
    await label_specimens(visit.technician, encounter_id=visit.encounter_id)
    return await value(
        "SELECT id FROM specimen WHERE encounter_id = $1 ORDER BY id LIMIT 1", visit.encounter_id
    )


async def received(visit: Visit) -> UUID:
    specimen = await labelled(visit)
    await collect_specimen(visit.technician, specimen_id=specimen)
    await receive_specimen(visit.technician, specimen_id=specimen)
    return specimen


async def ordered_and_received(visit: Visit) -> UUID:
    await orders.paid_lab_order(visit)
    return await received(visit)


async def barcode(specimen_id: UUID) -> str:
    return await value("SELECT barcode FROM specimen WHERE id = $1", specimen_id)


async def status(specimen_id: UUID) -> str:
    return await value("SELECT status FROM specimen WHERE id = $1", specimen_id)


async def report_of(specimen_id: UUID) -> UUID:
    return await value(
        "SELECT id FROM lab_report WHERE specimen_id = $1 ORDER BY version DESC LIMIT 1", specimen_id
    )


async def measure(
    visit: Visit, specimen_id: UUID, *values: tuple[str, str, str], message_id: str = "m1"
) -> UUID:
    """What the first technician's analyser says; the report's id."""
    await record_results(
        visit.technician,
        barcode=await barcode(specimen_id),
        analyser="XN-1000",
        message_id=message_id,
        values=measured(*values),
    )
    return await report_of(specimen_id)


async def released(visit: Visit, *values: tuple[str, str, str]) -> UUID:
    """An ordered, paid, measured, verified and released report."""
    report = await measure(visit, await ordered_and_received(visit), *values)
    await verify_report(visit.second_technician, report_id=report)
    await release_report(visit.second_technician, report_id=report)
    await orders.settle()
    return report
