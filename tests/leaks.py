"""What nobody without the right may read anywhere, and the one way to look for it."""

import contextlib
import json
from typing import Any

import msgspec


class Secrets(msgspec.Struct, frozen=True):
    """Full names, ID numbers and phone numbers of a test's persons."""

    texts: tuple[str, ...]

    def found_in(self, told: Any) -> list[str]:
        """Those that stand in it. JSON is read first: an escape such as \\u6b27 must not hide a name."""
        if isinstance(told, bytes):
            told = told.decode(errors="replace")
        if isinstance(told, str):
            with contextlib.suppress(ValueError):
                told = json.loads(told)
        text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False, default=str)
        return [secret for secret in self.texts if secret in text]
