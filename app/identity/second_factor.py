"""What every second factor can: say whether somebody has it, and weigh a proof once."""

from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from app.identity.roles import FactorKind


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    USED = "used"  # it was right once: no guess, so it is refused without being counted


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A six-digit code, a recovery code, or a signature (base64url of DER) over a challenge of ours."""

    kind: FactorKind
    answer: str
    challenge: str = ""  # of a UKey alone


class SecondFactor(Protocol):
    """One way to prove that somebody holds something. Both run inside a transaction.

    `prove` is asked while the login's row is locked, and uses a right proof up: the same one is USED after.
    """

    amr: str  # the RFC 8176 word for it

    async def enrolled(self, *, staff_id: UUID) -> bool: ...

    async def prove(self, *, staff_id: UUID, proof: Proof) -> Verdict: ...
