"""The policy of this hospital's software, line by line. docs/access.md is drawn from it."""

from app.identity.policy import Policy, Rows, permit
from app.identity.roles import Role

OWN, CARE, PLACE, ALL, NONE = Rows

ACCOUNT, PARTNER = Role.ACCOUNT, Role.PARTNER
DOCTOR, NURSE, PHARMACIST = Role.DOCTOR, Role.NURSE, Role.PHARMACIST
TECHNICIAN, CASHIER, REGISTRAR = Role.TECHNICIAN, Role.CASHIER, Role.REGISTRAR
SYSTEM_ADMIN, SECURITY_ADMIN, AUDIT_ADMIN = Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN
KIOSK, HALL_DISPLAY, WINDOW_DISPLAY = Role.KIOSK, Role.HALL_DISPLAY, Role.WINDOW_DISPLAY
BEDSIDE, NURSE_STATION = Role.BEDSIDE, Role.NURSE_STATION

CLINICAL = (DOCTOR, NURSE)
CARING = (*CLINICAL, PHARMACIST, TECHNICIAN)
DESKS = (CASHIER, REGISTRAR)
ADMINS = (SYSTEM_ADMIN, SECURITY_ADMIN, AUDIT_ADMIN)
STAFF = (*CARING, *DESKS, *ADMINS)
DEVICES = (KIOSK, HALL_DISPLAY, WINDOW_DISPLAY, BEDSIDE, NURSE_STATION)


NUMBERS = ("masked_id_number", "masked_phone", "masked_address")


def each(roles: tuple[Role, ...], rows: Rows) -> dict[Role, Rows]:
    return dict.fromkeys(roles, rows)


PHONE = [
    *permit("person.list", {ACCOUNT: OWN}),
    *permit("person.bind", {ACCOUNT: OWN}),
    *permit("person.unbind", {ACCOUNT: OWN}),
    *permit("consent.list", {ACCOUNT: OWN}),
    *permit("consent.give", {ACCOUNT: OWN}),
    *permit("consent.withdraw", {ACCOUNT: OWN}),
    *permit("access.list", {ACCOUNT: OWN}),
    *permit("access_history.read", {ACCOUNT: OWN}),
    *permit("data_export.create", {ACCOUNT: OWN}),
    *permit("data_export.read", {ACCOUNT: OWN}),
    *permit("data_request.create", {ACCOUNT: OWN}),
    *permit("data_request.list", {ACCOUNT: OWN}),
    *permit("data_request.withdraw", {ACCOUNT: OWN}),
    *permit("invitation.list", {ACCOUNT: OWN}),
    *permit("invitation.create", {ACCOUNT: OWN}),
    *permit("invitation.withdraw", {ACCOUNT: OWN}),
    *permit("invitation.accept", {ACCOUNT: OWN}),
    *permit("proxy.revoke", {ACCOUNT: OWN}),
    *permit("schedule.read", {ACCOUNT: NONE}),
    *permit("appointment.book", {ACCOUNT: OWN}),
    *permit("appointment.read", {ACCOUNT: OWN}),
    *permit("appointment.pay", {ACCOUNT: OWN}),
    *permit("appointment.cancel", {ACCOUNT: OWN}),
    *permit("bill.read", {ACCOUNT: OWN}),
    *permit("bill.pay", {ACCOUNT: OWN}),
    *permit("ticket.read", {ACCOUNT: OWN}),
    *permit("my_report.read", {ACCOUNT: OWN}),
    *permit("my_prescription.read", {ACCOUNT: OWN}),
    *permit("timeline.read", {ACCOUNT: OWN}),
    *permit("message.read", {ACCOUNT: OWN}),
]

HOUSE = [
    *permit("session.end", {ACCOUNT: NONE, **each(STAFF, NONE)}),
    *permit("staff.read_self", each(STAFF, NONE)),
    *permit("organization.read", each(STAFF, NONE)),
    *permit("department.read", each(STAFF, NONE)),
    *permit("department.read", {PARTNER: NONE}, scope="system/Organization.rs"),
    *permit("catalog.read", each((*CARING, *DESKS, SYSTEM_ADMIN), NONE)),
    *permit("clock.read", each(STAFF, NONE)),
    *permit("clock.move", {SYSTEM_ADMIN: NONE}),
    *permit("ledger.read", {CASHIER: NONE}),
    *permit("realtime.listen", {ACCOUNT: OWN, **each((*CARING, *DESKS), CARE), **each(DEVICES, PLACE)}),
    *permit("device.read_self", each(DEVICES, NONE)),
    *permit("device.read", {SYSTEM_ADMIN: NONE}),
    *permit("device.enrol", {SYSTEM_ADMIN: NONE}),
    *permit("device.move", {SYSTEM_ADMIN: NONE}),
    *permit("device.revoke", {SYSTEM_ADMIN: NONE}),
]

# What failed behind the patients' backs: kinds, ids and errors, never what it was about.
FAILURES = [
    *permit("letter.list", {SYSTEM_ADMIN: NONE}),
    *permit("letter.read", {SYSTEM_ADMIN: NONE}),
    *permit("letter.retry", {SYSTEM_ADMIN: NONE}),
    *permit("letter.set_aside", {SYSTEM_ADMIN: NONE}),
    *permit("outbox.list", {SYSTEM_ADMIN: NONE}),
    *permit("outbox.wake", {SYSTEM_ADMIN: NONE}),
]

LOGINS = [
    *permit("session.step_up", each(STAFF, NONE)),
    *permit("password.change", each(STAFF, NONE)),
    *permit("second_factor.enrol", each(STAFF, NONE)),
    *permit("second_factor.renew_codes", each(STAFF, NONE), step_up=True),
    *permit("login.list", {SECURITY_ADMIN: NONE}),
    *permit("login.unlock", {SECURITY_ADMIN: NONE}),
    *permit("login.disable", {SECURITY_ADMIN: NONE}),
    *permit("login.request_change", {SECURITY_ADMIN: NONE}),
    # What gives somebody a way in is not done at a screen that was left open.
    *permit("login.create", {SECURITY_ADMIN: NONE}, step_up=True),
    *permit("login.set_role", {SECURITY_ADMIN: NONE}, step_up=True),
    *permit("login.reset_password", {SECURITY_ADMIN: NONE}, step_up=True),
    *permit("login.reset_second_factor", {SECURITY_ADMIN: NONE}, step_up=True),
    *permit("login.approve_change", {SECURITY_ADMIN: NONE}, step_up=True),
]

PERSONS = [
    *permit("person.read", each((*CLINICAL, *DESKS), CARE)),
    # Who mixes, measures and hands over checks the name; how to reach the patient is not their matter.
    *permit("person.read", each((PHARMACIST, TECHNICIAN), CARE), hidden=NUMBERS),
    *permit("person.unmask", each((*CLINICAL, *DESKS), CARE)),
    *permit("allergy.record", each(CLINICAL, CARE)),
]

# At the window somebody shows a document. Who breaks the glass has no relation yet: asking reaches nobody.
STRANGERS = [
    *permit("desk_binding.list", {REGISTRAR: ALL}),
    *permit("desk_binding.prove", {REGISTRAR: ALL}),
    *permit("desk_binding.end", {REGISTRAR: ALL}),
    *permit("desk_invitation.create", {REGISTRAR: ALL}),
    # What patients ask about their own data is the registration desk's to answer, whoever's it is.
    *permit("desk_data_request.create", {REGISTRAR: ALL}),
    *permit("data_request.read", {REGISTRAR: ALL}),
    *permit("data_request.answer", {REGISTRAR: ALL}),
    *permit("break_glass.open", each(CLINICAL, CARE)),
    *permit("break_glass.list", {AUDIT_ADMIN: ALL, SECURITY_ADMIN: ALL}),
    *permit("break_glass.review", {AUDIT_ADMIN: ALL}),
    *permit("audit.read_record", {AUDIT_ADMIN: ALL}),
    *permit("access_log.read", {AUDIT_ADMIN: ALL}),
]

QUEUES = [
    *permit("queue.read", each((*CARING, *DESKS), CARE)),
    *permit("queue.call_to_room", each(CLINICAL, CARE)),
    *permit("queue.call_to_window", each((PHARMACIST, TECHNICIAN, CASHIER, NURSE), CARE)),
    *permit("ticket.recall", each((*CARING, CASHIER), CARE)),
    *permit("ticket.miss", each((*CARING, CASHIER), CARE)),
    *permit("ticket.serve", each((NURSE, PHARMACIST, TECHNICIAN, CASHIER), CARE)),
    *permit("ticket.to_door", each(CLINICAL, CARE)),
    *permit("ticket.readmit", each((NURSE, REGISTRAR), CARE)),
]

VISITS = [
    *permit("appointment.check_in", each((DOCTOR, NURSE, REGISTRAR), CARE)),
    *permit("appointment.undo_check_in", each((DOCTOR, NURSE, REGISTRAR), CARE)),
    *permit("visit.start", {DOCTOR: CARE}),
    *permit("visit.send_for_test", {DOCTOR: CARE}),
    *permit("visit.read", each(CLINICAL, CARE)),
    *permit("visit.finish", {DOCTOR: CARE}),
    *permit("note.write", {DOCTOR: CARE}),
    *permit("diagnosis.record", {DOCTOR: CARE}),
]

ORDERS = [
    *permit("order.read", each(CARING, CARE)),
    *permit("order.place", {DOCTOR: CARE}),
    *permit("order.submit", {DOCTOR: CARE}),
    *permit("order.withdraw", {DOCTOR: CARE}),
    *permit("order.cancel", {DOCTOR: CARE}),
    *permit("order.stop", {DOCTOR: CARE}),
    *permit("controlled_use.register", {DOCTOR: CARE}),
    *permit("critical_value.read", each((*CLINICAL, TECHNICIAN), CARE)),
    *permit("critical_value.acknowledge", each(CLINICAL, CARE)),
    *permit("critical_value.handle", {DOCTOR: CARE}),
]

PRESCRIPTIONS = [
    *permit("prescription.read", each((*CLINICAL, PHARMACIST), CARE)),
    *permit("prescription.extend", {DOCTOR: CARE}),
    *permit("prescription.list", {PHARMACIST: CARE}),
    *permit("prescription.review", {PHARMACIST: CARE}),
    *permit("prescription.call", {PHARMACIST: CARE}),
    *permit("prescription.dispense", {PHARMACIST: CARE}),
]

LABORATORY = [
    *permit("specimen.label", each((NURSE, TECHNICIAN), CARE)),
    *permit("specimen.list", each((*CLINICAL, TECHNICIAN), CARE)),
    *permit("specimen.read", each((*CLINICAL, TECHNICIAN), CARE)),
    *permit("specimen.scan", each((*CLINICAL, TECHNICIAN), CARE)),
    *permit("specimen.collect", each((NURSE, TECHNICIAN), CARE)),
    *permit("specimen.discard", each((NURSE, TECHNICIAN), CARE)),
    *permit("specimen.send", each((NURSE, TECHNICIAN), CARE)),
    *permit("specimen.receive", {TECHNICIAN: CARE}),
    *permit("specimen.reject", {TECHNICIAN: CARE}),
    *permit("lab_result.take", {TECHNICIAN: CARE}),
    *permit("report.read", each((*CLINICAL, TECHNICIAN), CARE)),
    *permit("report.verify", {TECHNICIAN: CARE}),
    *permit("report.release", {TECHNICIAN: CARE}),
    *permit("report.correct", {TECHNICIAN: CARE}),
    *permit("quality_control.record", {TECHNICIAN: NONE}),
]

WARDS = [
    *permit("admission.admit", each((*CLINICAL, REGISTRAR), CARE)),
    *permit("admission.read", each((*CLINICAL, REGISTRAR), CARE)),
    *permit("admission.move", each(CLINICAL, CARE)),
    *permit("admission.discharge", each(CLINICAL, CARE)),
    *permit("ward.read", each(CLINICAL, CARE)),
    *permit("wristband.read", each((*CLINICAL, REGISTRAR), CARE)),
    *permit("wristband.renew", each(CLINICAL, CARE)),
    *permit("daily_charge.add", each(CLINICAL, CARE)),
    *permit("fee.read", each((*CLINICAL, *DESKS), CARE)),
    *permit("deposit.read", each((*CLINICAL, *DESKS), CARE)),
    *permit("alert.read", {**each(CLINICAL, CARE), NURSE_STATION: PLACE}),
    *permit("alert.display", {**each(CLINICAL, CARE), NURSE_STATION: PLACE}),
    *permit("alert.accept", each(CLINICAL, CARE)),
    *permit("alert.handle", each(CLINICAL, CARE)),
]

TERMINALS = [
    *permit("bedside.unlock", {BEDSIDE: PLACE}),
    *permit("bedside.read", {BEDSIDE: PLACE}),
    *permit("bedside.lock", {BEDSIDE: PLACE}),
    *permit("bedside.prove", {BEDSIDE: PLACE}),
    *permit("bedside.pay", {BEDSIDE: PLACE}),
    *permit("nurse_call.raise", {BEDSIDE: PLACE}),
    *permit("kiosk.identify", {KIOSK: PLACE}),
    *permit("kiosk.check_in", {KIOSK: PLACE}),
]

# What a socket may be opened for; whose place or account it is, notifications/kinds.py asks besides.
STREAMS = [
    *permit("stream.zone", {**each((*CARING, *DESKS), CARE), **each((HALL_DISPLAY, KIOSK), PLACE)}),
    *permit("stream.room", each((*CARING, *DESKS), CARE)),
    *permit("stream.window", {**each((*CARING, *DESKS), CARE), WINDOW_DISPLAY: PLACE}),
    *permit("stream.ward", {**each(CLINICAL, CARE), NURSE_STATION: PLACE}),
    *permit("stream.account", {ACCOUNT: OWN}),
    *permit("stream.bed", {BEDSIDE: PLACE}),
]

# About patients, and yet without an entry of its own in the access log.
NOT_LOGGED = {
    "realtime.listen": "a ticket that shows nothing; each stream that it joins is logged as stream.*",
}

POLICY = Policy(
    [
        *PHONE,
        *HOUSE,
        *FAILURES,
        *LOGINS,
        *PERSONS,
        *STRANGERS,
        *QUEUES,
        *VISITS,
        *ORDERS,
        *PRESCRIPTIONS,
        *LABORATORY,
        *WARDS,
        *TERMINALS,
        *STREAMS,
    ],
    not_logged=NOT_LOGGED,
)
