"""A patient with everything that the hospital stores about one, and everybody who has to do with them."""

from datetime import date, time, timedelta
from uuid import UUID

import msgspec

from app.alerts.answering import mark_displayed
from app.catalog.loading import Icd10Row, put_icd10
from app.encounters.visiting import record_diagnosis
from app.inpatient.admission import admit_patient
from app.inpatient.bedside import unlock_bedside
from app.inpatient.calling import call_nurse
from app.inpatient.daily import post_daily_charge
from app.inpatient.wristbands import wristband_text
from app.kernel.actor import Actor, Reach, system
from app.kernel.database import action, fetch
from app.laboratory.reporting import release_report, verify_report
from app.outpatient.arrival import check_in
from app.outpatient.booking import hold_appointment
from app.outpatient.consultation import start_consultation, write_note
from app.outpatient.identifying import identify
from app.outpatient.paying import start_appointment_payment
from app.outpatient.rules import at
from app.patients.allergies import record_allergy
from app.patients.break_glass import break_glass
from app.patients.linking import link_persons
from app.patients.proxies import invite
from app.patients.tables import BreakGlassReason, Scope
from app.queueing.calling import call_next
from app.rights.answering import Decision, answer
from app.rights.exports import ask_for_copy
from app.rights.requests import ask
from app.rights.tables import RequestKind, Topic
from tests.make import identity, inpatient, laboratory, orders, organization, patients, pharmacy, visit
from tests.make.rows import value

MORNING = at(date(2031, 3, 3), time(7, 50))

TEST = system("test")
CRITICAL = ("WBC", "0.50", "10^9/L")


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """`actors` by role; `rows` of this patient by table; `name` is nobody else's."""

    person_id: UUID
    name: str
    id_number: str
    actors: dict[str, Actor]
    rows: dict[str, list[UUID]]


async def story(name: str) -> Story:
    """Booked, paid, arrived, treated, measured, dispensed, admitted, and ill enough for an alert."""
    await _in_the_morning()
    before = await _all_rows(TEST)
    number = patients.id_number()
    about = await orders.visit()
    phone = await identity.account_actor()
    person_id = await patients.bound_person(phone, name=name, number=number)
    about = msgspec.structs.replace(about, phone=phone, person_id=person_id, encounter_id=UUID(int=0))
    await _open_to_others(phone, person_id)
    place, kiosk, encounter_id = await _visit(about, number)
    about = msgspec.structs.replace(
        about, encounter_id=encounter_id, doctor=place.doctor, department_id=place.department_id
    )
    await _treat(about)
    await _ask_about_data(phone, person_id)
    nurse, terminal, station = await _stay(person_id, number)
    duplicate = await patients.person(name=name)
    await link_persons(TEST, duplicate_id=duplicate, survivor_id=person_id)
    after = await _all_rows(TEST)
    return Story(
        person_id=person_id,
        name=name,
        id_number=number,
        actors={
            "account": about.phone,
            "doctor": place.doctor,
            "technician": about.technician,
            "pharmacist": about.pharmacist,
            "nurse": nurse,
            "kiosk": kiosk,
            "bedside": terminal,
            "nurse_station": station,
        },
        rows={table: sorted(after[table] - before[table]) for table in after},
    )


async def _in_the_morning() -> None:
    """Before the session begins, at whatever hour of the day the test runs."""
    if not MORNING <= await visit.now() < MORNING + timedelta(minutes=5):
        await visit.set_clock(MORNING)


async def _open_to_others(phone: Actor, person_id: UUID) -> None:
    """The person invites a relative, and a doctor whom nothing relates looks in an emergency."""
    await invite(
        phone, person_id=person_id, scopes=[Scope.BOOK], ends_at=await visit.now() + timedelta(days=9)
    )
    emergency = identity.staff_actor(await organization.staff())
    reason = BreakGlassReason.EMERGENCY
    await break_glass(emergency, person_id=person_id, reason=reason, explanation="患者昏迷，需要了解过敏史")


async def _ask_about_data(phone: Actor, person_id: UUID) -> None:
    """A copy, and a deletion that a registrar answers: what is kept, and why."""
    await ask_for_copy(phone, person_id=person_id)
    asked = await ask(
        phone, person_id=person_id, kind=RequestKind.DELETION, topics=[Topic.RECORDS], text="请删除我的病历"
    )
    desk = identity.staff_actor(
        await organization.staff(role="registrar"), role="registrar", reach=Reach.EVERYBODY
    )
    await answer(desk, request_id=asked, decision=Decision.ACCEPT, text="病历须依法保存")


async def _visit(about: orders.Visit, number: str) -> tuple[visit.Clinic, Actor, UUID]:
    """Booked on the phone, paid, identified at the kiosk, called and begun."""
    place = await visit.clinic()
    session = await visit.session(place, held_on=await visit.today(), starts=time(8), half_day="am")
    appointment_id = await hold_appointment(
        about.phone, session_id=session.id, window_id=session.windows[0], person_id=about.person_id
    )
    await orders.pay(await start_appointment_payment(about.phone, appointment_id=appointment_id))
    kiosk_id, _ = await identity.device(place_id=place.zone_id)
    kiosk = identity.device_actor(kiosk_id)
    visitor = await identify(kiosk, kind="id_card", value=number)
    ticket_id = await check_in(kiosk, appointment_id=appointment_id, visitor_token=visitor.token)
    await call_next(place.doctor, room_id=place.room_id)
    encounter_id = await start_consultation(place.doctor, ticket_id=ticket_id)
    await write_note(place.doctor, encounter_id=encounter_id, chief_complaint="咳嗽三天")
    return place, kiosk, encounter_id


async def _treat(about: orders.Visit) -> None:
    await put_icd10(TEST, rows=[Icd10Row(code="J06.9", name_en="Acute upper respiratory infection")])
    await record_diagnosis(about.doctor, encounter_id=about.encounter_id, icd10_code="J06.9")
    await record_allergy(
        about.doctor, person_id=about.person_id, substance="sulfonamide", substance_name="磺胺类"
    )
    specimen = await laboratory.ordered_and_received(about)
    report = await laboratory.measure(
        about, specimen, CRITICAL, ("HGB", "130", "g/L"), message_id=str(specimen)
    )
    await verify_report(about.second_technician, report_id=report)
    await release_report(about.second_technician, report_id=report)
    drug = await orders.drug()
    await pharmacy.hand_over(about.second_pharmacist, await pharmacy.reviewed(about, drug))


async def _stay(person_id: UUID, number: str) -> tuple[Actor, Actor, Actor]:
    ward = await inpatient.new_ward()
    nurse = await inpatient.staff(ward)
    bed_id = await inpatient.bed(ward)
    admission_id = await admit_patient(nurse, person_id=person_id, bed_id=bed_id, nurse_id=nurse.id)
    terminal = await inpatient.device(place_id=bed_id)
    station = await inpatient.device(kind="nurse_station", place_kind="ward", place_id=ward.id)
    wristband = await wristband_text(nurse, admission_id=admission_id)
    await unlock_bedside(terminal, wristband=wristband, id_last6=number[-6:])
    alert_id = await call_nurse(terminal)
    await mark_displayed(station, alert_id=alert_id)
    item_id = await inpatient.item(name="雾化吸入", kind="treatment")
    await post_daily_charge(nurse, admission_id=admission_id, item_id=item_id)
    await orders.settle()
    return nurse, terminal, station


async def walled_tables() -> list[str]:
    return await value(
        "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relrowsecurity"
        " AND relnamespace = 'public'::regnamespace"
    )


def key_of(table: str) -> str:
    return "duplicate_id" if table == "person_link" else "id"


async def _all_rows(actor: Actor) -> dict[str, set[UUID]]:
    return {table: await seen(actor, table) for table in await walled_tables()}


@action
async def seen(actor: Actor, table: str, among: list[UUID] | None = None) -> set[UUID]:
    """The keys of the rows that this actor is shown, of these or of all."""
    key = key_of(table)
    rows = await fetch(
        f"SELECT {key} AS id FROM {table} WHERE $1::uuid[] IS NULL OR {key} = ANY($1)",
        among,
    )
    return {found["id"] for found in rows}
