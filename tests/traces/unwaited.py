"""A server like ours that gives its replies without waiting for their entries: what the wait is worth.

`python -m tests.traces.unwaited`; no command of the hospital reaches this room.
"""

import asyncio

from app.kernel.settings import settings
from app.launch import serving
from app.traces.access_log import ACCESS_LOG, AccessLog, Entry

LATE_SECONDS = 0.5
_later: set[asyncio.Task[None]] = set()


class Unwaited(AccessLog):
    """Writes half a second later what it should have written before."""

    async def write(self, entry: Entry) -> None:
        task = asyncio.create_task(self._write_later(entry))
        _later.add(task)
        task.add_done_callback(_later.discard)

    async def _write_later(self, entry: Entry) -> None:
        await asyncio.sleep(LATE_SECONDS)
        await super().write(entry)


def main() -> None:
    ACCESS_LOG.__class__ = Unwaited
    serving.serve(settings(), workers=1)


if __name__ == "__main__":
    main()
