"""One request for each route: the path, parameters, headers and body that this patient's story gives it."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from app.kernel import clock
from app.kernel.ids import new_id
from tests.make import patients
from tests.make.two_patients import World
from tests.walls.expected_access import PHONE_API, STAFF_API

Body = dict[str, Any]
AT_WINDOWS = {"pharmacist", "technician", "cashier"}
PLACEHOLDER = re.compile(r"{(\w+):\w+}")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`headers` beside those of the login."""

    method: str
    path: str
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: Body | None = None


def request(method: str, path: str, who: str, *, me: World, about: World) -> Request:
    """To the route, by one who stands in `me`'s world, with the rows of `about`; the same for their own."""
    route = f"{method} {path.removeprefix(STAFF_API)}" if path.startswith(STAFF_API) else f"{method} {path}"
    filled = PLACEHOLDER.sub(lambda found: word(route, found[1], who, about), path)
    body = BODIES[route](me, about) if route in BODIES else ({} if method == "POST" else None)
    return Request(
        method=method,
        path=filled,
        params=PARAMS[route](about) if route in PARAMS else {},
        headers={"Bedside-Session": about.said["bedside_session"]} if "bedside" in path else {},
        body=body,
    )


def word(route: str, name: str, who: str, about: World) -> str:
    """What stands in the path for this placeholder. Who works at a window calls its tickets."""
    if name == "ticket_id" and who in AT_WINDOWS:
        return about.ids["window_ticket_id"]
    special = WORDS.get((route, name), WORDS.get(("", name)))
    return special(about) if special else about.ids[name]


# Placeholders that are no row of the story, or another row than their name says.
WORDS: dict[tuple[str, str], Callable[[World], str]] = {
    ("GET /prices/{kind:str}", "kind"): lambda about: "consultation",
    ("GET /windows/{kind:str}", "kind"): lambda about: "pharmacy",
    ("GET /audit/records/{table:str}/{record_id:str}", "table"): lambda about: "person",
    ("GET /audit/records/{table:str}/{record_id:str}", "record_id"): lambda about: about.ids["person_id"],
    ("", "file_path"): lambda about: "none.js",
    ("", "path"): lambda about: "none",
    ("", "barcode"): lambda about: about.said["barcode"],
    ("GET /api/bedside/v1/top-ups/{attempt_id:uuid}", "attempt_id"): lambda about: about.ids["top_up_id"],
    (f"POST {PHONE_API}/appointments/{{appointment_id:uuid}}/bill", "appointment_id"): (
        lambda about: about.ids["held_id"]
    ),
    ("POST /appointments/{appointment_id:uuid}/undo-check-in", "appointment_id"): (
        lambda about: about.ids["arrived_id"]
    ),
    ("POST /encounters/{encounter_id:uuid}/finish", "encounter_id"): (
        lambda about: about.ids["visit_encounter_id"]
    ),
}


def of_person(about: World) -> dict[str, str]:
    return {"person_id": about.ids["person_id"]}


def deletion() -> Body:
    return {"kind": "deletion", "topics": ["phone"], "text": "请删除登记的手机号"}


PARAMS: dict[str, Callable[[World], dict[str, str]]] = {
    "GET /icd10": lambda about: {"q": "J"},
    f"GET {PHONE_API}/bills": of_person,
    f"GET {PHONE_API}/consents": of_person,
    f"GET {PHONE_API}/access": of_person,
    f"GET {PHONE_API}/reports": of_person,
    f"GET {PHONE_API}/prescriptions": of_person,
    f"GET {PHONE_API}/timeline": of_person,
}


def invented(me: World, about: World) -> Body:
    number = patients.id_number()
    return {"name": "周安宁", "sex": "2", "born_on": "1990-05-06", "relation": "0", "id_number": number}


def proof(me: World, about: World) -> Body:
    return {"login_name": "nobody", "password": "wrong", "code_challenge": "c" * 43}


def card(me: World, about: World) -> Body:
    return {"id_number": about.said["id_number"]}


def share(me: World, about: World) -> Body:
    return {"scopes": ["read"], "ends_at": (clock.wall() + timedelta(days=30)).isoformat()}


def drugs(me: World, about: World) -> Body:
    line = {
        "drug_id": me.ids["drug_id"], "dose": "0.5 g", "route": "口服", "frequency": "tid", "days": 3,
        "quantity": "1",
    }  # fmt: skip
    return {"lines": [line]}


def zone(me: World) -> Body:
    return {"place_kind": "zone", "place_id": me.ids["zone_id"]}


def results(me: World, about: World) -> Body:
    return {
        "barcode": about.said["received_barcode"],
        "analyser": "XN-1000",
        "message_id": str(new_id()),
        "results": [{"code": "WBC", "value": "5.6", "unit": "10^9/L"}],
    }


def batch(me: World, about: World) -> Body:
    return {"line_id": str(new_id()), "batch_number": "B1", "expires_on": "2099-12-31"}


BODIES: dict[str, Callable[[World, World], Body]] = {
    "POST /oauth/token": lambda me, about: {
        "grant_type": "authorization_code", "code": "none", "code_verifier": "v" * 43
    },
    "POST /oauth/par": lambda me, about: {"client_id": "staff_web", "scope": "none"},
    "POST /oauth/authorize": lambda me, about: {"client_id": "staff_web", "request_uri": "none"},
    "POST /oauth/revoke": lambda me, about: {"client_id": "staff_web", "token": "none"},
    "POST /oauth/introspect": lambda me, about: {"token": "none"},
    "POST /oauth/device": lambda me, about: {"device_id": me.ids["device_id"]},
    "POST /oauth/device/enrol": lambda me, about: {"code": "WRONGCODE2"},
    "POST /devices/enrolments": lambda me, about: {"kind": "kiosk", "label": "二号机", **zone(me)},
    "POST /devices/{device_id:uuid}/move": lambda me, about: zone(me),
    "POST /dead-letters/{letter_id:uuid}/retry": lambda me, about: {"reason": "网关已恢复"},
    "POST /dead-letters/{letter_id:uuid}/set-aside": lambda me, about: {"reason": "已过时，无需补发"},
    "POST /dead-letters/retry": lambda me, about: {
        "source": "delivery", "kind": "bill.paid", "reason": "网关已恢复"
    },
    "POST /stuck-events/wake": lambda me, about: {"lane": "live", "reason": "积压已久"},
    "POST /staff-members/{staff_id:uuid}/login": lambda me, about: {"login_name": "new", "role": "nurse"},
    "POST /logins/{staff_id:uuid}/role": lambda me, about: {"role": "nurse"},
    "POST /login-requests": lambda me, about: {"staff_id": about.ids["staff_id"], "kind": "password"},
    "POST /login": proof,
    "POST /step-up": lambda me, about: {"password": "wrong"},
    "POST /password": lambda me, about: {"old_password": "wrong", "new_password": "another-Secret-4711"},
    "POST /second-factor/totp/confirm": lambda me, about: {"otp": "000000"},
    "POST /second-factor/keys": lambda me, about: {
        "algorithm": "ES256", "public_key": "none", "label": "钥匙", "challenge": "none", "signature": "none"
    },
    f"POST {PHONE_API}/login": lambda me, about: {
        "platform": "wechat", "code": "none", "code_challenge": "c" * 43
    },
    f"POST {PHONE_API}/persons": invented,
    f"POST {PHONE_API}/appointments": lambda me, about: {
        "session_id": me.ids["session_id"],
        "window_id": me.ids["session_window_id"],
        "person_id": about.ids["person_id"],
    },
    f"POST {PHONE_API}/bills/{{bill_id:uuid}}/payments": lambda me, about: {"channel": "wechat_jsapi"},
    f"POST {PHONE_API}/consents": lambda me, about: {
        **of_person(about), "code": "privacy", "version": 1
    },
    f"POST {PHONE_API}/invitations": lambda me, about: {**of_person(about), **share(me, about)},
    f"POST {PHONE_API}/invitations/accept": lambda me, about: {"code": "none", "relation": "8"},
    "POST /desk/bindings": card,
    "POST /desk/bindings/{binding_id:uuid}/prove": card,
    "POST /desk/bindings/{binding_id:uuid}/end": card,
    "POST /desk/invitations": lambda me, about: {**card(me, about), **share(me, about)},
    f"POST {PHONE_API}/persons/{{person_id:uuid}}/data-requests": lambda me, about: deletion(),
    "POST /desk/data-requests": lambda me, about: {**card(me, about), **deletion()},
    "POST /data-requests/{data_request_id:uuid}/answer": lambda me, about: {
        "decision": "refuse", "text": "请先办理退费"
    },
    "POST /break-glass": lambda me, about: {
        **of_person(about), "reason": "emergency", "explanation": "急诊抢救室接诊，患者昏迷"
    },
    "POST /break-glass/{break_glass_id:uuid}/review": lambda me, about: {"verdict": "justified"},
    "POST /clock": lambda me, about: {"at": "2000-01-01T00:00:00+08:00"},
    "POST /persons/{person_id:uuid}/unmask": lambda me, about: {"fields": ["phone"], "reason": "核对身份"},
    "POST /persons/{person_id:uuid}/allergies": lambda me, about: {
        "substance": "penicillin", "substance_name": "青霉素类"
    },
    "POST /persons/{person_id:uuid}/controlled-uses": lambda me, about: {
        "use": "pain", "valid_to": "2099-12-31"
    },
    "POST /tickets/{ticket_id:uuid}/door": lambda me, about: {"room_id": me.ids["room_id"]},
    "POST /encounters/{encounter_id:uuid}/note": lambda me, about: {"chief_complaint": "咳嗽三天"},
    "POST /encounters/{encounter_id:uuid}/diagnoses": lambda me, about: {"icd10_code": "J06.9"},
    "POST /encounters/{encounter_id:uuid}/lab-orders": lambda me, about: {"panel_id": me.ids["panel_id"]},
    "POST /encounters/{encounter_id:uuid}/prescriptions": drugs,
    "POST /orders/{order_id:uuid}/stop": lambda me, about: {"reason": "病情变化"},
    "POST /critical-values/{critical_value_id:uuid}/acknowledge": lambda me, about: {"read_back": "0.5"},
    "POST /critical-values/{critical_value_id:uuid}/handle": lambda me, about: {"handling": "已复查"},
    "POST /specimens": lambda me, about: {"encounter_id": about.ids["encounter_id"]},
    "POST /specimens/{specimen_id:uuid}/reject": lambda me, about: {"reason": "clotted"},
    "POST /lab-results": results,
    "POST /reports/{report_id:uuid}/correct": lambda me, about: {
        "reason": "复查", "results": [{"code": "WBC", "value": "5.6", "unit": "10^9/L"}]
    },
    "POST /quality-controls": lambda me, about: {"analyser": "XN-1000", "test_code": "WBC", "state": "in"},
    "POST /prescriptions/{prescription_id:uuid}/extend": lambda me, about: {"days": 2},
    "POST /prescriptions/{prescription_id:uuid}/review": lambda me, about: {"decision": "pass"},
    "POST /prescriptions/{prescription_id:uuid}/dispense": lambda me, about: {
        "checks": ["prescription"], "batches": [batch(me, about)]
    },
    "POST /admissions": lambda me, about: {
        "person_id": about.ids["person_id"], "bed_id": me.ids["free_bed_id"]
    },
    "POST /admissions/{admission_id:uuid}/bed": lambda me, about: {"bed_id": me.ids["free_bed_id"]},
    "POST /admissions/{admission_id:uuid}/daily-charges": lambda me, about: {"item_id": me.ids["item_id"]},
    "POST /alerts/{alert_id:uuid}/handle": lambda me, about: {"note": "已处理"},
    "POST /api/kiosk/v1/identify": lambda me, about: {"kind": "id_card", "value": about.said["id_number"]},
    "POST /api/kiosk/v1/check-ins": lambda me, about: {
        "visitor_token": me.said["visitor_token"], "appointment_id": about.ids["appointment_id"]
    },
    "POST /api/bedside/v1/unlock": lambda me, about: {
        "wristband": about.said["wristband"], "id_last6": about.said["id_number"][-6:]
    },
    "POST /api/bedside/v1/prove": lambda me, about: {
        "wristband": about.said["wristband"], "id_last6": about.said["id_number"][-6:]
    },
    "POST /api/bedside/v1/deposit/top-ups": lambda me, about: {
        "amount_fen": 100, "channel": "wechat_native"
    },
}  # fmt: skip
