"""Two patients who have nothing to do with each other, each with a whole story and everybody who knows it."""

from datetime import time, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.alerts.raising import raise_alert
from app.alerts.tables import AlertKind, AlertLevel
from app.billing.deposits import open_deposit_top_up
from app.identity.clients import find_client
from app.identity.roles import DeviceKind, Role
from app.identity.sessions import Login, open_session
from app.inpatient.admission import admit_patient
from app.inpatient.bedside import unlock_bedside
from app.inpatient.queries import stay_wristband
from app.kernel import clock
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.crypto import decrypt
from app.kernel.ids import new_id
from app.laboratory.collecting import label_specimens
from app.laboratory.reporting import release_report, verify_report
from app.outpatient.arrival import check_in
from app.outpatient.booking import hold_appointment
from app.outpatient.identifying import identify
from app.outpatient.rules import at
from app.patients.access import relate
from app.patients.break_glass import break_glass
from app.patients.consents import ConsentCode
from app.patients.proxies import invite
from app.patients.tables import BreakGlassReason, CareReason, Scope
from app.queueing.joining import join_queue
from app.queueing.queues import window_queue
from app.rights.exports import ask_for_copy
from app.rights.requests import RequestKind, Topic, ask
from tests.make import identity, laboratory, letters, oauth, orders, organization, patients, visit
from tests.make.inpatient import write
from tests.make.rows import row, value

TEST = system("test")
STAFF_ROLES = (
    Role.DOCTOR,
    Role.NURSE,
    Role.PHARMACIST,
    Role.TECHNICIAN,
    Role.CASHIER,
    Role.REGISTRAR,
    Role.SYSTEM_ADMIN,
    Role.SECURITY_ADMIN,
    Role.AUDIT_ADMIN,
)
CRITICAL_VALUES = (("WBC", "0.5", "10^9/L"), ("HGB", "130", "g/L"))


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One patient. `ids` are the rows of the story by the name that paths give them; `said` is what a card,
    a wristband or a screen says; `tokens` lets each role in, and staff of every role care for the patient.
    """

    person_id: UUID
    ids: dict[str, str]
    said: dict[str, str]
    actors: dict[str, Actor]
    tokens: dict[str, str]

    def traces(self) -> set[str]:
        """What must not be read in a stranger's reply: the patient's rows, never the places around them."""
        return {self.ids[name] for name in PATIENTS_OWN}


PATIENTS_OWN = (
    "person_id", "encounter_id", "appointment_id", "held_id", "bill_id", "attempt_id", "order_id",
    "prescription_id", "submission_id", "specimen_id", "report_id", "critical_value_id", "ticket_id",
    "admission_id", "alert_id", "message_id", "arrived_id", "visit_encounter_id", "window_ticket_id",
    "consent_id", "binding_id", "invitation_id", "export_id", "data_request_id",
)  # fmt: skip


async def two_patients() -> tuple[World, World]:
    """Laboratories and pharmacies serve everybody: here each serves its own alone,
    so that for everybody in one world the other's patient is a stranger.
    """
    await write(
        "INSERT INTO icd10 (code, name_en, name_zh, billable, searchable)"
        " VALUES ('J06.9', 'cold', '上呼吸道感染', true, '')"
    )
    first, second = await world(), await world()
    for one, other in ((first, second), (second, first)):
        homes = "SELECT department_id FROM staff WHERE id = ANY($2)"
        carers = [actor.id for actor in other.actors.values()]
        await write(
            f"DELETE FROM care_relation WHERE person_id = $1 AND department_id IN ({homes})",
            one.person_id,
            carers,
        )
    return first, second


async def world() -> World:
    """A visit with results, drugs and bills, a booked and a held number, a ticket, and a stay in a ward.

    It is eight in the morning, before any of its sessions.
    """
    await visit.set_clock(at(await visit.today(), time(8)))
    about = await orders.visit()
    await patients.agree(about.phone, about.person_id, also=(ConsentCode.FAMILY_SHARING,))
    places = await _places(about)
    actors = await _staff(about, places) | await _devices(places) | {Role.ACCOUNT: about.phone}
    ids: dict[str, Any] = {"person_id": about.person_id, "encounter_id": about.encounter_id, **places}
    ids |= await _ordered(about)
    ids |= await _measured(about)
    ids |= await _booked(about, places)
    ids |= await _admitted(about, actors, places)
    ids |= await _shared(about)
    await orders.settle()
    ids["message_id"] = await value("SELECT id FROM message WHERE account_id = $1 LIMIT 1", about.phone.id)
    ids |= {"staff_id": actors[Role.DOCTOR].id, "device_id": actors[Role.KIOSK].id}
    tokens = {role: await _token(actor) for role, actor in actors.items()}
    ids["request_id"] = await _asked_for(actors[Role.SYSTEM_ADMIN])
    ids["letter_id"] = await letters.dead_delivery("notifications.phone_paid", aggregate_id=ids["bill_id"])
    return World(
        person_id=about.person_id,
        ids={name: str(id_) for name, id_ in ids.items()},
        said=await _said(about, actors, ids),
        actors=actors,
        tokens=tokens | {Role.PARTNER: await _partner()},
    )


async def _places(about: orders.Visit) -> dict[str, UUID]:
    zone_id = await value("SELECT zone_id FROM department WHERE id = $1", about.department_id)
    ward_id = await organization.ward(department_id=about.department_id)
    return {
        "department_id": about.department_id,
        "zone_id": zone_id,
        "room_id": await organization.room(department_id=about.department_id, zone_id=zone_id),
        "window_id": about.window_id,
        "ward_id": ward_id,
        "bed_id": await organization.bed(ward_id=ward_id),
        "free_bed_id": await organization.bed(ward_id=ward_id),
    }


async def _staff(about: orders.Visit, places: dict[str, UUID]) -> dict[str, Actor]:
    """Even the administrators are related: what refuses them is their role and nothing else."""
    homes = {
        Role.DOCTOR: about.doctor,
        Role.PHARMACIST: about.pharmacist,
        Role.TECHNICIAN: about.technician,
    }
    made: dict[str, Actor] = {}
    for role in STAFF_ROLES:
        if role in homes:
            actor = msgspec.structs.replace(homes[role], role=str(role))
        else:
            staff_id = await organization.staff(
                role=role,
                department_id=about.department_id,
                ward_id=places["ward_id"] if role is Role.NURSE else None,
            )
            actor = identity.staff_actor(staff_id, role=str(role))
        await relate(TEST, person_id=about.person_id, staff_id=actor.id, reason=CareReason.CONSULTATION)
        made[role] = actor
    return made


async def _devices(places: dict[str, UUID]) -> dict[str, Actor]:
    stands = {
        DeviceKind.KIOSK: ("zone", "zone_id"),
        DeviceKind.HALL_DISPLAY: ("zone", "zone_id"),
        DeviceKind.BEDSIDE: ("bed", "bed_id"),
        DeviceKind.NURSE_STATION: ("ward", "ward_id"),
        DeviceKind.WINDOW_DISPLAY: ("window", "window_id"),
    }
    made: dict[str, Actor] = {}
    for kind, (place_kind, name) in stands.items():
        device_id, _ = await identity.device(kind=kind, place_kind=place_kind, place_id=places[name])
        made[kind] = identity.device_actor(device_id, kind=str(kind))
    return made


async def _ordered(about: orders.Visit) -> dict[str, UUID]:
    """A paid prescription and a paid test whose tube has its label; a draft, and a bill that nobody paid."""
    prescription_id = await orders.paid_prescription(about, await orders.drug())
    await orders.paid_lab_order(about)
    submission_id = await value("SELECT submission_id FROM clinical_order WHERE id = $1", prescription_id)
    await orders.lab_order(about)
    unpaid = await orders.submit(about)
    return {
        "prescription_id": prescription_id,
        "submission_id": submission_id,
        "bill_id": await orders.bill_of(unpaid),
        "attempt_id": await value(
            "SELECT id FROM attempt WHERE bill_id = $1", await orders.bill_of(submission_id)
        ),
        "order_id": await orders.lab_order(about),
        "panel_id": await orders.panel(),
        "drug_id": await orders.drug(),
    }


async def _measured(about: orders.Visit) -> dict[str, UUID]:
    """A released report with a critical value that waits to be acknowledged, and a tube to be collected.

    The second technician measured, so that the first may verify.
    """
    about = msgspec.structs.replace(
        about, technician=about.second_technician, second_technician=about.technician
    )
    specimen_id = await laboratory.ordered_and_received(about)
    report_id = await laboratory.measure(about, specimen_id, *CRITICAL_VALUES, message_id=str(new_id()))
    await verify_report(about.second_technician, report_id=report_id)
    await release_report(about.second_technician, report_id=report_id)
    await orders.paid_lab_order(about)
    await label_specimens(about.technician, encounter_id=about.encounter_id)
    return {
        "report_id": report_id,
        "critical_value_id": await value("SELECT id FROM critical_value WHERE report_id = $1", report_id),
        "specimen_id": await value(
            "SELECT id FROM specimen WHERE encounter_id = $1 AND status = 'labelled'"
            " ORDER BY id DESC LIMIT 1",
            about.encounter_id,
        ),
    }


async def _booked(about: orders.Visit, places: dict[str, UUID]) -> dict[str, UUID]:
    place = await visit.clinic(department_id=about.department_id)
    today = await visit.session(place, held_on=await visit.today(), starts=time(8, 30), capacity=4)
    await write(
        "INSERT INTO desk (room_id, staff_id, held_on) VALUES ($1, $2, $3)",
        places["room_id"],
        about.doctor.id,
        await visit.today(),
    )
    made = await visit.session(place, windows=2, capacity=4)
    other_day = await visit.session(place, held_on=await visit.today() + timedelta(days=4))
    arrived = await visit.booked(about.phone, today, person_id=about.person_id)
    ticket_id = await check_in(TEST, appointment_id=arrived)
    booked = await visit.booked(about.phone, made, person_id=about.person_id)
    held = await hold_appointment(
        about.phone, session_id=other_day.id, window_id=other_day.windows[0], person_id=about.person_id
    )
    window_ticket_id = await join_queue(
        TEST,
        queue_id=await window_queue(TEST, window_id=places["window_id"]),
        person_id=about.person_id,
        subject_kind="prescription",
        subject_id=new_id(),
    )
    return {
        "appointment_id": booked,
        "held_id": held,
        "session_id": made.id,
        "session_window_id": made.windows[1],
        "ticket_id": ticket_id,
        "window_ticket_id": window_ticket_id,
        "arrived_id": arrived,
        "visit_encounter_id": await value("SELECT encounter_id FROM appointment WHERE id = $1", arrived),
        "item_id": place.item_id,
    }


async def _admitted(
    about: orders.Visit, actors: dict[str, Actor], places: dict[str, UUID]
) -> dict[str, UUID]:
    nurse = actors[Role.NURSE]
    admission_id = await admit_patient(
        nurse, person_id=about.person_id, bed_id=places["bed_id"], nurse_id=nurse.id
    )
    alert_id = await raise_alert(
        TEST,
        kind=AlertKind.NURSE_CALL,
        level=AlertLevel.URGENT,
        text="呼叫护士",
        ward_id=places["ward_id"],
        person_id=about.person_id,
        bed_id=places["bed_id"],
    )
    encounter_id = await value("SELECT encounter_id FROM admission WHERE id = $1", admission_id)
    bill_id = await open_deposit_top_up(TEST, encounter_id=encounter_id, amount_fen=100_00)
    await orders.pay(bill_id)
    top_up_id = await value("SELECT id FROM attempt WHERE bill_id = $1", bill_id)
    return {"admission_id": admission_id, "alert_id": alert_id, "top_up_id": top_up_id}


async def _shared(about: orders.Visit) -> dict[str, UUID]:
    """What the family agreed to, whom it invited, and a doctor who once looked in an emergency."""
    ends_at = await visit.now() + timedelta(days=30)
    other = identity.staff_actor(await organization.staff(), role="doctor")
    return {
        "consent_id": await value("SELECT id FROM consent WHERE person_id = $1 LIMIT 1", about.person_id),
        "binding_id": await row(
            "binding",
            account_id=await identity.account(),
            person_id=about.person_id,
            relation="5",
            guardian=False,
            scopes=["read"],
            valid_to=ends_at,
        ),
        "export_id": await ask_for_copy(about.phone, person_id=about.person_id),
        "data_request_id": await ask(
            about.phone,
            person_id=about.person_id,
            kind=RequestKind.DELETION,
            topics=[Topic.PHONE],
            text="请删除登记的手机号",
        ),
        "invitation_id": await invite(
            about.phone, person_id=about.person_id, scopes=[Scope.READ], ends_at=ends_at
        ),
        "break_glass_id": await break_glass(
            other,
            reason=BreakGlassReason.EMERGENCY,
            explanation="急诊抢救室接诊，患者昏迷，需要查看既往用药和过敏史",
            person_id=about.person_id,
        ),
    }


async def _asked_for(administrator: Actor) -> UUID:
    """A new password for an administrator, asked for by a colleague of who will decide."""
    now = clock.wall()
    return await row(
        "login_request",
        staff_id=administrator.id,
        kind="password",
        status="requested",
        requested_by=new_id(),
        requested_at=now,
        expires_at=now + timedelta(hours=1),
    )


async def _said(about: orders.Visit, actors: dict[str, Actor], ids: dict[str, Any]) -> dict[str, str]:
    """What the patient shows at a terminal, and what the terminal answered."""
    sealed = await value("SELECT id_number FROM person WHERE id = $1", about.person_id)
    id_number = decrypt(sealed, context=f"person.id_number.{about.person_id}")
    wristband = await stay_wristband(actors[Role.NURSE], admission_id=ids["admission_id"])
    opened = await unlock_bedside(actors[Role.BEDSIDE], wristband=wristband, id_last6=id_number[-6:])
    visitor = await identify(actors[Role.KIOSK], kind="id_card", value=id_number)
    return {
        "id_number": id_number,
        "wristband": wristband,
        "bedside_session": opened.token,
        "visitor_token": visitor.token,
        "barcode": await value("SELECT barcode FROM specimen WHERE id = $1", ids["specimen_id"]),
        "received_barcode": await value(
            "SELECT s.barcode FROM specimen s JOIN lab_report r ON r.specimen_id = s.id WHERE r.id = $1",
            ids["report_id"],
        ),
    }


async def _token(actor: Actor) -> str:
    """A login of its own, as the policy knows it; nothing is hashed for it."""
    if actor.kind is ActorKind.STAFF:
        await write(
            "INSERT INTO staff_login (staff_id, login_name, password_hash, role, auth_version, failures)"
            " VALUES ($1, $2, '', $3, 1, 0)",
            actor.id,
            str(actor.id),
            actor.role,
        )
    assert actor.id is not None
    return await identity.token(actor.kind, actor.id, channel=actor.channel, role=actor.role)


async def _partner() -> str:
    known = await find_client(TEST, client_id=(await oauth.partner()).client_id)
    assert known is not None
    login = Login(
        kind=ActorKind.CLIENT,
        id=known.id,
        channel="partner",
        role=str(Role.PARTNER),
        auth_version=known.auth_version,
        client_id=known.client_id,
        scope=known.scopes,
    )
    _, opened = await open_session(TEST, login=login)
    return opened.access_token
