"""Persons and who may act for them."""

from datetime import date, timedelta
from itertools import count
from uuid import UUID

from app.kernel.actor import Actor, system
from app.patients.access import may_speak_for
from app.patients.binding import Relation, bind_person
from app.patients.consents import ConsentCode, current_documents, give_consent
from app.patients.registering import PersonForm, register_person
from app.patients.rules import check_character
from app.patients.tables import Sex
from tests.recording.identifiers import MADE
from tests.recording.recorder import RECORDER

_numbers = count(1)


def id_number(*, born_on: date = date(1990, 5, 6), sex: str = "2", region: str = "110101") -> str:
    """A valid number that no other call gives."""
    sequence = next(_numbers) * 2 + (1 if sex == "1" else 0)
    first = f"{region}{born_on:%Y%m%d}{sequence % 1000:03d}"
    number = first + check_character(first)
    MADE.add(number)
    return number


def form(
    *,
    name: str = "李小明",
    sex: str = "2",
    born_on: date = date(1990, 5, 6),
    number: str | None = None,
    phone: str | None = None,
    address: str | None = None,
) -> PersonForm:
    MADE.update(text for text in (number, phone) if text)
    RECORDER.learn(name)
    return PersonForm(
        name=name,
        sex=Sex(sex),
        born_on=born_on,
        id_number=number or id_number(born_on=born_on, sex=sex),
        phone=phone,
        address=address,
    )


async def person(**values: str | date) -> UUID:
    return await register_person(system("test"), form=form(**values))  # type: ignore[arg-type] - as form() takes them


async def bound_person(actor: Actor, *, relation: str = "0", **values: str | date) -> UUID:
    """A person bound to the acting account, and what results wait for is agreed to."""
    person_id = await bind_person(actor, form=form(**values), relation=Relation(relation))  # type: ignore[arg-type] - the same
    if await may_speak_for(actor, person_id=person_id):
        await agree(actor, person_id)
    return person_id


async def agree(actor: Actor, person_id: UUID, *, also: tuple[ConsentCode, ...] = ()) -> None:
    """Everything that must be agreed to before results open, and what else is named."""
    for document in await current_documents(actor):
        if document.needed_to_read or document.code in also:
            await give_consent(actor, person_id=person_id, code=document.code, version=document.version)


def years_ago(years: int, *, of: date) -> date:
    return of - timedelta(days=round(years * 365.25))
