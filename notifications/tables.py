"""What the screens hear: streams with a gap-free sequence, used tickets, and the phone's inbox."""

from piccolo.columns import UUID, BigInt, Text, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Unique
from piccolo.table import Table


class RtStream(Table, tablename="rt_stream"):
    """The head of one stream. `epoch` changes when history was rewritten (a restore): clients start over."""

    stream = Varchar(length=120, primary_key=True)
    epoch = UUID()
    seq = BigInt()


class RtTicket(Table, tablename="rt_ticket"):
    """A ticket that was used: its nonce cannot be used again."""

    nonce = UUID(primary_key=True)
    used_at = Timestamptz(default=TimestamptzNow(), index=True)


class RtCursor(Table, tablename="rt_cursor"):
    """How far a client has acknowledged a stream: "sent" is not "arrived"."""

    id = UUID(primary_key=True)
    client_id = Varchar(length=64)
    stream = Varchar(length=120)
    acked_seq = BigInt()
    at = Timestamptz(default=TimestamptzNow())

    rt_cursor_once = Unique(["client_id", "stream"])


class Message(Table, tablename="message"):
    """One line in an account's inbox: what changed and where to look, never the content itself."""

    id = UUID(primary_key=True)
    account_id = UUID(index=True)
    person_id = UUID()
    kind = Varchar(length=60)
    title = Varchar(length=60)
    ref_id = UUID()
    once_key = Varchar(length=200, unique=True)
    at = Timestamptz()
    read_at = Timestamptz(null=True, default=None)
    body = Text(default="")


TABLES: list[type[Table]] = [RtStream, RtTicket, RtCursor, Message]
