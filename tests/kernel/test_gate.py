"""The gate: one transaction, one actor, always given back; and each trap of the library beneath it."""

import asyncio
import contextvars

import asyncpg
import pytest
from piccolo.querystring import QueryString

from app.kernel import database
from app.kernel.actor import Actor, ActorKind, system
from app.kernel.database import (
    AbortedButCaught,
    DatabaseAway,
    OutsideTheGate,
    PoolBusy,
    SecondActor,
    action,
    after_commit,
    before_commit,
    current_transaction,
    fetch,
    fetch_value,
    in_transaction,
    open_pool,
    query,
    snapshot,
)
from app.kernel.errors import OutcomeUnknown
from app.kernel.ids import new_id
from app.kernel.tables import LedgerAccount

pytestmark = pytest.mark.commits

TEST = system("test")


@action
async def add_account(actor: Actor, *, code: str) -> None:
    await LedgerAccount.insert(LedgerAccount(code=code, kind="asset", name=code))


@query
async def has_account(actor: Actor, *, code: str) -> bool:
    return await LedgerAccount.exists().where(LedgerAccount.code == code)


@pytest.fixture
async def deferred(db: str) -> None:
    """A table whose foreign key is only checked at COMMIT."""
    connection = await asyncpg.connect(db)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS public.late (parent varchar(120)"
        " REFERENCES public.ledger_account DEFERRABLE INITIALLY DEFERRED);"
        " GRANT ALL ON public.late TO jiuyi_app, jiuyi_worker"
    )
    await connection.close()


def code() -> str:
    return f"t:{new_id()}"


async def test_a_query_without_a_transaction_raises(db: str) -> None:
    with pytest.raises(OutsideTheGate):
        await LedgerAccount.count()
    with pytest.raises(OutsideTheGate):
        await database.DB.run_ddl("SELECT 1")


async def test_what_an_action_writes_is_committed_and_the_connection_returns(db: str) -> None:
    name = code()
    await add_account(TEST, code=name)
    assert await has_account(TEST, code=name)
    assert not in_transaction()
    assert database.DB.pool is not None
    assert database.DB.pool.get_idle_size() == database.DB.pool.get_size()


async def test_a_refusal_rolls_everything_back(db: str) -> None:
    name = code()

    @action
    async def add_and_refuse(actor: Actor) -> None:
        await add_account(actor, code=name)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await add_and_refuse(TEST)
    assert not await has_account(TEST, code=name)


async def test_the_actor_is_known_to_the_database_and_forgotten_with_the_transaction(db: str) -> None:
    actor = Actor(kind=ActorKind.STAFF, id=new_id(), channel="it's a desk", request_id="r-1")

    @query
    async def who(actor: Actor) -> tuple[str, str, str]:
        return (
            await fetch_value("SELECT current_setting('app.actor_kind')"),
            await fetch_value("SELECT current_setting('app.actor_id')"),
            await fetch_value("SELECT current_setting('app.channel')"),
        )

    assert await who(actor) == ("staff", str(actor.id), "it's a desk")
    assert database.DB.pool is not None
    async with database.DB.pool.acquire() as connection:
        assert not await connection.fetchval("SELECT current_setting('app.actor_id', true)")
        assert await connection.fetchval("SELECT current_user") != database.APP_ROLE


async def test_an_inner_action_with_another_actor_raises(db: str) -> None:
    @action
    async def outer(actor: Actor) -> None:
        await add_account(system("somebody else"), code=code())

    with pytest.raises(SecondActor):
        await outer(TEST)


async def test_a_read_refuses_writes(db: str) -> None:
    @query
    async def sly(actor: Actor) -> None:
        await fetch("DELETE FROM job")

    @query
    async def nested(actor: Actor) -> None:
        await add_account(actor, code=code())

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await sly(TEST)
    with pytest.raises(OutsideTheGate):
        await nested(TEST)


async def test_a_snapshot_sees_one_moment(db: str) -> None:
    name = code()

    @snapshot
    async def twice(actor: Actor) -> tuple[bool, bool]:
        first = await has_account(actor, code=name)
        await asyncio.create_task(add_account(TEST, code=name), context=contextvars.Context())
        return first, await has_account(actor, code=name)

    assert await twice(TEST) == (False, False)
    assert await has_account(TEST, code=name)


async def test_a_constraint_that_speaks_at_commit_leaves_no_connection_behind(
    db: str, deferred: None
) -> None:
    """Piccolo alone would leak the connection and hang when the pool closes."""

    @action
    async def orphan(actor: Actor) -> None:
        await fetch("INSERT INTO late (parent) VALUES ($1)", code())

    for _ in range(20):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await orphan(TEST)
    assert not in_transaction()
    await add_account(TEST, code=code())


async def test_a_caught_failure_inside_an_action_cannot_pass_for_success(db: str) -> None:
    name = code()

    @action
    async def swallows(actor: Actor) -> None:
        await add_account(actor, code=name)
        try:
            await fetch("SELECT 1/0")
        except asyncpg.DivisionByZeroError:
            return

    with pytest.raises((AbortedButCaught, asyncpg.InFailedSQLTransactionError)):
        await swallows(TEST)
    assert not await has_account(TEST, code=name)


async def test_an_inner_failure_that_is_caught_keeps_the_inner_writes(db: str) -> None:
    """Nested transactions join: the reason why nobody catches a refusal inside an action."""
    name = code()

    @action
    async def inner(actor: Actor) -> None:
        await add_account(actor, code=name)
        raise ValueError("refused")

    @action
    async def outer(actor: Actor) -> None:
        try:
            await inner(actor)
        except ValueError:
            return

    await outer(TEST)
    assert await has_account(TEST, code=name)


async def test_a_task_does_not_inherit_the_transaction(db: str) -> None:
    @action
    async def spawns(actor: Actor) -> None:
        await asyncio.create_task(add_account(actor, code=code()))

    @action
    async def gathers(actor: Actor) -> None:
        await asyncio.gather(has_account(actor, code="a"), has_account(actor, code="b"))

    with pytest.raises(OutsideTheGate):
        await spawns(TEST)
    with pytest.raises(OutsideTheGate):
        await gathers(TEST)


async def test_braces_in_an_argument_stay_what_they_are(db: str) -> None:
    @query
    async def echo(actor: Actor) -> str:
        return await fetch_value("SELECT $1::jsonb ->> 'a'", '{"a": "{}"}')

    assert await echo(TEST) == "{}"


async def test_ddl_and_raw_queries_of_the_library_join_the_transaction(db: str) -> None:
    @action
    async def through_piccolo(actor: Actor) -> int:
        rows = await database.DB.run_querystring(QueryString("SELECT {}::int AS n", 7))
        await database.DB.run_ddl("SELECT 1")
        return rows[0]["n"]

    assert await through_piccolo(TEST) == 7


async def test_a_full_pool_answers_busy_within_the_limit(db: str) -> None:
    await database.close_pool()
    await open_pool(dsn=db, size=1)
    held = asyncio.Event()

    @action
    async def holds(actor: Actor) -> None:
        held.set()
        await asyncio.sleep(2)

    holder = asyncio.create_task(holds(TEST))
    await held.wait()
    started = asyncio.get_running_loop().time()
    with pytest.raises(PoolBusy):
        await has_account(TEST, code="x")
    assert asyncio.get_running_loop().time() - started < 1.2
    await holder
    assert not await has_account(TEST, code="x")


async def test_a_cancelled_action_rolls_back_and_returns_its_connection(db: str) -> None:
    await database.close_pool()
    await open_pool(dsn=db, size=2)
    name = code()

    @action
    async def slow(actor: Actor) -> None:
        await add_account(actor, code=name)
        await fetch("SELECT pg_sleep(2)")

    for _ in range(5):
        task = asyncio.create_task(slow(TEST))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not await has_account(TEST, code=name)


async def test_a_deadlock_is_replayed_unseen(db: str) -> None:
    first, second = code(), code()
    await add_account(TEST, code=first)
    await add_account(TEST, code=second)
    both = asyncio.Barrier(2)
    runs = 0

    @action
    async def touch(actor: Actor, *, order: list[str]) -> None:
        nonlocal runs
        runs += 1
        await fetch("UPDATE ledger_account SET name = 'x' WHERE code = $1", order[0])
        if runs <= 2:
            await both.wait()
        await fetch("UPDATE ledger_account SET name = 'x' WHERE code = $1", order[1])

    await asyncio.gather(touch(TEST, order=[first, second]), touch(TEST, order=[second, first]))
    assert runs >= 3


async def test_endless_conflicts_surface_after_the_last_replay(db: str) -> None:
    runs = 0

    @action
    async def unlucky(actor: Actor) -> None:
        nonlocal runs
        runs += 1
        raise asyncpg.SerializationError("could not serialize")

    with pytest.raises(asyncpg.SerializationError):
        await unlucky(TEST)
    assert runs == database.REPLAYS_MAX + 1


async def test_hints_go_out_only_after_the_commit(db: str) -> None:
    seen: list[str] = []

    @action
    async def told(actor: Actor, *, fails: bool) -> None:
        after_commit(lambda: seen.append("after"))

        async def last() -> None:
            assert in_transaction()
            seen.append("before")

        before_commit(last)
        if fails:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - any
        await told(TEST, fails=True)
    assert seen == []
    await told(TEST, fails=False)
    assert seen == ["before", "after"]


async def test_a_line_that_breaks_at_commit_is_unknown_not_failed(db: str) -> None:
    name = code()

    @action
    async def cut(actor: Actor) -> None:
        await add_account(actor, code=name)
        connection = current_transaction().connection

        async def last() -> None:
            connection._con.terminate() if hasattr(connection, "_con") else connection.terminate()

        before_commit(last)

    with pytest.raises(OutcomeUnknown):
        await cut(TEST)
    assert not await has_account(TEST, code=name)


async def test_a_database_that_is_away_is_a_clear_refusal(db: str) -> None:
    await database.close_pool()
    await open_pool(dsn="postgresql://nobody:x@127.0.0.1:9/none")
    with pytest.raises(DatabaseAway):
        await has_account(TEST, code="x")
    await database.close_pool()
    with pytest.raises(DatabaseAway):
        await has_account(TEST, code="x")
