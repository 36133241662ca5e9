"""One step of an answer, on its way to its row."""

from datetime import date
from uuid import UUID

import msgspec

from app.rights.tables import StepKind, Topic


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one topic came to."""

    kind: StepKind
    topic: Topic
    text: str
    affected: int = 0
    law: str = ""
    kept_until: date | None = None
    department_id: UUID | None = None
