"""The first wall is taken away: every read over HTTP, asked with a stranger's ids, still tells nothing."""

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from app.kernel.database import DB
from app.kernel.ids import new_id
from app.main import app
from tests.make import inpatient
from tests.walls.stories import Story, story, walled_tables

# Path and query parameters, and the table of the stranger that has their ids. Others name no patient's row.
IDS = {
    "person_id": "person",
    "encounter_id": "encounter",
    "appointment_id": "appointment",
    "bill_id": "bill",
    "payment_id": "attempt",
    "attempt_id": "attempt",
    "report_id": "report",
    "prescription_id": "prescription",
    "order_id": "clinical_order",
    "submission_id": "order_submission",
    "specimen_id": "specimen",
    "critical_value_id": "critical_value",
    "ticket_id": "ticket",
    "admission_id": "admission",
    "alert_id": "alert",
    "message_id": "message",
    "visit_id": "encounter",
    "stay_id": "admission",
    "export_id": "data_export",
    "data_request_id": "data_request",
}
# Reads whose answer holds ids of strangers although nothing is wrong, and why.
EXEMPT: dict[str, str] = {}


async def _yes(*_: Any, **__: Any) -> bool:
    return True


async def _let_pass(*_: Any, **__: Any) -> None:
    return None


def take_first_wall_away(patch: pytest.MonkeyPatch) -> int:
    """Everywhere it is imported; how many places there were."""
    taken = 0
    asks = {
        "may_see": _yes,
        "may_follow": _yes,
        "may_act_for": _yes,
        "may_speak_for": _yes,
        "require_may_see": _let_pass,
        "require_may_act_for": _let_pass,
        "require_speaks_for": _let_pass,
    }
    houses = ("app.", "notifications.", "mini_program_api.", "bedside_terminal.", "guide_kiosk.")
    for module in [module for name, module in sys.modules.items() if name.startswith(houses)]:
        for name, instead in asks.items():
            if hasattr(module, name):
                patch.setattr(module, name, instead)
                taken += 1
    return taken


def reads() -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if "GET" in getattr(handler, "http_methods", ()) and route.path.startswith("/api"):
                yield route.path_format, handler


def asked(path: str, handler: HTTPRouteHandler, other: Story) -> tuple[str, dict[str, str]]:
    """The path and the query with the stranger's ids wherever a parameter has a table."""
    known = {name: str(other.rows[table][0]) for name, table in IDS.items() if other.rows[table]}
    known["person_id"] = str(other.person_id)
    named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    for name in named:
        path = path.replace(f"{{{name}}}", known.get(name, str(new_id())))
    fields = handler.parsed_fn_signature.parameters
    return path, {name: known[name] for name in fields if name in known and name not in named}


async def leaks(client: httpx.AsyncClient, one: Story, other: Story) -> tuple[set[str], int]:
    """The reads whose answer holds the stranger's name, number or a row's id; and how many answered 200."""
    secrets = {other.name, other.id_number} | {str(i) for rows in other.rows.values() for i in rows}
    found: set[str] = set()
    answered = 0
    for role, actor in one.actors.items():
        if role in ("technician", "pharmacist"):
            continue  # payment relates every laboratory and pharmacy of the day: see test_reach
        headers = await inpatient.bearer(actor, role=role)
        for template, handler in reads():
            path, query = asked(template, handler, other)
            reply = await client.get(path, params=query, headers=headers)
            assert reply.status_code < 500, (role, path, reply.text)
            if reply.status_code == 200:
                answered += 1
                if template not in EXEMPT and any(secret in reply.text for secret in secrets):
                    found.add(f"{role} {template}")
    return found, answered


async def test_without_the_first_wall_no_read_tells_of_a_stranger(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await story("欧阳甲一"), await story("司徒乙二")
    assert take_first_wall_away(monkeypatch) > 20
    found, answered = await leaks(client, one, other)
    assert found == set()
    assert answered > 20
    # Positive control: without the second wall the same questions find the stranger.
    pool: Any = DB.pool
    for table in await walled_tables():
        await pool.connection.execute(f"RESET ROLE; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    found, _ = await leaks(client, one, other)
    assert len(found) > 10, found
