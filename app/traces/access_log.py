"""Who looked at whom: written before the reply goes out, the entries of many replies by one statement."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge

from app.kernel.actor import Actor
from app.kernel.database import APP_ROLE, DATABASE_AWAY, DB
from app.kernel.errors import Unavailable

log = structlog.get_logger()

LINES = 2  # connections of one process: while one batch is made durable the next is under way
BATCH_ROWS_MAX = 2_000
WAITING_ROWS_MAX = 20_000
CONNECT_SECONDS_MAX = 1
WRITE_SECONDS_MAX = 2.0
WAIT_SECONDS_MAX = 4.0  # a reply that could not be noted by then is not given
DRAIN_SECONDS_MAX = 5.0
TEXT_MAX = 500

ROWS = Counter("jiuyi_access_log_rows", "Rows of the access log that this process has written.")
WAITING = Gauge("jiuyi_access_log_waiting", "Rows that replies of this process wait for.")
WITHHELD = Counter(
    "jiuyi_access_log_withheld", "Replies that were not given because they could not be noted."
)


class TrailUnavailable(Unavailable):
    """Nothing is shown that is not written. A change may have happened: its key makes it safe to repeat."""

    code = "trail_unavailable"
    message = "暂时无法记录本次访问，因此没有显示内容。请稍后用同样的请求重试，已提交的操作不会重复。"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One access: a row for each person that the reply showed, or a single one that names nobody.

    `reason` is why, where it was said; of staff the care relation is added when it is written.
    """

    actor: Actor
    role: str
    permission: str
    status: int
    address: str
    persons: tuple[UUID, ...] = ()
    reason: str = ""


Row = tuple[str, UUID | None, str, str, UUID | None, str, str, str, int, UUID | None, str]
Write = Callable[[Sequence[Row]], Awaitable[None]]

# One array for each column. Of staff the database knows why: by which relation they care for the person.
INSERT = """
WITH shown AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[],
                         $8::text[], $9::smallint[], $10::uuid[], $11::text[])
    AS row(kind, actor, role, channel, session, request, address, permission, status, person, reason)),
unsaid AS MATERIALIZED (
    SELECT actor, person FROM shown WHERE reason = '' AND kind = 'staff' AND person IS NOT NULL)
INSERT INTO access_log (actor_kind, actor_id, role, channel, session_id, request_id, address, permission,
                        status, person_id, reason)
SELECT kind, actor, role, channel, session, request, address, permission, status, person,
       CASE WHEN reason = '' AND kind = 'staff' THEN coalesce(care.why, '') ELSE reason END
FROM shown LEFT JOIN jiuyi.care_reasons(
         ARRAY(SELECT actor FROM unsaid), ARRAY(SELECT person FROM unsaid)) AS care
     ON care.asking = actor AND care.asked = person
"""


def rows_of(entry: Entry) -> list[Row]:
    """As the table has them; a zero byte, which no text of the database can hold, is left out."""
    actor = entry.actor
    reason = (entry.reason or actor.reason)[:TEXT_MAX].replace("\x00", "")
    return [
        (
            str(actor.kind),
            actor.id,
            entry.role,
            actor.channel,
            actor.session_id,
            actor.request_id,
            entry.address,
            entry.permission,
            entry.status,
            person_id,
            reason,
        )
        for person_id in entry.persons or (None,)
    ]


class Line:
    """A connection of its own: a reply never waits for the requests that hold the pool."""

    def __init__(self) -> None:
        self.connection: asyncpg.Connection | None = None

    async def write(self, rows: Sequence[Row]) -> None:
        """One statement, durable when this returns."""
        try:
            if self.connection is None or self.connection.is_closed():
                self.connection = await self._connect()
            await self.connection.execute(INSERT, *zip(*rows, strict=True))
        except (*DATABASE_AWAY, TimeoutError, asyncio.CancelledError):
            self.cut()
            raise

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            DB.config["dsn"],
            timeout=CONNECT_SECONDS_MAX,
            command_timeout=WRITE_SECONDS_MAX,
            server_settings={"synchronous_commit": "on", "search_path": "public"},
        )
        await connection.execute(f"SET ROLE {APP_ROLE}")
        return connection

    def cut(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close(timeout=WRITE_SECONDS_MAX)


class Waiting(msgspec.Struct, frozen=True):
    rows: list[Row]
    written: "asyncio.Future[None]"


class AccessLog:
    """Group commit. Replies queue here; as soon as a line is free it takes all that wait, up to a batch.

    There is no timer: an idle house adds no wait, a busy one makes larger batches.
    """

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()
        self.rows_waiting = 0
        self.lines: Sequence[Line] = [Line() for _ in range(LINES)]
        self.at_work: dict[int, asyncio.Task[None]] = {}
        self.closing = False

    async def write(self, entry: Entry) -> None:
        """Return when the entry is durable; TrailUnavailable when it is not within WAIT_SECONDS_MAX."""
        rows = rows_of(entry)
        if self.closing or self.rows_waiting + len(rows) > WAITING_ROWS_MAX:
            raise self._withheld()
        one = Waiting(rows, asyncio.get_running_loop().create_future())
        self.waiting.append(one)
        self._count(len(rows))
        self._put_lines_to_work()
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await one.written
        except TimeoutError as error:
            raise self._withheld() from error

    def _withheld(self) -> TrailUnavailable:
        WITHHELD.inc()
        return TrailUnavailable()

    def _count(self, rows: int) -> None:
        self.rows_waiting += rows
        WAITING.set(self.rows_waiting)

    def _put_lines_to_work(self) -> None:
        for number in range(len(self.lines)):
            if number not in self.at_work:
                self.at_work[number] = asyncio.get_running_loop().create_task(self._work(number))
                return

    async def _work(self, number: int) -> None:
        try:
            while batch := self._take():
                await self._write_batch(self.lines[number].write, batch)
        finally:
            # In the same step as the last look: an entry that comes now finds a line that is free.
            self.at_work.pop(number, None)

    def _take(self) -> list[Waiting]:
        """What waits, in order, up to BATCH_ROWS_MAX rows; without those whose reply was given up."""
        batch: list[Waiting] = []
        rows = 0
        while self.waiting and (not batch or rows + len(self.waiting[0].rows) <= BATCH_ROWS_MAX):
            one = self.waiting.popleft()
            self._count(-len(one.rows))
            if not one.written.done():
                batch.append(one)
                rows += len(one.rows)
        return batch

    async def _write_batch(self, write: Write, batch: list[Waiting]) -> None:
        try:
            await write([row for one in batch for row in one.rows])
        except (*DATABASE_AWAY, TimeoutError) as error:
            log.error("access_log_away", error=type(error).__name__, replies=len(batch))
            self._refuse(batch)
        except asyncpg.PostgresError as error:
            log.error("access_log_refused", error=type(error).__name__, replies=len(batch))
            await self._write_each(write, batch)
        except BaseException:  # cancelled, or a bug: nobody waits for what will never be written
            self._refuse(batch)
            raise
        else:
            self._release(batch)

    async def _write_each(self, write: Write, batch: list[Waiting]) -> None:
        """A row that the database does not take must not cost the others theirs."""
        if len(batch) == 1:
            self._refuse(batch)
        else:
            for one in batch:
                await self._write_batch(write, [one])

    def _release(self, batch: list[Waiting]) -> None:
        for one in batch:
            ROWS.inc(len(one.rows))
            if not one.written.done():
                one.written.set_result(None)

    def _refuse(self, batch: list[Waiting]) -> None:
        for one in batch:
            if not one.written.done():
                one.written.set_exception(self._withheld())

    async def close(self) -> None:
        """Write what waits, then let go; what comes later is refused until `open`."""
        self.closing = True
        if at_work := list(self.at_work.values()):
            _, late = await asyncio.wait(at_work, timeout=DRAIN_SECONDS_MAX)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for line in self.lines:
            await self._close_line(line)

    async def _close_line(self, line: Line) -> None:
        try:
            await line.close()
        except (*DATABASE_AWAY, TimeoutError):
            line.cut()

    def open(self) -> None:
        """Take entries again, in this event loop."""
        self.closing = False
        self.waiting.clear()
        self.at_work.clear()
        self._count(-self.rows_waiting)


ACCESS_LOG = AccessLog()
