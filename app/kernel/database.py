"""The gate: every statement runs inside one transaction that knows who acts, and is always given back."""

import asyncio
import contextlib
import contextvars
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg
from piccolo.engine.postgres import PostgresEngine
from piccolo.querystring import QueryString
from prometheus_client import Counter, Histogram

from app.kernel.actor import Actor, ActorKind, cause
from app.kernel.errors import OutcomeUnknown, Unavailable
from app.kernel.settings import settings

P = ParamSpec("P")
R = TypeVar("R")

ACQUIRE_SECONDS_MAX = 1.0
REPLAYS_MAX = 3
STATEMENT_SECONDS_MAX = 3
LOCK_SECONDS_MAX = 2
IDLE_SECONDS_MAX = 10
ROLLBACK_SECONDS_MAX = 2.0
APP_ROLE = "jiuyi_app"  # whoever asks; the walls show it what its actor may reach
WORKER_ROLE = "jiuyi_worker"  # our own background work

REPLAYED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
LINE_BROKE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
    OSError,
)
DATABASE_AWAY = (*LINE_BROKE, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)


POOL_WAIT = Histogram(
    "jiuyi_pool_wait_seconds",
    "How long a transaction waited for its connection",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.25, 0.5, ACQUIRE_SECONDS_MAX),
)
POOL_REFUSED = Counter("jiuyi_pool_refusals", "Transactions that got no connection", ["reason"])


class PoolBusy(Unavailable):
    code = "pool_busy"


class DatabaseAway(Unavailable):
    code = "database_unavailable"


class OutsideTheGate(RuntimeError):
    """A bug: a query without a transaction, or from a task that inherited somebody else's."""


class SecondActor(RuntimeError):
    """A bug: one transaction, one actor. What the system does by itself belongs into an event."""


class AbortedButCaught(RuntimeError):
    """A bug: a failed statement was caught inside the transaction, which could then only roll back."""


class Mode(StrEnum):
    """How the outermost function opens the transaction."""

    WRITE = "BEGIN"
    READ = "BEGIN READ ONLY"
    SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Transaction:
    """One open transaction: its connection, its actor, the task that owns it, and what waits for its end."""

    def __init__(self, connection: Any, actor: Actor, mode: "Mode") -> None:
        self.connection = connection
        self.actor = actor
        self.mode = mode
        self.task = asyncio.current_task()
        self.business_now: datetime | None = None
        self.found_true: set[object] = set()  # answers that hold until the end, so that none is asked twice
        self.before_commit: list[Callable[[], Awaitable[None]]] = []
        self.after_commit: list[Callable[[], None]] = []


class GatedEngine(PostgresEngine):
    """Piccolo's engine, through which a query passes only inside the gate. Never connects at import."""

    async def check_version(self) -> None:
        """Nothing: Piccolo's constructor would open a connection at import."""

    async def prep_database(self) -> None:
        """Nothing: extensions are a matter of migrations."""

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> Any:  # noqa: FBT001, FBT002 - Piccolo's signature
        query, arguments = querystring.compile_string(engine_type=self.engine_type)
        return await current_transaction().connection.fetch(query, *arguments)

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> Any:  # noqa: FBT001, FBT002 - Piccolo's signature
        return await current_transaction().connection.fetch(ddl)


DB = GatedEngine(config={"dsn": settings().database_url})
_current: contextvars.ContextVar[Any] = DB.current_transaction


async def open_pool(*, dsn: str | None = None, size: int | None = None) -> None:
    """Open the process's pool. It connects at the first use, so that a process starts before its server."""
    DB.config = {"dsn": dsn or settings().database_url}
    size = size or settings().pool_size
    await DB.start_connection_pool(
        min_size=0, max_size=size, command_timeout=STATEMENT_SECONDS_MAX + 2, timeout=5
    )


async def close_pool() -> None:
    if DB.pool is not None:
        await DB.close_connection_pool()


def in_transaction() -> bool:
    transaction = _current.get()
    return transaction is not None and transaction.task is asyncio.current_task()


def current_transaction() -> Transaction:
    transaction = _current.get()
    if transaction is None:
        raise OutsideTheGate("a query needs @action or @query around it")
    if transaction.task is not asyncio.current_task():
        raise OutsideTheGate("this task inherited a transaction that belongs to another task")
    return transaction


async def fetch(sql: str, *arguments: Any) -> list[asyncpg.Record]:
    """All rows of one statement with $1 placeholders, inside the current transaction."""
    return await current_transaction().connection.fetch(sql, *arguments)


async def fetch_one(sql: str, *arguments: Any) -> asyncpg.Record | None:
    return await current_transaction().connection.fetchrow(sql, *arguments)


async def fetch_value(sql: str, *arguments: Any) -> Any:
    return await current_transaction().connection.fetchval(sql, *arguments)


async def execute_many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    await current_transaction().connection.executemany(sql, rows)


async def because(reason: str) -> None:
    """Keep why it was done beside every row that this transaction changes from here on."""
    await fetch_value("SELECT set_config('app.reason', $1, true)", reason)


def before_commit(last_step: Callable[[], Awaitable[None]]) -> None:
    """Run `last_step` as the transaction's last statements: for short locks that everybody wants."""
    current_transaction().before_commit.append(last_step)


def after_commit(hint: Callable[[], None]) -> None:
    """Call `hint` once the change is durable. It must not fail, wait, or carry anything that matters."""
    current_transaction().after_commit.append(hint)


def action(
    function: Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]]:
    """Run the function in one transaction: the outermost opens it, inner ones with the same actor join."""
    return _gated(function, Mode.WRITE)


def query(
    function: Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]]:
    """Like `action`, for reads: the transaction refuses writes."""
    return _gated(function, Mode.READ)


def snapshot(
    function: Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]]:
    """Like `query`, where all statements must see one and the same moment."""
    return _gated(function, Mode.SNAPSHOT)


def _gated(
    function: Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]], mode: Mode
) -> Callable[Concatenate[Actor, P], Coroutine[Any, Any, R]]:
    @wraps(function)
    async def gated(actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
        if _current.get() is None:
            return await _outermost(lambda: function(actor, *args, **kwargs), actor, mode)
        transaction = current_transaction()
        if transaction.actor != actor:
            raise SecondActor(f"{transaction.actor} opened it, {actor} wants to act")
        if mode is Mode.WRITE and transaction.mode is not Mode.WRITE:
            raise OutsideTheGate(f"{function.__name__} writes inside a read")
        return await function(actor, *args, **kwargs)

    return gated


async def _outermost(body: Callable[[], Awaitable[R]], actor: Actor, mode: Mode) -> R:
    for replay in range(REPLAYS_MAX + 1):
        try:
            async with _transaction(actor, mode) as transaction:
                result = await body()
                for last_step in transaction.before_commit:
                    await last_step()
        except REPLAYED:
            if replay == REPLAYS_MAX:
                raise
            await asyncio.sleep(random.uniform(0, 0.02 * 2**replay))  # noqa: S311 - jitter, not a secret
        else:
            for hint in transaction.after_commit:
                hint()
            return result
    raise AssertionError("the loop returns or raises")


@asynccontextmanager
async def _transaction(actor: Actor, mode: Mode) -> AsyncIterator[Transaction]:
    connection = await _acquire()
    transaction = Transaction(connection, actor, mode)
    token = _current.set(transaction)
    try:
        await _begin(connection, actor, mode)
        yield transaction
        await _commit(connection)
    except BaseException:
        # A task of its own: a second cancellation must not leave the connection in mid-air.
        await asyncio.shield(asyncio.create_task(_roll_back(connection)))
        raise
    finally:
        _current.reset(token)
        await _release(connection)


async def _begin(connection: Any, actor: Actor, mode: Mode) -> None:
    try:
        await connection.execute(opening(actor, mode))
    except LINE_BROKE as error:
        raise DatabaseAway from error


def opening(actor: Actor, mode: Mode) -> str:
    """The statements that open a transaction, in one round trip."""
    settings_of = {
        "app.actor_kind": str(actor.kind),
        "app.actor_id": str(actor.id or ""),
        "app.reach": str(actor.sees()),
        # What the walls' questions have found: whom the actor is related to, and whom it may see.
        "app.related": "",
        "app.seen": "",
        "app.channel": actor.channel,
        "app.request_id": actor.request_id or cause(),
        "app.reason": actor.reason,
    }
    calls = ", ".join(f"set_config('{k}', {_quoted(v)}, true)" for k, v in settings_of.items())
    return (
        f"{mode}; SET LOCAL ROLE {role_of(actor)}; SET LOCAL search_path = public; SELECT {calls};"
        f" SET LOCAL statement_timeout = '{STATEMENT_SECONDS_MAX}s';"
        f" SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s';"
        f" SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS_MAX}s'"
    )


def role_of(actor: Actor) -> str:
    """The database role that a transaction of this actor runs as."""
    return WORKER_ROLE if actor.kind is ActorKind.SYSTEM else APP_ROLE


def _quoted(value: str) -> str:
    return "'" + value.replace("\x00", "").replace("'", "''") + "'"


async def _acquire() -> Any:
    if DB.pool is None:
        raise DatabaseAway
    try:
        with POOL_WAIT.time():
            return await DB.pool.acquire(timeout=ACQUIRE_SECONDS_MAX)
    except TimeoutError as error:
        POOL_REFUSED.labels("busy").inc()
        raise PoolBusy from error
    except DATABASE_AWAY as error:
        POOL_REFUSED.labels("away").inc()
        raise DatabaseAway from error


async def _commit(connection: Any) -> None:
    # Deferred constraints speak before COMMIT, while their failure is still an ordinary one.
    try:
        answer = await connection.execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT")
    except (*LINE_BROKE, TimeoutError) as error:
        # The server may have committed before the line broke: neither success nor failure is known.
        raise OutcomeUnknown from error
    if answer != "COMMIT":
        raise AbortedButCaught(answer)


async def _roll_back(connection: Any) -> None:
    try:
        if not connection.is_in_transaction():
            return
        await asyncio.wait_for(connection.execute("ROLLBACK"), ROLLBACK_SECONDS_MAX)
    except (*LINE_BROKE, TimeoutError, asyncpg.PostgresError):
        _give_up(connection)


async def _release(connection: Any) -> None:
    if DB.pool is None:
        return
    try:
        await DB.pool.release(connection, timeout=ROLLBACK_SECONDS_MAX)
    except (*LINE_BROKE, TimeoutError):
        _give_up(connection)


def _give_up(connection: Any) -> None:
    """Cut the line. A connection that is gone already belongs to the pool again and says so."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()
