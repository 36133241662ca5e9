"""What patients tell the house: ids, and why somebody looked; never what a person is called or numbered."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.kernel.events import Lane, fact


@fact(kind="person.registered", aggregate="person", key="person_id")
class PersonRegistered(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID


@fact(kind="person.bound", aggregate="person", key="person_id")
class PersonBound(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    account_id: UUID
    guardian: bool


@fact(kind="person.unbound", aggregate="person", key="person_id")
class PersonUnbound(msgspec.Struct, frozen=True, kw_only=True):
    """An account may no longer act for the person: it left, was revoked, or a window ended it."""

    person_id: UUID
    account_id: UUID


@fact(kind="person.binding_proven", aggregate="person", key="person_id")
class BindingProven(msgspec.Struct, frozen=True, kw_only=True):
    """A window has seen the card and the phone together."""

    person_id: UUID
    account_id: UUID
    staff_id: UUID | None


@fact(kind="person.proxy_granted", aggregate="person", key="person_id")
class ProxyGranted(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    account_id: UUID
    invitation_id: UUID


@fact(kind="person.came_of_age", aggregate="person", key="person_id")
class CameOfAge(msgspec.Struct, frozen=True, kw_only=True):
    """`account_id` was the guardian's; it books and pays until `ends_at`."""

    person_id: UUID
    account_id: UUID
    ends_at: datetime


@fact(kind="person.consented", aggregate="person", key="person_id")
class ConsentGiven(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    consent_id: UUID


@fact(kind="person.consent_withdrawn", aggregate="person", key="person_id")
class ConsentWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    consent_id: UUID


@fact(kind="break_glass.opened", aggregate="break_glass", key="break_glass_id", lane=Lane.URGENT)
class BreakGlassOpened(msgspec.Struct, frozen=True, kw_only=True):
    break_glass_id: UUID
    person_id: UUID
    staff_id: UUID


@fact(kind="break_glass.reviewed", aggregate="break_glass", key="break_glass_id", lane=Lane.URGENT)
class BreakGlassReviewed(msgspec.Struct, frozen=True, kw_only=True):
    break_glass_id: UUID
    person_id: UUID
    verdict: str


@fact(kind="break_glass.overdue", aggregate="break_glass", key="break_glass_id", lane=Lane.URGENT)
class BreakGlassOverdue(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody has reviewed it within the day it must be reviewed in."""

    break_glass_id: UUID


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
