"""What a person has agreed to: versioned texts, given and taken back by who speaks for the person."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, NotFound
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.access import may_speak_for, require_speaks_for
from app.patients.binding import lock_person
from app.patients.events import ConsentGiven, ConsentWithdrawn
from app.patients.rules import guardian_term, is_minor
from app.patients.tables import ConsentCode
from app.traces.showing import note_shown

CONSENTS_SHOWN_MAX = 100


class DocumentReplaced(DomainError):
    code = "consent_document_replaced"
    message = "该文件已有新版本，请重新打开“授权与同意”，阅读最新版本后再同意。"


class ConsentNotFound(NotFound):
    code = "consent_not_found"
    message = "没有找到这项同意，或已经撤回，请刷新后查看。"


class DocumentView(msgspec.Struct, frozen=True, kw_only=True):
    code: ConsentCode
    version: int
    title: str
    purpose: str
    text: str
    effective_from: datetime
    needed_to_read: bool
    under_age: int | None


class ConsentView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    person_id: UUID
    code: ConsentCode
    version: int
    by_guardian: bool
    given_at: datetime
    valid_to: datetime | None
    withdrawn_at: datetime | None


CURRENT = (
    "SELECT DISTINCT ON (code) * FROM consent_document WHERE effective_from <= jiuyi.now()"
    " ORDER BY code, version DESC"
)


@query
async def current_documents(actor: Actor) -> list[DocumentView]:
    """The texts that apply now: of every code the newest version in force."""
    return [msgspec.convert(dict(row), DocumentView) for row in await fetch(CURRENT)]


@query
async def consents_of(actor: Actor, *, person_id: UUID) -> list[ConsentView]:
    """Everything ever agreed to for the person, newest first; for who speaks for the person."""
    await require_speaks_for(actor, person_id=person_id)
    rows = await fetch(
        "SELECT * FROM consent WHERE person_id IN (SELECT jiuyi.same_person($1)) ORDER BY id DESC LIMIT $2",
        person_id,
        CONSENTS_SHOWN_MAX,
    )
    return [msgspec.convert(dict(row), ConsentView) for row in rows]


@action
async def give_consent(actor: Actor, *, person_id: UUID, code: ConsentCode, version: int) -> UUID:
    """Record the agreement to the version in force; given already, that one returns."""
    await require_speaks_for(actor, person_id=person_id)
    current = await fetch_value(
        "SELECT max(version) FROM consent_document WHERE code = $1 AND effective_from <= jiuyi.now()",
        str(code),
    )
    if current != version:
        raise DocumentReplaced(person_id=person_id)
    born_on = await lock_person(person_id)
    live = await fetch_one(
        "SELECT id, valid_to FROM consent WHERE person_id = $1 AND code = $2 AND version = $3"
        " AND withdrawn_at IS NULL",
        person_id,
        str(code),
        version,
    )
    if live is not None:
        if live["valid_to"] is None or live["valid_to"] > await clock.now():
            return live["id"]
        # A guardian's word has run out; the grown-up's own takes its place.
        await _withdraw(actor, person_id, code)
    by_guardian = is_minor(await clock.today(), born_on) and not await _is_own(actor, person_id)
    consent_id = await fetch_value(
        "INSERT INTO consent (id, person_id, code, version, account_id, by_guardian, given_at, valid_to)"
        " VALUES ($1, $2, $3, $4, $5, $6, jiuyi.now(), $7) RETURNING id",
        new_id(),
        person_id,
        str(code),
        version,
        actor.id,
        by_guardian,
        guardian_term(born_on).read_until if by_guardian else None,
    )
    await emit(actor, ConsentGiven(person_id=person_id, consent_id=consent_id))
    return consent_id


async def _is_own(actor: Actor, person_id: UUID) -> bool:
    return await fetch_value(
        "SELECT EXISTS (SELECT FROM binding WHERE account_id = $1 AND person_id = $2 AND relation = '0'"
        " AND (valid_to IS NULL OR valid_to > jiuyi.now()))",
        actor.id,
        person_id,
    )


async def _withdraw(actor: Actor, person_id: UUID, code: str) -> None:
    await fetch_value(
        "UPDATE consent SET withdrawn_at = jiuyi.now(), withdrawn_by = $3"
        " WHERE person_id IN (SELECT jiuyi.same_person($1)) AND code = $2 AND withdrawn_at IS NULL",
        person_id,
        code,
        actor.id,
    )


@action
async def withdraw_consent(actor: Actor, *, consent_id: UUID) -> UUID:
    """Take the agreement back, all its versions. What it covers stops here: results close on phones.

    Treatment goes on, and records are kept as the law says (outpatient 15 years, inpatient 30).
    """
    row = await fetch_one("SELECT person_id, code FROM consent WHERE id = $1", consent_id)
    if row is None or not await may_speak_for(actor, person_id=row["person_id"]):
        raise ConsentNotFound(consent_id=consent_id)
    note_shown(row["person_id"])
    await lock_person(row["person_id"])
    live = await fetch_value("SELECT withdrawn_at IS NULL FROM consent WHERE id = $1", consent_id)
    if live:
        await _withdraw(actor, row["person_id"], row["code"])
        await emit(actor, ConsentWithdrawn(person_id=row["person_id"], consent_id=consent_id))
    return consent_id
