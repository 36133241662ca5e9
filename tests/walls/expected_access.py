"""Who may do what to whom, written by hand as the hospital would say it. Never drawn from the policy.

A line is one route: who may use it for a patient of theirs, and what they meet with a stranger's rows. Who is
not named is refused in both cases, and so is everybody without a login ("nobody").
"""

from enum import StrEnum

import msgspec

from app.identity.roles import Role


class Outcome(StrEnum):
    """What the asking role meets."""

    OK = "ok"  # served, or refused by a rule of the trade: any answer but those below
    REFUSED = "refused"  # 401 or 403: this role does not do that
    UNSEEN = "unseen"  # 404: there is no such thing for you
    ABSENT = "absent"  # served, with nothing of the stranger in it


OK, REFUSED, UNSEEN, ABSENT = Outcome

NOBODY = "nobody"  # no login at all
WHO = (*Role, NOBODY)

PHONE = "account"
DEVICES = "kiosk hall_display bedside nurse_station window_display"
DESKS = "cashier registrar"
CARING = "doctor nurse pharmacist technician"
ADMINS = "system_admin security_admin audit_admin"
STAFF = f"{CARING} {DESKS} {ADMINS}"
EVERYBODY = " ".join(WHO)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`may` are the roles that may; `stranger` is what these meet with rows of a patient they do not know."""

    method: str
    path: str
    may: frozenset[str]
    stranger: Outcome
    but: dict[str, Outcome] = {}  # who meets something else with a stranger's rows

    def expected(self, who: str, *, own: bool) -> Outcome:
        if who not in self.may:
            return REFUSED
        return OK if own else self.but.get(who, self.stranger)


STAFF_API = "/api/staff/v1"
PHONE_API = "/api/mini-program/v1"


def line(route: str, may: str, stranger: Outcome, **but: Outcome) -> Line:
    method, path = route.split()
    assert {*may.split(), *but} <= set(WHO), may
    return Line(method=method, path=path, may=frozenset(may.split()), stranger=stranger, but=but)


def staff(route: str, may: str, stranger: Outcome, **but: Outcome) -> Line:
    method, path = route.split()
    return line(f"{method} {STAFF_API}{path}", may, stranger, **but)


def phone(route: str, stranger: Outcome) -> Line:
    """What a phone does, nobody else does: a desk has its own way, with its own trace."""
    method, path = route.split()
    return line(f"{method} {PHONE_API}{path}", PHONE, stranger)


# Nothing of a patient is behind these; what needs a proof asks for it itself (a code, a key, a signature).
OPEN = [
    line("GET /healthz", EVERYBODY, OK),
    line("GET /readyz", EVERYBODY, OK),
    line("GET /metrics", EVERYBODY, OK),  # its lock is the loopback address
    line("GET /.well-known/jwks.json", EVERYBODY, OK),
    line("GET /.well-known/oauth-authorization-server", EVERYBODY, OK),
    line("GET /.well-known/smart-configuration", EVERYBODY, OK),
    line("GET /oauth/jwks", EVERYBODY, OK),
    line("POST /oauth/token", EVERYBODY, OK),
    line("GET /oauth/authorize", EVERYBODY, OK),
    line("POST /oauth/authorize", EVERYBODY, OK),
    line("POST /oauth/par", EVERYBODY, OK),
    line("POST /oauth/revoke", EVERYBODY, OK),  # its lock is the token
    line("POST /oauth/introspect", "", OK),  # its lock is the client's signature
    line("GET /oauth/device", EVERYBODY, OK),
    line("POST /oauth/device", "", OK),  # a wrong key is refused, whoever else one is
    line("POST /oauth/device/enrol", "", OK),  # the same, with a wrong code
    line("POST /pay/notify/wechat", EVERYBODY, OK),  # its lock is the channel's signature
    line("POST /pay/notify/alipay", EVERYBODY, OK),
    line("POST /api/mini-program/v1/login", EVERYBODY, OK),  # its lock is the platform's code
    line("POST /api/staff/v1/login/challenges", EVERYBODY, OK),
    line("POST /api/staff/v1/login", EVERYBODY, OK),  # its lock is the password
    line("GET /ui/display", EVERYBODY, OK),
    line("GET /ui/kiosk", EVERYBODY, OK),
    line("GET /ui/login", EVERYBODY, OK),
    line("GET /ui/signed-in", EVERYBODY, OK),
    line("GET /ui/assets/{file_path:path}", EVERYBODY, OK),
    line("GET /schema", EVERYBODY, OK),
    line("GET /schema/{path:str}", EVERYBODY, OK),
    line("GET /schema/openapi.json", EVERYBODY, OK),
]

# Everybody on the staff looks after their own login, and nobody after another's.
OWN_LOGIN = [
    staff("POST /step-up", STAFF, OK),
    staff("POST /password", STAFF, OK),
    staff("POST /second-factor/totp", STAFF, OK),
    staff("POST /second-factor/totp/confirm", STAFF, OK),
    staff("POST /second-factor/recovery-codes", STAFF, OK),
    staff("POST /second-factor/keys", STAFF, OK),
]

# Whoever logged in may end it; a device is revoked, a partner's login ends by itself.
LEAVING = [
    line("POST /oauth/logout", f"{PHONE} {STAFF}", OK),
    line("POST /oauth/logout-everywhere", f"{PHONE} {STAFF}", OK),
]

# Machines are one administrator's, people's logins another's, and neither's is a patient.
ADMINISTRATION = [
    staff("GET /devices", "system_admin", OK),
    staff("POST /devices/enrolments", "system_admin", OK),
    staff("POST /devices/{device_id:uuid}/move", "system_admin", OK),
    staff("POST /devices/{device_id:uuid}/revoke", "system_admin", OK),
    staff("GET /dead-letters", "system_admin", OK),
    staff("GET /dead-letters/{letter_id:uuid}", "system_admin", OK),
    staff("POST /dead-letters/{letter_id:uuid}/retry", "system_admin", OK),
    staff("POST /dead-letters/{letter_id:uuid}/set-aside", "system_admin", OK),
    staff("POST /dead-letters/retry", "system_admin", OK),
    staff("GET /stuck-events", "system_admin", OK),
    staff("POST /stuck-events/wake", "system_admin", OK),
    staff("GET /logins", "security_admin", OK),
    staff("POST /staff-members/{staff_id:uuid}/login", "security_admin", OK),
    staff("POST /logins/{staff_id:uuid}/role", "security_admin", OK),
    staff("POST /logins/{staff_id:uuid}/password", "security_admin", OK),
    staff("POST /logins/{staff_id:uuid}/second-factor/reset", "security_admin", OK),
    staff("POST /logins/{staff_id:uuid}/disable", "security_admin", OK),
    staff("POST /logins/{staff_id:uuid}/unlock", "security_admin", OK),
    staff("GET /login-requests", "security_admin", OK),
    staff("POST /login-requests", "security_admin", OK),
    staff("POST /login-requests/{request_id:uuid}/approve", "security_admin", OK),  # never one's own request
    staff("POST /login-requests/{request_id:uuid}/decline", "security_admin", OK),
]

# Whoever has a screen that must know at once. Administrators and partners have none.
LISTENING = [line("POST /rt/tickets", f"{PHONE} {CARING} {DESKS} {DEVICES}", OK)]

PHONES = [
    phone("GET /persons", ABSENT),
    phone("POST /persons", OK),  # whoever knows name and number of an ID card may bind its owner
    phone("POST /persons/{person_id:uuid}/unbind", UNSEEN),
    phone("GET /consents", ABSENT),
    phone("POST /consents", UNSEEN),
    phone("POST /consents/{consent_id:uuid}/withdraw", UNSEEN),
    phone("GET /access", ABSENT),
    # Only who speaks for the person; a relative who was invited is a stranger here.
    phone("GET /persons/{person_id:uuid}/accesses", UNSEEN),
    phone("POST /persons/{person_id:uuid}/exports", UNSEEN),
    phone("GET /exports/{export_id:uuid}", UNSEEN),
    phone("POST /persons/{person_id:uuid}/data-requests", UNSEEN),
    phone("GET /data-requests", ABSENT),
    phone("POST /data-requests/{data_request_id:uuid}/withdraw", UNSEEN),
    phone("POST /invitations", UNSEEN),
    phone("GET /invitations", ABSENT),
    phone("POST /invitations/{invitation_id:uuid}/withdraw", UNSEEN),
    phone("POST /invitations/accept", OK),  # its lock is the code
    phone("POST /proxies/{binding_id:uuid}/revoke", UNSEEN),
    phone("GET /departments", OK),
    phone("GET /departments/{department_id:uuid}/sessions", OK),
    phone("GET /sessions/{session_id:uuid}/windows", OK),
    phone("POST /appointments", UNSEEN),
    phone("GET /appointments", ABSENT),
    phone("GET /appointments/{appointment_id:uuid}", UNSEEN),
    phone("POST /appointments/{appointment_id:uuid}/bill", UNSEEN),
    phone("POST /appointments/{appointment_id:uuid}/cancel", UNSEEN),
    phone("GET /bills", ABSENT),
    phone("GET /bills/{bill_id:uuid}", UNSEEN),
    phone("POST /bills/{bill_id:uuid}/payments", UNSEEN),
    phone("GET /payments/{attempt_id:uuid}", UNSEEN),
    phone("GET /tickets", ABSENT),
    phone("GET /tickets/{ticket_id:uuid}", UNSEEN),
    phone("GET /reports", UNSEEN),
    phone("GET /reports/{report_id:uuid}", UNSEEN),
    phone("GET /prescriptions", UNSEEN),
    phone("GET /timeline", UNSEEN),
    phone("GET /messages", ABSENT),
    phone("POST /messages/{message_id:uuid}/read", UNSEEN),
]

# Where things are and what they cost: for whoever works with patients, and for who keeps the lists.
HOUSE = [
    staff("GET /me", STAFF, OK),
    staff("GET /departments", f"{STAFF} partner", OK),
    staff("GET /departments/{department_id:uuid}/rooms", STAFF, OK),
    staff("GET /windows/{kind:str}", STAFF, OK),
    staff("GET /prices/{kind:str}", f"{CARING} {DESKS} system_admin", OK),
    staff("GET /icd10", f"{CARING} {DESKS} system_admin", OK),
    staff("GET /drugs", f"{CARING} {DESKS} system_admin", OK),
    staff("GET /lab-panels", f"{CARING} {DESKS} system_admin", OK),
    staff("GET /lab-panels/{panel_id:uuid}", f"{CARING} {DESKS} system_admin", OK),
    staff("GET /clock", STAFF, OK),
    staff("POST /clock", "system_admin", OK),
    staff("GET /ledger/totals", "cashier", OK),  # the books are the cashier's; no administrator counts money
]

# Who stands before a desk is known to it; an administrator keeps machines and never meets a patient.
PERSONS = [
    staff("GET /persons/{person_id:uuid}", f"{CARING} {DESKS}", UNSEEN),
    # To hold a card against it or to ring somebody up: a technician has the barcode, a pharmacist the number.
    staff("POST /persons/{person_id:uuid}/unmask", f"doctor nurse {DESKS}", UNSEEN),
    staff("POST /persons/{person_id:uuid}/allergies", "doctor nurse", UNSEEN),
    staff("POST /persons/{person_id:uuid}/controlled-uses", "doctor", UNSEEN),
]

# The registration desk helps whoever shows their card. The glass is broken for strangers, or not at all; who
# breaks it never reviews it.
EXCEPTIONS = [
    staff("POST /desk/bindings", "registrar", OK),
    staff("POST /desk/bindings/{binding_id:uuid}/prove", "registrar", OK),
    staff("POST /desk/bindings/{binding_id:uuid}/end", "registrar", OK),
    staff("POST /desk/invitations", "registrar", OK),
    # Whoever asks about their data is answered here; nobody is a stranger to who answers.
    staff("POST /desk/data-requests", "registrar", OK),
    staff("GET /data-requests", "registrar", OK),
    staff("GET /data-requests/{data_request_id:uuid}", "registrar", OK),
    staff("POST /data-requests/{data_request_id:uuid}/answer", "registrar", OK),
    staff("POST /break-glass", "doctor nurse", OK),
    staff("GET /break-glass", "security_admin audit_admin", OK),
    staff("GET /audit/accesses", "audit_admin", OK),
    staff("POST /break-glass/{break_glass_id:uuid}/review", "audit_admin", OK),
    staff("GET /audit/records/{table:str}/{record_id:str}", "audit_admin", OK),
]

# Who works at windows works at any of them.
AT_WINDOWS = {"pharmacist": OK, "technician": OK, "cashier": OK}

# The hall's boards show masked names to everybody who walks by, so the staff may see them of any zone. A
# room's own list leads to records: a stranger's is not in it.
QUEUES = [
    staff("GET /zones/{zone_id:uuid}/queue", f"{CARING} {DESKS}", OK),
    staff("GET /windows/{window_id:uuid}/queue", f"{CARING} {DESKS}", OK),
    staff("GET /rooms/{room_id:uuid}/queue", f"{CARING} {DESKS}", ABSENT),
    staff("POST /rooms/{room_id:uuid}/call-next", "doctor nurse", REFUSED),  # somebody else's room
    staff("POST /windows/{window_id:uuid}/call-next", "nurse pharmacist technician cashier", OK),
    staff("POST /tickets/{ticket_id:uuid}/recall", f"{CARING} cashier", UNSEEN, **AT_WINDOWS),
    staff("POST /tickets/{ticket_id:uuid}/miss", f"{CARING} cashier", UNSEEN, **AT_WINDOWS),
    staff(
        "POST /tickets/{ticket_id:uuid}/serve", "nurse pharmacist technician cashier", UNSEEN, **AT_WINDOWS
    ),
    staff("POST /tickets/{ticket_id:uuid}/door", "doctor nurse", UNSEEN),
    staff("POST /tickets/{ticket_id:uuid}/readmit", "nurse registrar", UNSEEN),
]

# The registration desk serves everybody who comes, a department whom it expects. A check-in is taken back
# only where the patient waits.
ARRIVAL = [
    staff(
        "POST /appointments/{appointment_id:uuid}/check-in", "doctor nurse registrar", UNSEEN, registrar=OK
    ),
    staff(
        "POST /appointments/{appointment_id:uuid}/undo-check-in",
        "doctor nurse registrar",
        UNSEEN,
    ),
]

VISITS = [
    staff("POST /tickets/{ticket_id:uuid}/start", "doctor", UNSEEN),
    staff("POST /tickets/{ticket_id:uuid}/send-for-test", "doctor", UNSEEN),
    staff("GET /encounters/{encounter_id:uuid}/visit", "doctor nurse", UNSEEN),
    staff("POST /encounters/{encounter_id:uuid}/note", "doctor", UNSEEN),
    staff("POST /encounters/{encounter_id:uuid}/diagnoses", "doctor", UNSEEN),
    staff("POST /encounters/{encounter_id:uuid}/finish", "doctor", UNSEEN),
]

ORDERS = [
    staff("GET /encounters/{encounter_id:uuid}/orders", CARING, ABSENT),
    staff("POST /encounters/{encounter_id:uuid}/lab-orders", "doctor", UNSEEN),
    staff("POST /encounters/{encounter_id:uuid}/prescriptions", "doctor", UNSEEN),
    staff("POST /encounters/{encounter_id:uuid}/submit", "doctor", UNSEEN),
    staff("POST /submissions/{submission_id:uuid}/withdraw", "doctor", UNSEEN),
    staff("POST /orders/{order_id:uuid}/cancel", "doctor", UNSEEN),
    staff("POST /orders/{order_id:uuid}/stop", "doctor", UNSEEN),
    staff("GET /critical-values", "doctor nurse technician", ABSENT),
    staff("POST /critical-values/{critical_value_id:uuid}/acknowledge", "doctor nurse", UNSEEN),
    staff("POST /critical-values/{critical_value_id:uuid}/handle", "doctor", UNSEEN),
]

# Nurses draw blood, technicians measure, doctors read. A pharmacist judges a prescription by its diagnoses.
LABORATORY = [
    staff("POST /specimens", "nurse technician", UNSEEN),
    staff("GET /specimens", "doctor nurse technician", ABSENT),
    staff("GET /encounters/{encounter_id:uuid}/specimens", "doctor nurse technician", ABSENT),
    staff("GET /specimens/by-barcode/{barcode:str}", "doctor nurse technician", UNSEEN),
    staff("POST /specimens/{specimen_id:uuid}/collect", "nurse technician", UNSEEN),
    staff("POST /specimens/{specimen_id:uuid}/discard", "nurse technician", UNSEEN),
    staff("POST /specimens/{specimen_id:uuid}/send", "nurse technician", UNSEEN),
    staff("POST /specimens/{specimen_id:uuid}/receive", "technician", UNSEEN),
    staff("POST /specimens/{specimen_id:uuid}/reject", "technician", UNSEEN),
    staff("POST /lab-results", "technician", UNSEEN),  # a tube of another laboratory
    staff("GET /reports/{report_id:uuid}", "doctor nurse technician", UNSEEN),
    staff("POST /reports/{report_id:uuid}/verify", "technician", UNSEEN),
    staff("POST /reports/{report_id:uuid}/release", "technician", UNSEEN),
    staff("POST /reports/{report_id:uuid}/correct", "technician", UNSEEN),
    staff("POST /quality-controls", "technician", OK),
]

PHARMACY = [
    staff("GET /prescriptions/{prescription_id:uuid}", "doctor nurse pharmacist", UNSEEN),
    staff("POST /prescriptions/{prescription_id:uuid}/extend", "doctor", UNSEEN),
    staff("GET /prescriptions", "pharmacist", ABSENT),
    staff("POST /prescriptions/{prescription_id:uuid}/review", "pharmacist", UNSEEN),
    staff("POST /prescriptions/{prescription_id:uuid}/call", "pharmacist", UNSEEN),
    staff("POST /prescriptions/{prescription_id:uuid}/dispense", "pharmacist", UNSEEN),
]

# An admission is how a ward gets to know a patient, so who admits may do it for whoever comes.
WARDS = [
    staff("POST /admissions", "doctor nurse registrar", OK),
    staff("GET /admissions/{admission_id:uuid}", "doctor nurse registrar", UNSEEN),
    staff("GET /wards/{ward_id:uuid}/stays", "doctor nurse", ABSENT),
    staff("GET /admissions/{admission_id:uuid}/wristband", "doctor nurse registrar", UNSEEN),
    staff("POST /admissions/{admission_id:uuid}/wristband", "doctor nurse", UNSEEN),
    staff("POST /admissions/{admission_id:uuid}/bed", "doctor nurse", UNSEEN),
    staff("POST /admissions/{admission_id:uuid}/daily-charges", "doctor nurse", UNSEEN),
    staff("GET /admissions/{admission_id:uuid}/fees", "doctor nurse registrar cashier", UNSEEN),
    staff("GET /admissions/{admission_id:uuid}/deposit", "doctor nurse registrar cashier", UNSEEN),
    staff("POST /admissions/{admission_id:uuid}/discharge", "doctor nurse", UNSEEN),
]

# A screen shows an alert; only a person takes it.
ALERTS = [
    staff("GET /wards/{ward_id:uuid}/alerts", "doctor nurse nurse_station", UNSEEN),
    staff("POST /alerts/{alert_id:uuid}/displayed", "doctor nurse nurse_station", UNSEEN),
    staff("POST /alerts/{alert_id:uuid}/accept", "doctor nurse", UNSEEN),
    staff("POST /alerts/{alert_id:uuid}/handle", "doctor nurse", UNSEEN),
]

# A terminal knows nobody until somebody proves to it who they are, and then only them.
TERMINALS = [
    line("GET /api/kiosk/v1/me", DEVICES, OK),
    line("POST /api/kiosk/v1/identify", "kiosk", OK),  # whoever holds the card stands there
    line("POST /api/kiosk/v1/check-ins", "kiosk", UNSEEN),
    line("POST /api/bedside/v1/unlock", "bedside", REFUSED),  # another bed's wristband
    line("POST /api/bedside/v1/prove", "bedside", REFUSED),
    line("GET /api/bedside/v1/session", "bedside", REFUSED),  # another terminal's session
    line("POST /api/bedside/v1/lock", "bedside", OK),
    line("GET /api/bedside/v1/fees/today", "bedside", REFUSED),
    line("GET /api/bedside/v1/deposit", "bedside", REFUSED),
    line("POST /api/bedside/v1/deposit/top-ups", "bedside", REFUSED),
    line("GET /api/bedside/v1/top-ups/{attempt_id:uuid}", "bedside", REFUSED),
    line("POST /api/bedside/v1/nurse-calls", "bedside", OK),  # calls for its own bed, whoever presses
]

# First what time runs out for: what a terminal was told lives 90 seconds, a fresh proof of identity 120.
EXPECTED: list[Line] = [
    *TERMINALS,
    *PERSONS,
    *EXCEPTIONS,
    *OWN_LOGIN,
    *ADMINISTRATION,
    *LEAVING,
    *OPEN,
    *LISTENING,
    *PHONES,
    *HOUSE,
    *QUEUES,
    *ARRIVAL,
    *VISITS,
    *ORDERS,
    *LABORATORY,
    *PHARMACY,
    *WARDS,
    *ALERTS,
]

# Not asked over HTTP: the socket opens to a ticket alone, and what each listener may hear is tested with it
# (tests/notifications/test_greeting.py).
ELSEWHERE = {("WEBSOCKET", "/rt")}
