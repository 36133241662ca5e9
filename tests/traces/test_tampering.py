"""Nothing sealed is changed unseen: each planted tampering is found and named; an honest house is whole."""

from collections import Counter
from random import Random
from typing import Any

import asyncpg
import pytest

from app.traces import verifying
from app.traces.findings import Finding, Kind, Report
from tests.evidence import evidence
from tests.traces import tampering
from tests.traces.sealed_house import check, forger, sealed_history
from tests.traces.tampering import WAYS, Planted, Tampering

pytestmark = pytest.mark.commits
OF_EACH_KIND_SHORT, OF_EACH_KIND_LONG = 5, 50


@pytest.fixture
async def house(db: str) -> Any:
    connection = await forger(db)
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM seal)"):
        await sealed_history(db)
    yield connection
    await connection.close()


async def tampered(
    connection: asyncpg.Connection, tamper: Tampering, random: Random, **options: Any
) -> tuple[Planted, Report]:
    """What was planted and what was found, in a transaction that leaves nothing behind."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SET LOCAL session_replication_role = 'replica'")
        planted = await tamper(connection, random)
        return planted, await check(connection, **options)
    finally:
        await transaction.rollback()


def names(finding: Finding, planted: Planted) -> bool:
    places = (planted.seal is not None and finding.seal == planted.seal) or (
        planted.entry is not None and finding.entry == planted.entry
    )
    return finding.kind in planted.kinds and places


async def find_all(connection: asyncpg.Connection, *, of_each: int, seed: int) -> Counter[str]:
    random, found = Random(seed), Counter[str]()
    for kind, ways in WAYS.items():
        for number in range(of_each):
            tamper = ways[number % len(ways)]
            planted, report = await tampered(connection, tamper, random)
            assert not report.whole, (kind, tamper.__name__)
            assert any(names(finding, planted) for finding in report.findings), (
                tamper.__name__,
                planted,
                report.findings,
            )
            found[kind] += 1
    return found


async def test_thirty_planted_tamperings_are_found(house: asyncpg.Connection) -> None:
    found = await find_all(house, of_each=OF_EACH_KIND_SHORT, seed=1)
    assert found.total() == 6 * OF_EACH_KIND_SHORT
    report = await check(house, rows=True)
    assert report.whole, report.findings


@pytest.mark.long
async def test_three_hundred_planted_tamperings_are_found(house: asyncpg.Connection) -> None:
    with evidence("tampering", "300 planted tamperings of 6 kinds, each found and named") as numbers:
        numbers["found"] = dict(await find_all(house, of_each=OF_EACH_KIND_LONG, seed=2))
        numbers["honest_house_findings"] = (await check(house, rows=True)).found
        numbers["control_blind_found"] = await blind_finds(house)
        assert sum(numbers["found"].values()) == 300
        assert numbers["honest_house_findings"] == 0
        assert numbers["control_blind_found"] == 0


def trust_leaves(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen = verifying.LEAVES.split("CASE WHEN")
    patch.setattr(verifying, "LEAVES", seen[0] + "l.digest AS now" + seen[1].split("AS now")[1])
    return {}


def forget_unsealed(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    async def nothing(*_: object) -> None: ...

    patch.setattr(verifying, "_find_unsealed", nothing)
    return {}


def trust_roots(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setattr(verifying, "_name_the_leaf", lambda *_: None)
    return {}


def without_anchors(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"anchors": ()}


# What each protection is for: with it switched off, the same check sees nothing.
BLIND = [
    (tampering.edit_entry, trust_leaves),
    (tampering.delete_entry, trust_leaves),
    (tampering.insert_entry, forget_unsealed),
    (tampering.reorder_leaves, trust_roots),
    (tampering.cut_everything, without_anchors),
    (tampering.rewrite_with_our_key, without_anchors),
]


async def blind_finds(connection: asyncpg.Connection) -> int:
    found = 0
    for tamper, blinding in BLIND:
        with pytest.MonkeyPatch.context() as patch:
            _, report = await tampered(connection, tamper, Random(3), **blinding(patch))
            found += report.found
    return found


async def test_without_its_protection_each_kind_goes_unseen(house: asyncpg.Connection) -> None:
    assert await blind_finds(house) == 0


async def test_a_record_changed_past_the_triggers_is_found(house: asyncpg.Connection) -> None:
    async def change(connection: asyncpg.Connection, random: Random) -> Planted:
        await connection.execute(
            "UPDATE person SET name = '别人' WHERE id = (SELECT max(id::text)::uuid FROM person)"
        )
        return Planted(frozenset({Kind.ROW}))

    _, report = await tampered(house, change, Random(1), rows=True)
    assert report.kinds == {Kind.ROW: 1}
    _, blind = await tampered(house, change, Random(1), rows=False)
    assert blind.whole
