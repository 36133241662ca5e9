"""The sealer: chains committed entries into signed seals, and tells every seal to the anchors."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.kernel import clock
from app.kernel.actor import Actor, system
from app.kernel.crypto import keys_folder
from app.kernel.database import action, current_transaction, fetch, fetch_one, fetch_value, query
from app.kernel.settings import settings
from app.traces.anchors import AnchorAstray, last_line, tell
from app.traces.chain import FIRST_PREVIOUS, Line, Restored, Seal, key_id_of, root_of, seal_key, sign

log = structlog.get_logger()

SEALER_LOCK = 7_119_002  # the advisory lock that makes sealers take turns
ENTRIES_MAX = 5_000  # of one seal
SEALS_MAX = 20  # of one turn
TOLD_MAX = 1_000  # lines to one anchor in one turn
# A copy on a new server is searched for what had no seal, all of it, once.
TAKE_SECONDS_MAX = 600
DIGEST_BYTES = 32

COLUMNS = (
    "no, at, entries, encode(previous, 'hex') AS previous, encode(root, 'hex') AS root, cluster,"
    " horizon::text AS horizon, horizon_entry, key_id, encode(signature, 'hex') AS signature"
)


def seal_of(row: asyncpg.Record) -> Seal:
    """A row that was read with COLUMNS."""
    return Seal(**dict(row))


async def keep_sealing() -> int:
    """The sweep: seal what was committed, tell the anchors. Returns how many seals were made."""
    actor = system("sealer")
    key = await asyncio.to_thread(seal_key, keys_folder())
    made = 0
    while made < SEALS_MAX and (seal := await seal_next(actor, key=key)) is not None:
        made += 1
        if seal.entries < ENTRIES_MAX:
            break
    for folder in settings().anchors:
        await keep_anchor(actor, folder=folder, key=key)
    return made


@action
async def seal_next(actor: Actor, *, key: Ed25519PrivateKey) -> Seal | None:
    """One more seal over what was committed, or None: nothing is new, or another sealer is at work."""
    if not await fetch_value("SELECT pg_try_advisory_xact_lock($1)", SEALER_LOCK):
        return None
    await fetch_value(f"SELECT set_config('statement_timeout', '{TAKE_SECONDS_MAX}s', true)")
    found = await current_transaction().connection.fetchrow(
        "SELECT * FROM jiuyi.seal_leaves($1)", ENTRIES_MAX, timeout=TAKE_SECONDS_MAX
    )
    if found is None:
        return None
    seal = sign(_seal_over(found, key_id=key_id_of(key.public_key())), key)
    assert isinstance(seal, Seal)
    await _add(seal)
    return seal


def _seal_over(found: asyncpg.Record, *, key_id: str) -> Seal:
    digests: bytes = found["digests"]
    leaves = [digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]
    assert len(leaves) == found["entries"]
    previous = found["previous"].hex()
    return Seal(
        no=found["no"],
        at=found["at"],
        entries=found["entries"],
        previous=previous,
        root=root_of(previous=previous, no=found["no"], digests=leaves),
        cluster=found["cluster"],
        horizon=found["horizon"],
        horizon_entry=found["horizon_entry"],
        key_id=key_id,
    )


async def _add(seal: Seal) -> None:
    await fetch(
        "INSERT INTO seal (no, at, entries, previous, root, cluster, horizon, horizon_entry, key_id,"
        " signature) VALUES ($1, $2, $3, $4, $5, $6, $7::text::xid8, $8, $9, $10)",
        seal.no,
        seal.at,
        seal.entries,
        bytes.fromhex(seal.previous),
        bytes.fromhex(seal.root),
        seal.cluster,
        seal.horizon,
        seal.horizon_entry,
        seal.key_id,
        bytes.fromhex(seal.signature),
    )


async def keep_anchor(actor: Actor, *, folder: Path, key: Ed25519PrivateKey) -> None:
    """Tell the folder what it has not heard. One that fails alarms, and is tried again at the next turn."""
    told, ails = 0, ""
    try:
        last = await asyncio.to_thread(last_line, folder)
        told = last.no if last is not None else 0
        missing = await untold(actor, last=last)
        if missing:
            await asyncio.to_thread(tell, folder, missing, key)
            told = missing[-1].no
    except AnchorAstray as error:
        ails = f"astray: {error}"
    except OSError as error:
        ails = f"unreachable: {error.strerror}"
    if await note_anchor(actor, folder=folder, told=told, ails=ails):
        if ails:
            log.error("anchor_ails", folder=folder.name, ails=ails)
        else:
            log.info("anchor_well", folder=folder.name)


@query
async def untold(actor: Actor, *, last: Line | None) -> list[Seal]:
    """The seals after the last one that the folder knows. Raises AnchorAstray where it knows another past."""
    if last is not None:
        stands = await fetch_one("SELECT encode(root, 'hex') AS root FROM seal WHERE no = $1", last.no)
        root = FIRST_PREVIOUS if last.no == 0 else stands["root"] if stands else None
        if root != last.root:
            raise AnchorAstray(f"seal {last.no}")
    rows = await fetch(
        f"SELECT {COLUMNS} FROM seal WHERE no > $1 ORDER BY no LIMIT $2",  # noqa: S608 - our own columns
        last.no if last is not None else 0,
        TOLD_MAX,
    )
    return [seal_of(row) for row in rows]


@action
async def note_anchor(actor: Actor, *, folder: Path, told: int, ails: str) -> bool:
    """Keep how the folder is, for whoever looks after it; True where what ails it is news."""
    news = await fetch_value(
        "INSERT INTO anchor_state AS kept (folder, told, ails, since) VALUES ($1, $2, $3, now())"
        " ON CONFLICT (folder) DO UPDATE SET told = excluded.told, ails = excluded.ails,"
        " since = CASE WHEN kept.ails = excluded.ails THEN kept.since ELSE now() END"
        " WHERE (kept.told, kept.ails) <> (excluded.told, excluded.ails) RETURNING since = now()",
        str(folder),
        told,
        ails,
    )
    return bool(news)


async def tell_restored(*, reason: str, anchors: Sequence[Path] = ()) -> list[Path]:
    """Tell the anchors that are ahead that the database was set back by a restore; they go on from there.

    The line is signed, stays for ever and is shown by every verification. Returns the folders told.
    """
    actor, key, told = system("sealer"), seal_key(keys_folder()), []
    newest = await newest_seal(actor)
    for folder in anchors or settings().anchors:
        last = last_line(folder)
        if last is None or await _stands(actor, last):
            continue
        line = Restored(
            no=newest.no if newest else 0,
            root=newest.root if newest else FIRST_PREVIOUS,
            at=clock.wall(),
            reason=reason,
            key_id=key_id_of(key.public_key()),
        )
        tell(folder, [sign(line, key)], key)
        told.append(folder)
    return told


async def _stands(actor: Actor, last: Line) -> bool:
    try:
        await untold(actor, last=last)
    except AnchorAstray:
        return False
    return True


@query
async def newest_seal(actor: Actor) -> Seal | None:
    row = await fetch_one(f"SELECT {COLUMNS} FROM seal ORDER BY no DESC LIMIT 1")  # noqa: S608 - the same
    return seal_of(row) if row is not None else None
