"""Stands at every door of the app under test: replies, frames, Redis commands and log lines."""

import base64
import contextlib
import logging
import sys
from collections.abc import Iterable, Sequence
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Litestar
from redis.asyncio.connection import AbstractConnection
from structlog.typing import EventDict, Processor, WrappedLogger

from app.identity.roles import Role
from app.logs import configure_logs
from tests.recording.recorder import Place, Recorder

# Routes that answer with plain numbers on purpose, and why.
EXEMPT: dict[str, str] = {
    "POST /api/staff/v1/persons/{person_id}/unmask": "its purpose: who looks says why, and is told of",
}
# Staff read their patients' names, and a phone its own people's; strangers stand around these.
NOBODY = "nobody"
PUBLIC = {
    Role.KIOSK, Role.HALL_DISPLAY, Role.WINDOW_DISPLAY, Role.BEDSIDE, Role.NURSE_STATION, Role.PARTNER, NOBODY
}  # fmt: skip
NOT_READ = ("image/", "font/", "text/css", "text/javascript", "application/javascript")
OWN_STREAM = b'"account:'
PERSONS = "/persons"


def watch(recorder: Recorder) -> None:
    """For the whole process, once."""
    watch_app(recorder)
    watch_redis(recorder)


def watch_app(recorder: Recorder) -> None:
    """Whoever calls the app, and however it is served. Simulators in the same process are the outside."""
    answer = Litestar.__call__

    async def answering(self: Litestar, scope: Any, receive: Any, send: Any) -> None:
        if _is_the_hospital(self):
            await at_the_door(recorder, partial(answer, self), scope, receive, send)
        else:
            await answer(self, scope, receive, send)

    Litestar.__call__ = answering  # the one door that all servers and clients use


def _is_the_hospital(app: Litestar) -> bool:
    house = sys.modules.get("app.main")
    return house is not None and getattr(house, "app", None) is app


async def at_the_door(recorder: Recorder, answer: Any, scope: Any, receive: Any, send: Any) -> None:
    """Let the app answer, and look at all that it sends."""
    match scope["type"]:
        case "http":
            reply = Reply(recorder, scope, receive, send)
            await answer(scope, reply.receive, reply.send)
        case "websocket":
            await answer(scope, receive, _frames(recorder, send))
        case _:
            await answer(scope, receive, send)


class Reply:
    """One request; its reply is looked at when it is complete."""

    def __init__(self, recorder: Recorder, scope: Any, receive: Any, send: Any) -> None:
        self.recorder = recorder
        self.scope = scope
        self._receive = receive
        self._send = send
        self.asked = b""
        self.body: list[bytes] = []
        self.status = 0
        self.read = True

    async def receive(self) -> Any:
        message = await self._receive()
        if self.scope["path"].endswith(PERSONS):
            self.asked += message.get("body", b"")
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kinds = [value for name, value in message["headers"] if name == b"content-type"]
            self.read = not any(kind.decode().startswith(NOT_READ) for kind in kinds)
        elif message["type"] == "http.response.body" and self.read:
            self.body.append(message.get("body", b""))
            if not message.get("more_body"):
                self._look()
        await self._send(message)

    def _look(self) -> None:
        self._learn_name()
        role = role_of(self.scope["headers"])
        route = f"{self.scope['method']} {self.scope.get('path_template') or self.scope['path']}"
        if route not in EXEMPT:
            where = f"{route} as {role}"
            self.recorder.look(Place.RESPONSES, where, b"".join(self.body), names=role in PUBLIC)

    def _learn_name(self) -> None:
        """Who is registered over HTTP is a patient, whose name no display may show."""
        if self.asked and self.status < HTTPStatus.BAD_REQUEST:
            self.recorder.learn(json_of(self.asked)["name"])


def role_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What the token says of itself; whether it is true was the app's matter."""
    token = next((value for name, value in headers if name == b"authorization"), b"").partition(b" ")[2]
    parts = token.split(b".")
    with contextlib.suppress(ValueError, TypeError, KeyError, IndexError):
        claims = json_of(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
        return str(claims.get("role") or claims["kind"])
    return NOBODY


def json_of(raw: bytes) -> Any:
    return msgspec.json.decode(raw)


def _frames(recorder: Recorder, send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "websocket.send":
            raw = (message.get("text") or "").encode() or message.get("bytes") or b""
            recorder.look(Place.FRAMES, f"/rt {raw[:60]!r}", raw, names=OWN_STREAM not in raw)
        await send(message)

    return sending


def watch_redis(recorder: Recorder) -> None:
    """Commands as they are sent: what lives there for a second only is seen, too."""
    send = AbstractConnection.send_packed_command

    async def sending(self: Any, command: Any, *args: Any, **kwargs: Any) -> None:
        look_at_command(recorder, command)
        await send(self, command, *args, **kwargs)

    AbstractConnection.send_packed_command = sending  # every client uses it


def look_at_command(recorder: Recorder, command: bytes | str | Iterable[bytes | str]) -> None:
    parts = [command] if isinstance(command, bytes | str) else command
    raw = b"".join(_bytes(part) for part in parts)
    recorder.look(Place.REDIS, f"command {raw[:40]!r}", raw)


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)


@cache
def as_in_production() -> list[Processor]:
    """The processors of a real process, which here only make the line that it would have written."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs()
    processors = list(structlog.get_config()["processors"])
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level
    return processors


class LogLine:
    """Looks at the line that production writes, then lets the test's own lines be."""

    def __init__(self, recorder: Recorder, processors: Sequence[Processor] | None = None) -> None:
        self.recorder = recorder
        self.processors = as_in_production() if processors is None else processors

    def __call__(self, logger: WrappedLogger, method: str, said: EventDict) -> EventDict:
        line: Any = dict(said)
        for processor in self.processors:
            line = processor(logger, method, line)
        self.recorder.look(Place.LOGS, str(said.get("event")), str(line).encode())
        return said


class LibraryLines(logging.Handler):
    """Warnings of libraries, which are written as they come."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(logging.WARNING)
        self.recorder = recorder

    def emit(self, record: logging.LogRecord) -> None:
        self.recorder.look(Place.LOGS, record.name, record.getMessage().encode())
