"""授权与同意: the texts that apply, what was agreed to for each person, and taking it back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.database import query
from app.kernel.idempotency import Command, once
from app.patients.access import may_speak_for
from app.patients.consents import (
    ConsentCode,
    ConsentView,
    DocumentView,
    consents_of,
    current_documents,
    give_consent,
    withdraw_consent,
)
from app.patients.queries import bound_persons

WITHDRAWN = (
    "已撤回。手机上不再展示相关内容；诊疗照常进行，病历按法律规定保存（门诊不少于15年，住院不少于30年）。"
)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    code: str
    version: int
    by_guardian: bool
    given_at: datetime
    valid_to: datetime | None
    withdrawn_at: datetime | None


class PersonConsents(msgspec.Struct, frozen=True, kw_only=True):
    """`missing`: what results wait for. `given` is everything ever, newest first."""

    person_id: UUID
    missing: list[str]
    given: list[Given]


class Consents(msgspec.Struct, frozen=True, kw_only=True):
    documents: list[DocumentView]
    persons: list[PersonConsents]


class GiveConsent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: UUID
    code: ConsentCode
    version: int


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    what_follows: str


def given(consent: ConsentView) -> Given:
    return Given(**{name: getattr(consent, name) for name in Given.__struct_fields__})


@query
async def overview(actor: Actor, *, person_id: UUID | None) -> Consents:
    """Of one person, or of everybody the account speaks for."""
    asked_for = [person for person in await bound_persons(actor) if person_id in (None, person.id)]
    persons = [person for person in asked_for if await may_speak_for(actor, person_id=person.id)]
    return Consents(
        documents=await current_documents(actor),
        persons=[
            PersonConsents(
                person_id=person.id,
                missing=person.consents_missing,
                given=[given(consent) for consent in await consents_of(actor, person_id=person.id)],
            )
            for person in persons
        ],
    )


@get("/consents", permission="consent.list")
async def list_consents(
    actor: NamedDependency[Actor], person_id: Annotated[UUID | None, QueryParameter()] = None
) -> Consents:
    return await overview(actor, person_id=person_id)


@post("/consents", status_code=201, permission="consent.give")
async def agree(
    data: JSONBody[GiveConsent], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> Given:
    consent_id = await once(
        asked, give_consent, actor, person_id=data.person_id, code=data.code, version=data.version
    )
    all_given = await consents_of(actor, person_id=data.person_id)
    return next(given(consent) for consent in all_given if consent.id == consent_id)


@post("/consents/{consent_id:uuid}/withdraw", status_code=200, permission="consent.withdraw")
async def take_back(
    consent_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> Withdrawn:
    """What it covers stops from here on."""
    await once(asked, withdraw_consent, actor, consent_id=consent_id)
    return Withdrawn(id=consent_id, what_follows=WITHDRAWN)


router = Router(path="/api/mini-program/v1", route_handlers=[list_consents, agree, take_back])
