"""2,000 persons' last two weeks: 20,000 appointments, 5,000 visits with orders and reports, full queues."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg

from app.kernel import clock
from app.kernel.ids import new_id
from app.seed.copying import Rows

APPOINTMENTS = 20_000
VISITS = 5_000  # each with a report
BOOKED = 2_000  # one for each person
PERSONS_PER_ACCOUNT = 2
RESULTS_PER_REPORT = 5
WAITING_PER_QUEUE = 30
CARED_FOR_EVERY = 3  # of the departments, and so of the persons: over 600 for each
SCOPES = ["book", "pay", "read"]


async def people(connection: asyncpg.Connection, now: datetime) -> list[Rows]:
    """Accounts with two persons each; every department cares for a third of all persons."""
    persons = [row["id"] for row in await connection.fetch("SELECT id FROM person ORDER BY id")]
    departments = await connection.fetch("SELECT id FROM department ORDER BY id")
    accounts = [new_id() for _ in range(len(persons) // PERSONS_PER_ACCOUNT)]
    return [
        Rows(
            table="account",
            columns=("id", "auth_version", "created_at"),
            records=[(id_, 1, now) for id_ in accounts],
        ),
        Rows(
            table="binding",
            columns=("id", "account_id", "person_id", "relation", "guardian", "scopes", "valid_from"),
            records=[
                (
                    new_id(),
                    accounts[n // PERSONS_PER_ACCOUNT],
                    id_,
                    "0",
                    False,
                    SCOPES,
                    now - timedelta(days=30),
                )
                for n, id_ in enumerate(persons)
                if n // PERSONS_PER_ACCOUNT < len(accounts)
            ],
        ),
        Rows(
            table="care_relation",
            columns=("id", "person_id", "department_id", "reason", "valid_from"),
            records=[
                (new_id(), person, row["id"], "check_in", now - timedelta(days=14))
                for n, row in enumerate(departments)
                for person in persons[n % CARED_FOR_EVERY :: CARED_FOR_EVERY]
            ],
        ),
    ]


APPOINTMENT = (
    "id", "person_id", "channel", "session_id", "window_id", "number_id", "department_id", "staff_id",
    "room_id", "visit_type", "held_on", "half_day", "seq_no", "starts_at", "ends_at", "status", "item_id",
    "fee_fen", "booking_code", "expires_at", "held_at",
)  # fmt: skip
PLACES = (
    "SELECT n.session_id, n.window_id, n.id, s.department_id, s.staff_id, s.room_id, s.visit_type,"
    " s.held_on, s.half_day, n.seq_no, w.starts_at, w.ends_at FROM number n"
    " JOIN clinic_session s ON s.id = n.session_id JOIN session_window w ON w.id = n.window_id ORDER BY n.id"
)


async def appointments(connection: asyncpg.Connection, now: datetime) -> list[Rows]:
    """The visits that took place, what is booked, and what was given back; a number lives once."""
    persons = [row["id"] for row in await connection.fetch("SELECT id FROM person ORDER BY id")]
    places = await connection.fetch(PLACES)
    item_id = await connection.fetchval("SELECT id FROM priced_item ORDER BY id LIMIT 1")
    assert len(places) >= VISITS + BOOKED
    made: list[tuple[Any, ...]] = []
    for n in range(APPOINTMENTS):
        status = "fulfilled" if n < VISITS else "booked" if n < VISITS + BOOKED else "cancelled"
        id_ = new_id()
        place = tuple(places[n % len(places)])
        made.append(
            (id_, persons[n % len(persons)], "mini_program", *place, status, item_id, 5000, id_.hex, now, now)
        )
    return [Rows(table="appointment", columns=APPOINTMENT, records=made)]


async def records(connection: asyncpg.Connection, now: datetime) -> list[Rows]:
    """A visit for each appointment that took place, with two orders, a tube and a released report."""
    visits = await connection.fetch(
        "SELECT id AS appointment_id, person_id, department_id, staff_id FROM appointment"
        " WHERE status = 'fulfilled' ORDER BY id"
    )
    tests = await connection.fetch(
        "SELECT id, code, name, unit FROM lab_test ORDER BY id LIMIT $1", RESULTS_PER_REPORT
    )
    encounters = [
        (
            new_id(), row["person_id"], "outpatient", row["department_id"], row["staff_id"],
            row["appointment_id"], "closed", now,
        )
        for row in visits
    ]  # fmt: skip
    return [
        Rows(
            table="encounter",
            columns=(
                "id", "person_id", "kind", "department_id", "staff_id", "appointment_id", "status",
                "started_at",
            ),
            records=encounters,
        ),
        *orders(encounters, now),
        *reports(encounters, tests, now),
    ]  # fmt: skip


def orders(encounters: list[tuple[Any, ...]], now: datetime) -> Iterator[Rows]:
    submissions = [(new_id(), visit[0], visit[1], visit[4], now) for visit in encounters]
    yield Rows(
        table="order_submission",
        columns=("id", "encounter_id", "person_id", "submitted_by", "submitted_at"),
        records=submissions,
    )
    yield Rows(
        table="clinical_order",
        columns=(
            "id", "kind", "encounter_id", "person_id", "department_id", "title", "status", "payment",
            "submission_id", "ordered_by", "ordered_at", "signed_at",
        ),
        records=[
            (
                new_id(), kind, visit[0], visit[1], visit[3], title, "done", "paid", submission[0], visit[4],
                now, now,
            )
            for visit, submission in zip(encounters, submissions, strict=True)
            for kind, title in (("lab", "血常规"), ("drug", "阿莫西林胶囊 0.5g×24"))
        ],
    )  # fmt: skip


def reports(encounters: list[tuple[Any, ...]], tests: list[asyncpg.Record], now: datetime) -> Iterator[Rows]:
    """The laboratory's tube, report and values, and the header that phones list."""
    made: list[tuple[UUID, UUID, tuple[Any, ...]]] = [(new_id(), new_id(), visit) for visit in encounters]
    yield Rows(
        table="specimen",
        columns=(
            "id", "barcode", "encounter_id", "person_id", "specimen_kind", "container", "status",
            "labelled_by", "labelled_at", "collected_at",
        ),
        records=[
            (specimen, f"B{n:011d}", visit[0], visit[1], "全血", "紫管", "released", visit[4], now, now)
            for n, (_, specimen, visit) in enumerate(made)
        ],
    )  # fmt: skip
    yield Rows(
        table="lab_report",
        columns=("id", "specimen_id", "version", "title", "status", "entered_at", "released_at"),
        records=[(report, specimen, 1, "血常规", "released", now, now) for report, specimen, _ in made],
    )
    yield Rows(
        table="lab_result",
        columns=(
            "id", "report_id", "test_id", "position", "code", "name", "unit", "value", "flag", "analyser",
            "entered_at",
        ),
        records=[
            (
                new_id(), report, test["id"], n, test["code"], test["name"], test["unit"], "5.6", "N",
                "XN-1000", now,
            )
            for report, _, _ in made
            for n, test in enumerate(tests)
        ],
    )  # fmt: skip
    yield Rows(
        table="report",
        columns=(
            "id", "kind", "encounter_id", "person_id", "title", "version", "status", "abnormal_count",
            "released_by", "released_at",
        ),
        records=[
            (report, "lab", visit[0], visit[1], "血常规", 1, "released", 0, visit[4], now)
            for report, _, visit in made
        ],
    )  # fmt: skip


async def queues(connection: asyncpg.Connection, now: datetime) -> list[Rows]:
    """Today, a doctor sits in every room and thirty wait before each department."""
    today = clock.local_day(now)
    desks = await connection.fetch("SELECT DISTINCT ON (room_id) room_id, staff_id FROM schedule_template")
    lines = await connection.fetch(
        "SELECT d.id, d.zone_id, d.name, array_agg(c.person_id ORDER BY c.person_id) AS persons"
        " FROM department d JOIN care_relation c ON c.department_id = d.id"
        " WHERE d.id IN (SELECT department_id FROM schedule_template) GROUP BY d.id ORDER BY d.id"
    )
    made = [(new_id(), f"{chr(ord('A') + n)}", row) for n, row in enumerate(lines)]
    return [
        Rows(
            table="desk",
            columns=("room_id", "staff_id", "held_on"),
            records=[(row["room_id"], row["staff_id"], today) for row in desks],
        ),
        Rows(
            table="queue",
            columns=("id", "kind", "zone_id", "department_id", "name", "prefix"),
            records=[
                (id_, "department", row["zone_id"], row["id"], row["name"], prefix)
                for id_, prefix, row in made
            ],
        ),
        Rows(
            table="queue_day",
            columns=("id", "queue_id", "held_on", "last_seq"),
            records=[(new_id(), id_, today, WAITING_PER_QUEUE) for id_, _, _ in made],
        ),
        tickets(made, now),
    ]


def tickets(made: list[tuple[UUID, str, asyncpg.Record]], now: datetime) -> Rows:
    order = count(1)
    return Rows(
        table="ticket",
        columns=(
            "id", "queue_id", "held_on", "seq", "number", "person_id", "masked_name", "subject_kind",
            "subject_id", "status", "list", "order_key", "joined_at",
        ),
        records=[
            (new_id(), queue, clock.local_day(now), seq, f"{prefix}{seq:03d}", person, "李*明", "appointment",
             new_id(), "waiting", "N", next(order), now)
            for queue, prefix, row in made
            for seq, person in enumerate(row["persons"][:WAITING_PER_QUEUE], start=1)
        ],
    )  # fmt: skip
