"""The frames of hosp.rt.v1: JSON texts whose `t` tells their kind. The whole vocabulary on one page."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

PROTOCOL = "hosp.rt.v1"

CLOSE_AUTH = 4001
CLOSE_FORBIDDEN = 4003
CLOSE_SLOW = 4008
CLOSE_REPLACED = 4009
CLOSE_DRAIN = 4012
CLOSE_TOO_MANY = 4029
CLOSE_MALFORMED = 4400
CLOSE_UNNOTED = 4503


# It is written into the ledger and compared: nothing unprintable, nothing endless.
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}$")]


class Wanted(msgspec.Struct, frozen=True):
    """A stream to hear; with `epoch` and `after` of the last visit, only what was missed is sent."""

    s: str
    epoch: UUID | None = None
    after: int | None = None


class Hello(msgspec.Struct, frozen=True, tag_field="t", tag="hello"):
    v: str
    ticket: str
    client_id: ClientId
    boot_id: str
    streams: list[Wanted]
    window: int = 32


class Ack(msgspec.Struct, frozen=True, tag_field="t", tag="ack"):
    """Everything of stream `s` up to and including `q` has arrived."""

    s: str
    q: int


class Resync(msgspec.Struct, frozen=True, tag_field="t", tag="resync"):
    """The client saw a hole: send again what comes after `after`."""

    s: str
    after: int


class Pong(msgspec.Struct, frozen=True, tag_field="t", tag="pong"):
    n: int


class Reauth(msgspec.Struct, frozen=True, tag_field="t", tag="reauth"):
    ticket: str


ClientFrame = Hello | Ack | Resync | Pong | Reauth


class StreamHead(msgspec.Struct, frozen=True):
    s: str
    epoch: UUID
    head: int
    mode: str  # resume | snapshot


class Welcome(msgspec.Struct, frozen=True, tag_field="t", tag="welcome"):
    conn: UUID
    server_time: datetime
    hb: int
    streams: list[StreamHead]
    token_exp: datetime


class Ev(msgspec.Struct, frozen=True, tag_field="t", tag="ev"):
    s: str
    q: int
    id: UUID
    type: str
    prio: int
    at: datetime
    ttl: int | None
    d: dict[str, Any]


class Gap(msgspec.Struct, frozen=True, tag_field="t", tag="gap"):
    """What lies between cannot be sent any more; the snapshot that follows replaces it."""

    s: str
    from_: int = msgspec.field(name="from")
    to: int
    epoch: UUID


class Snap(msgspec.Struct, frozen=True, tag_field="t", tag="snap"):
    s: str
    epoch: UUID
    q: int
    state: dict[str, Any]


class Ping(msgspec.Struct, frozen=True, tag_field="t", tag="ping"):
    n: int


class Bye(msgspec.Struct, frozen=True, tag_field="t", tag="bye"):
    retry_after_ms: int


_client_frame = msgspec.json.Decoder(ClientFrame)
_encoder = msgspec.json.Encoder()


def read_frame(text: str) -> ClientFrame:
    """A client's frame, or msgspec.ValidationError / DecodeError."""
    return _client_frame.decode(text)


def write_frame(frame: msgspec.Struct) -> str:
    return _encoder.encode(frame).decode()
