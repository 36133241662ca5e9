"""`jiuyi keys rotate`, `show` and `retire`: new keys under a hospital that goes on working.

docs/algorithms/encryption.md has the steps, and why nobody is lost or registered twice between them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from app.kernel import clock
from app.kernel.actor import system
from app.kernel.crypto import LOOK_SECONDS, KeyRing, Suite, fresh_key_ring, read_key_ring
from app.kernel.database import IDLE_SECONDS_MAX, STATEMENT_SECONDS_MAX
from app.kernel.errors import DomainError
from app.keys import ring as rings
from app.keys.resealing import FIRST, LAST, alive_under, reseal_window, uses_of
from app.keys.sealed import PASSING, SEALED, Sealed

# After this long no transaction is left that began with the ring as it was before: a process looks at the
# file every second, and the server ends a transaction that waits, or a statement that runs, for too long.
SETTLE_SECONDS = LOOK_SECONDS + IDLE_SECONDS_MAX + STATEMENT_SECONDS_MAX + 1
CLEAN_PASSES = 2  # the second one after everybody has stopped writing with the old keys
PASSES_MAX = 1_000
HELD_SECONDS = 0.2  # before rows that somebody else held are looked at again
OLD_INDEX_HOURS_MIN = 1  # tickets and challenges that were signed with an old index key have long expired
ACTOR = msgspec.structs.replace(system("keys"), reason="更换加密密钥")  # kept with each row's version

Say = Callable[[str], None]


class RowsStillUse(DomainError):
    code = "index_key_in_use"
    message = (
        "还有数据在使用旧的索引密钥：请先运行 jiuyi keys rotate；"
        "刚更换过的，短期数据一天内自动过期，请明天再清理。"
    )


class TooEarly(DomainError):
    code = "index_key_retired_too_early"
    message = "当前的索引密钥启用不足一小时，旧密钥签发的凭据可能仍然有效，请稍后再清理。"


class NeverStill(DomainError):
    code = "rotation_never_still"
    message = "数据一直在变化，密钥更换还没有完成，请稍后再次运行 jiuyi keys rotate。"


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """`unreadable` names rows (table.column.id) that no key of the ring opens; they stay as they were."""

    field: str
    index: str
    resealed: int
    unreadable: list[str]


async def rotate(folder: Path, *, suite: Suite | None, settle_seconds: float, say: Say) -> Rotated:
    """Bring every encrypted value under new keys. Killed at any moment, the next call goes on."""
    with rings.held_ring(folder) as path:
        ring = rings.begin(path, suite)
        assert ring.rotation is not None
        if ring.field_current != ring.rotation.field:
            say(f"新密钥 {ring.rotation.field}({ring.rotation.suite})已加入，等待各进程读取……")
            await asyncio.sleep(settle_seconds)
            ring = rings.make_current(path)
        say(f"密钥 {ring.field_current} 已启用，开始重新加密。")
        fresh_key_ring()
        still_at = asyncio.get_running_loop().time() + settle_seconds
        rotated = await _reseal_all(ring, still_at, say)
        rings.finish(path)
    return rotated


async def _reseal_all(ring: KeyRing, still_at: float, say: Say) -> Rotated:
    clean = total = 0
    unreadable: set[str] = set()
    for _ in range(PASSES_MAX):
        unreadable, left = set(), 0
        for column in SEALED:
            resealed, bad = await _pass(column, ring, say)
            unreadable |= bad
            total += resealed
            left += await _left(column, ring) - len(bad)
        clean = 0 if left else clean + 1
        if clean >= CLEAN_PASSES:
            return Rotated(
                field=ring.field_current,
                index=ring.index_current,
                resealed=total,
                unreadable=sorted(unreadable),
            )
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(still_at - now, 0) if clean else HELD_SECONDS)
    raise NeverStill


async def _pass(column: Sealed, ring: KeyRing, say: Say) -> tuple[int, set[str]]:
    done, unreadable, after = 0, set[str](), FIRST
    while after != LAST:
        batch = await reseal_window(ACTOR, column, ring, after=after)
        after = batch.upto
        unreadable |= {f"{column.place}.{row_id}" for row_id in batch.unreadable}
        done += batch.resealed
        if batch.resealed:
            say(f"{column.place}：已重新加密 {done} 行")
    return done, unreadable


async def _left(column: Sealed, ring: KeyRing) -> int:
    """Rows of which either part stands under another key than the current one."""
    uses = await uses_of(ACTOR, column)
    return max(
        uses.fields.total() - uses.fields[ring.field_current],
        uses.indexes.total() - uses.indexes[ring.index_current],
    )


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """One key as it may be shown."""

    kind: str
    id: str
    suite: Suite
    current: bool
    made_at: datetime | None
    values: int


async def show(folder: Path) -> list[KeyUse]:
    """Every key with the number of values under it; history under old field keys is not counted."""
    ring = read_key_ring(folder / rings.KEY_FILE)
    fields, indexes = await _all_uses()
    kinds = (
        ("field", ring.fields, ring.field_current, fields),
        ("index", ring.indexes, ring.index_current, indexes),
    )
    return [
        KeyUse(
            kind=kind, id=key_id, suite=key.suite, current=key_id == current, made_at=key.made_at,
            values=uses[key_id],
        )
        for kind, keys, current, uses in kinds
        for key_id, key in keys.items()
    ]  # fmt: skip


async def _all_uses() -> tuple[Counter[str], Counter[str]]:
    fields, indexes = Counter[str](), Counter[str]()
    for column in SEALED:
        uses = await uses_of(ACTOR, column)
        fields += uses.fields
        indexes += uses.indexes
    for passing in PASSING:
        indexes.update(await alive_under(ACTOR, passing))
    return fields, indexes


async def retire(folder: Path) -> list[str]:
    """Take the old index keys out of the ring, if nothing is found by them any more; their ids."""
    with rings.held_ring(folder) as path:
        ring = read_key_ring(path)
        old = sorted(rings.old_index_keys(ring))
        _, used = await _all_uses()
        if in_use := [key_id for key_id in old if used[key_id]]:
            raise RowsStillUse(keys=",".join(in_use))
        since = ring.current_from
        if old and since and clock.wall() - since < timedelta(hours=OLD_INDEX_HOURS_MIN):
            raise TooEarly(key=ring.index_current)
        if old:
            rings.without_index_keys(path, old)
    return old
