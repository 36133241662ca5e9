"""What patients tell the house: ids, and why somebody looked; never what a person is called or numbered."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="person.registered", aggregate="person", key="person_id")
class PersonRegistered(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID


@fact(kind="person.bound", aggregate="person", key="person_id")
class PersonBound(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    account_id: UUID
    guardian: bool


@fact(kind="person.allergy_recorded", aggregate="person", key="person_id")
class AllergyRecorded(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    allergy_id: UUID


@fact(kind="person.unmasked", aggregate="person", key="person_id")
class PersonUnmasked(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody read these fields in plain. Who it was, the event says; what they read, nobody."""

    person_id: UUID
    fields: list[str]
    reason: str
