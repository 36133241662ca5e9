"""The book balances, is written once per source, and cannot be rewritten."""

import asyncpg
import pytest

from app.kernel.actor import Actor, system
from app.kernel.database import action, fetch
from app.kernel.ids import new_id
from app.kernel.ledger import Leg, balance_fen, open_accounts, post_journal

TEST = system("test")


@pytest.fixture
async def accounts(db: str) -> tuple[str, str]:
    names = (f"clearing:{new_id()}", f"receivable:{new_id()}")
    await open_accounts(TEST, accounts=[(name, "asset", "测试") for name in names])
    return names


async def test_a_balanced_journal_is_posted_once(accounts: tuple[str, str]) -> None:
    clearing, receivable = accounts
    bill = new_id()
    legs = [Leg(clearing, 1234, bill), Leg(receivable, -1234, bill), Leg(receivable, 0, bill)]
    assert await post_journal(TEST, source_key=f"paid:{bill}", memo="收款", legs=legs)
    assert not await post_journal(TEST, source_key=f"paid:{bill}", memo="收款", legs=legs)
    assert await balance_fen(TEST, account=clearing) == 1234
    assert await balance_fen(TEST, account=receivable, subject_id=bill) == -1234
    assert await balance_fen(TEST, account=receivable, subject_id=new_id()) == 0


@pytest.mark.parametrize(
    "amounts", [[1234, -1233], [1234], [], [0]], ids=["a fen short", "one leg", "no leg", "nothing"]
)
async def test_an_unbalanced_journal_is_refused_at_once(
    accounts: tuple[str, str], amounts: list[int]
) -> None:
    legs = [Leg(account, amount) for account, amount in zip(accounts, amounts, strict=False)]
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await post_journal(TEST, source_key=f"bad:{new_id()}", memo="", legs=legs)
    assert getattr(refused.value, "constraint_name", None) == "journal_balanced"


async def test_an_unknown_account_is_refused(accounts: tuple[str, str]) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await post_journal(
            TEST, source_key=f"bad:{new_id()}", memo="", legs=[Leg(accounts[0], 1), Leg("nowhere", -1)]
        )


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO journal (id, source_key, memo, business_at) VALUES (gen_random_uuid(), 'x', '', now())",
        "INSERT INTO journal_leg (id, journal_id, account, amount_fen)"
        " SELECT gen_random_uuid(), id, '', 1 FROM journal",
        "UPDATE journal_leg SET amount_fen = 0",
        "DELETE FROM journal",
    ],
    ids=["insert journal", "insert leg", "update", "delete"],
)
async def test_nobody_writes_the_book_by_hand(accounts: tuple[str, str], sql: str) -> None:
    @action
    async def by_hand(actor: Actor) -> None:
        await fetch(sql)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await by_hand(TEST)


@pytest.mark.commits
async def test_not_even_the_owner_changes_or_unbalances_the_book(db: str) -> None:
    names = [f"a:{new_id()}", f"b:{new_id()}"]
    await open_accounts(TEST, accounts=[(name, "asset", "测试") for name in names])
    await post_journal(TEST, source_key=f"s:{new_id()}", memo="", legs=[Leg(names[0], 5), Leg(names[1], -5)])
    owner = await asyncpg.connect(db)
    await owner.execute("SET search_path = public")
    for sql in (
        "UPDATE journal_leg SET amount_fen = 6",
        "DELETE FROM journal_leg",
        "TRUNCATE journal CASCADE",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(sql)
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(
            "INSERT INTO journal_leg (id, journal_id, account, amount_fen)"
            " SELECT gen_random_uuid(), journal_id, account, 1 FROM journal_leg LIMIT 1"
        )
    await owner.close()
