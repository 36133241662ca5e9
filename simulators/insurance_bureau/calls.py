"""One call of the hospital's on its way to the room that answers it, and the table those rooms fill."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from simulators.insurance_bureau.platform import Bureau

Output = Mapping[str, Any]


class Call(NamedTuple):
    infno: str
    msgid: str
    head: Mapping[str, str]
    input: Mapping[str, Any]
    now: datetime  # business time


class Exchange(NamedTuple):
    """A message that took effect: what it said, and what it was answered."""

    msgid: str
    infno: str
    psn_no: str
    input: Mapping[str, Any]
    output: Output


class Transaction(NamedTuple):
    """What a transaction number stands for.

    `act` answers the call or raises a Refusal; it runs inside one database transaction and must not await.
    `undo` takes the effect back (2601); a transaction without one cannot be reversed.
    """

    name: str
    act: Callable[[Bureau, Call], Output]
    undo: Callable[[Bureau, Exchange, datetime], None] | None = None
    needs_sign_no: bool = True
