"""Whom a request shows: gathered while it runs, where a wall says yes and where the reply names somebody."""

import contextlib
import contextvars
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import msgspec.inspect

from app.kernel.actor import Actor
from app.traces.access_log import Entry

TRACE = "trace"  # where a request's trace lies in its state
NAMES = frozenset({"person_id", "patient_id"})  # fields that say whose it is
NAMES_PERSON = "names_person"  # class variable of a reply: another field that says so
TYPES_REMEMBERED_MAX = 4096

SERVED = 400  # statuses below it show what was asked for
REFUSED = frozenset({401, 403, 404})
OVERSTEPPED = 403
# The rules of the trade speak when the walls have said yes, and often of the patient: an allergy, a bill.
SPEAKS_OF_THEM = frozenset({409, 422})


class Shown(msgspec.Struct, kw_only=True):
    """Whom something shows, gathered so far. `sensitive`: it is about patients, and replies count."""

    sensitive: bool
    persons: dict[UUID, None] = {}

    def note(self, persons: Iterable[UUID]) -> None:
        self.persons.update(dict.fromkeys(persons))


class Trace(Shown, kw_only=True):
    """What is known of one access so far: of one request."""

    actor: Actor
    role: str
    permission: str

    def entry(self, *, status: int, address: str, refusal: str = "") -> Entry | None:
        """What must be written before a reply of this status goes out; None: nothing."""
        if status in REFUSED:
            wanted, persons = self.sensitive or status == OVERSTEPPED, ()
        elif status in SPEAKS_OF_THEM:
            wanted, persons = self.sensitive and bool(self.persons), tuple(self.persons)
        else:
            wanted, persons = self.sensitive and status < SERVED, tuple(self.persons)
        if not wanted:
            return None
        return Entry(
            actor=self.actor,
            role=self.role,
            permission=self.permission,
            status=status,
            address=address,
            persons=persons,
            reason=refusal,
        )


_current: contextvars.ContextVar[Shown | None] = contextvars.ContextVar("trace", default=None)


def begin(trace: Trace) -> Trace:
    """From here on what this task shows belongs to the trace."""
    _current.set(trace)
    return trace


@contextlib.contextmanager
def gathering() -> Iterator[Shown]:
    """For what is read now and shown later, to others: whom it names belongs to no request under way."""
    shown = Shown(sensitive=True)
    token = _current.set(shown)
    try:
        yield shown
    finally:
        _current.reset(token)


def note_shown(*person_ids: UUID | None) -> None:
    """The reply under way tells something of these persons. Outside a request: nothing happens."""
    trace = _current.get()
    if trace is not None:
        trace.note(one for one in person_ids if one is not None)


def note_reply(reply: Any) -> None:
    """The same of everybody whom the reply names."""
    trace = _current.get()
    if trace is not None and trace.sensitive:
        trace.note(persons_in(reply))


def persons_in(part: Any) -> Iterator[UUID]:
    """Every person whom a reply names by id, however deep."""
    if isinstance(part, msgspec.Struct):
        named, below = _fields(type(part))
        yield from (found for name in named if (found := getattr(part, name)) is not None)
        for name in below:
            yield from persons_in(getattr(part, name))
    elif isinstance(part, dict):
        for name, value in part.items():
            if name in NAMES and value is not None:
                yield value if isinstance(value, UUID) else UUID(value)
            else:
                yield from persons_in(value)
    elif isinstance(part, list | tuple):
        for one in part:
            yield from persons_in(one)


@lru_cache(maxsize=TYPES_REMEMBERED_MAX)
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Its fields that name a person, and those that may hold more replies."""
    known = msgspec.inspect.type_info(kind)
    assert isinstance(known, msgspec.inspect.StructType)
    names = {*NAMES, getattr(kind, NAMES_PERSON, "")}
    named = [field.name for field in known.fields if field.name in names]
    below = [field.name for field in known.fields if field.name not in named and _holds(field.type)]
    return tuple(named), tuple(below)


def _holds(known: msgspec.inspect.Type) -> bool:
    match known:
        case msgspec.inspect.UnionType(types=types):
            return any(map(_holds, types))
        case (
            msgspec.inspect.StructType()
            | msgspec.inspect.CollectionType()
            | msgspec.inspect.DictType()
            | msgspec.inspect.AnyType()
        ):
            return True
        case _:
            return False
