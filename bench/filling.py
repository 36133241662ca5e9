"""A busy hospital's rows on the seeded one, and the requests that will be asked of it.

A process of its own, `python -m bench.filling FILE`: it fills DATABASE_URL and writes a Plan to FILE.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.identity.sessions import Login, open_session
from app.kernel import clock, database
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.settings import settings
from app.patients.consents import current_documents, give_consent
from app.patients.queries import bound_persons
from bench.clients import Ask
from bench.rows import Rows, appointments, people, queues, records

CLIENTS = 32
PAGES_MAX = 10  # different rows that one client asks for in turn
TOKEN_SECONDS = 3600  # a run outlives a phone's token
PHONE, DESK = "/api/mini-program/v1", "/api/staff/v1"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask: for each route one list of requests per client. `accounts` are the phones' owners."""

    routes: dict[str, list[list[Ask]]]
    accounts: list[UUID]


async def fill(connection: asyncpg.Connection) -> None:
    now = clock.wall()
    for make in (people, appointments, records, queues):
        for rows in await make(connection, now):
            await copy(connection, rows)


async def copy(connection: asyncpg.Connection, rows: Rows) -> None:
    await connection.copy_records_to_table(rows.table, columns=rows.columns, records=rows.records)


async def plan(connection: asyncpg.Connection) -> Plan:
    accounts = await connection.fetch(
        "SELECT b.account_id AS id, array_agg(DISTINCT r.id) AS reports FROM binding b"
        " JOIN report r ON r.person_id = b.person_id GROUP BY b.account_id ORDER BY b.account_id LIMIT $1",
        CLIENTS,
    )
    doctors = await connection.fetch(
        "SELECT t.staff_id AS id, min(t.room_id::text) AS room, array_agg(DISTINCT e.id) AS encounters"
        " FROM schedule_template t JOIN encounter e ON e.department_id = t.department_id"
        " JOIN care_relation c ON c.department_id = e.department_id AND c.person_id = e.person_id"
        " GROUP BY t.staff_id ORDER BY t.staff_id LIMIT $1",
        CLIENTS,
    )
    for row in accounts:
        await agree(row["id"])
    phones = {row["id"]: await token(ActorKind.ACCOUNT, row["id"], "mini_program") for row in accounts}
    desks = {row["id"]: await token(ActorKind.STAFF, row["id"], "staff", "doctor") for row in doctors}
    return Plan(
        routes={
            "my_appointments": [[Ask(path=f"{PHONE}/appointments", token=t)] for t in phones.values()],
            "my_reports": [[Ask(path=f"{PHONE}/reports", token=t)] for t in phones.values()],
            "one_report": [
                [Ask(path=f"{PHONE}/reports/{id_}", token=phones[row["id"]]) for id_ in few(row["reports"])]
                for row in accounts
            ],
            "encounter_orders": [
                [
                    Ask(path=f"{DESK}/encounters/{id_}/orders", token=desks[row["id"]])
                    for id_ in few(row["encounters"])
                ]
                for row in doctors
            ],
            "room_queue": [
                [Ask(path=f"{DESK}/rooms/{row['room']}/queue", token=desks[row["id"]])] for row in doctors
            ],
        },
        accounts=list(phones),
    )


def few(ids: list[Any]) -> list[Any]:
    return ids[:PAGES_MAX]


async def agree(account_id: UUID) -> None:
    """What a phone's owner must have agreed to before results open."""
    actor = Actor(kind=ActorKind.ACCOUNT, id=account_id, channel="mini_program")
    for person in await bound_persons(actor):
        for document in await current_documents(actor):
            if document.needed_to_read:
                await give_consent(actor, person_id=person.id, code=document.code, version=document.version)


async def token(kind: ActorKind, actor_id: UUID, channel: str, role: str = "") -> str:
    login = Login(kind=kind, id=actor_id, channel=channel, role=role, auth_version=1)
    _, opened = await open_session(system("bench"), login=login, seconds=TOKEN_SECONDS)
    return opened.access_token


async def prepare() -> Plan:
    connection = await asyncpg.connect(settings().database_url)
    await database.open_pool(size=1)
    try:
        await fill(connection)
        return await plan(connection)
    finally:
        await database.close_pool()
        await connection.close()


def main(file: Path) -> None:
    file.touch(mode=0o600)  # it holds tokens
    file.write_bytes(msgspec.json.encode(asyncio.run(prepare())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
