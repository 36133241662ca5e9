"""How a process writes its log: one JSON object a line on standard error, and no library's chatter.

Libraries log addresses with what stands in them, a login code or a merchant's secret; so only their
warnings pass. What somebody typed may still reach an error's text: in every line the numbers of
persons are masked. A line of a request names the route as the router knows it, never its address, and
who asked by kind and role, never by name.
"""

import contextlib
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from app.kernel.actor import cause, caused_by
from app.patients.masking import mask_text

# Lines only: structlog's own choice adds the variables of every frame, and with them the patients.
TRACEBACK = ExceptionDictTransformer(show_locals=False)
LOOK_SECONDS = 1.0  # how often a process asks whether its log was given another name

UNMATCHED = "unmatched"  # the route of a request that no route answers

_asked: ContextVar[Mapping[str, Any] | None] = ContextVar("asked", default=None)
_render = structlog.processors.JSONRenderer(ensure_ascii=False)


@contextmanager
def lines_about(scope: Mapping[str, Any], *, request_id: str) -> Iterator[None]:
    """Lines from inside say which request they belong to, and what is known of it by then."""
    token = _asked.set(scope)
    try:
        with caused_by(request_id):
            yield
    finally:
        _asked.reset(token)


def route_of(scope: Mapping[str, Any]) -> str:
    """The route's own words, such as `/api/mini-program/v1/bills/{bill_id}`, without any value."""
    return scope.get("path_template") or UNMATCHED


def told_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """What every line of a request says: the route, and who asks as soon as that is known."""
    told = {"method": scope.get("method", "WS"), "route": route_of(scope)}
    actor = getattr(scope["state"].get("signed_in"), "actor", None)
    if actor is not None:
        told |= {"actor": str(actor.kind)} | ({"role": actor.role} if actor.role else {})
    return told


def _with_request(logger: WrappedLogger, method: str, said: EventDict) -> EventDict:
    if (request_id := cause()) and "request_id" not in said:
        said["request_id"] = request_id
    if (scope := _asked.get()) is not None:
        said = {**told_of(scope), **said}
    return said


def _as_line(logger: WrappedLogger, method: str, said: EventDict) -> str:
    return mask_text(str(_render(logger, method, said)))


BEFORE: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    _with_request,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(TRACEBACK),
]


def configure_logs() -> None:
    """Once per process, before anything is logged."""
    out = LogFile()
    structlog.configure(
        processors=[*BEFORE, _as_line],
        logger_factory=lambda *_: out,
        cache_logger_on_first_use=True,
    )
    libraries = logging.Handler(logging.WARNING)
    libraries.emit = lambda record: out.msg(libraries.format(record))
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=BEFORE,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _as_line],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[libraries], force=True)


class LogFile:
    """Standard error, one write a line. Where it is a file that was given another name, the next line
    goes to a new one under the old name: whoever keeps logs renames them, and no line is lost.
    """

    def __init__(self, descriptor: int = 2) -> None:
        self.descriptor = descriptor
        self.looked_at = time.monotonic()
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self.path = str(Path(f"/proc/self/fd/{descriptor}").readlink()) if is_file else ""

    def msg(self, line: str) -> None:
        """A disk without room must not stop what the line is about."""
        with contextlib.suppress(OSError):
            if not self.path:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
                return
            if time.monotonic() - self.looked_at > LOOK_SECONDS:
                self._follow_name()
            os.write(self.descriptor, (line + "\n").encode(errors="replace"))

    debug = info = warning = error = critical = exception = msg

    def _follow_name(self) -> None:
        """Standard output goes along where it is the same file."""
        self.looked_at = time.monotonic()
        held = os.fstat(self.descriptor)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(held, Path(self.path).stat()):
                return
        same = {one for one in (1, self.descriptor) if os.path.samestat(os.fstat(one), held)}
        new = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, held.st_mode & 0o777)
        for one in same:
            os.dup2(new, one)
        os.close(new)
