"""Doctors of one zone at their desks, through the public staff API."""

import base64
import hashlib
import json
import secrets
import urllib.error
import urllib.request
from typing import Any


class Refusal(Exception):
    """The hospital said no: its code and the ids it named."""

    def __init__(self, problem: dict[str, Any]) -> None:
        self.code: str = problem["code"]
        self.ids: dict[str, str] = problem.get("ids", {})
        super().__init__(self.code)


class Doctors:
    """Whoever has a desk in the zone; each finishes with the last patient before calling another."""

    def __init__(self, url: str, staff: list[dict[str, Any]], *, zone_id: str) -> None:
        self.url = url
        self.doctors = [
            member
            for member in staff
            if member["role"] == "doctor" and (member.get("room") or {}).get("zone_id") == zone_id
        ]
        self.tokens: dict[str, str] = {}

    def call_next(self) -> str:
        """The number that the first doctor with somebody waiting has called."""
        for doctor in self.doctors:
            try:
                return self._call_at(doctor)["number"]
            except Refusal as refusal:
                if refusal.code != "queue_empty":
                    raise
        raise LookupError("nobody waits in the zone")

    def _call_at(self, doctor: dict[str, Any]) -> dict[str, Any]:
        call = f"/api/staff/v1/rooms/{doctor['room']['id']}/call-next"
        try:
            return self._post(doctor, call)
        except Refusal as refusal:
            if refusal.code != "desk_has_called":
                raise
            ticket = f"/api/staff/v1/tickets/{refusal.ids['ticket_id']}"
            self._post(doctor, f"{ticket}/start")
            self._post(doctor, f"{ticket}/finish")
            return self._post(doctor, call)

    def _post(self, doctor: dict[str, Any], path: str) -> dict[str, Any]:
        name = doctor["login_name"]
        if name not in self.tokens:
            self.tokens[name] = self._log_in(name, doctor["password"])
        headers = {
            "Authorization": f"Bearer {self.tokens[name]}",
            "Idempotency-Key": secrets.token_hex(16),
        }
        return self._send(path, {}, headers)

    def _log_in(self, login_name: str, password: str) -> str:
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        form = {"login_name": login_name, "password": password, "code_challenge": challenge}
        code = self._send("/api/staff/v1/login", form)["code"]
        redeem = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return self._send("/oauth/token", redeem)["access_token"]

    def _send(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refusal(json.load(error)) from error
