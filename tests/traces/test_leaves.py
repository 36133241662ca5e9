"""The canonical form of docs/algorithms/seals.md, followed with other tools than ours."""

import hashlib
import json
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from app.kernel.settings import ROOT
from app.traces.chain import FIRST_PREVIOUS, Seal, is_signed, root_of, sign, signed_text
from tests.traces.sealed_house import our_keys, our_private_key, seal_everything, sealed_history, seals_of

pytestmark = pytest.mark.commits
PAGE = (ROOT / "docs/algorithms/seals.md").read_text()
EXAMPLE = """
SELECT jiuyi.leaf_text(ROW(
    7, '2026-03-02T08:15:30.5+08:00', '812', 'campus', '0195a1b2-0000-7000-8000-000000000001', 'U',
    '{"name": "东院区\\n\\"新\\"", "code": "C1"}', 'staff',
    '0195a1b2-0000-7000-8000-0000000000aa', 'staff', 'r-1',
    '更名', 'jiuyi')::record_version)
"""


async def test_the_pages_example_is_true(db: str) -> None:
    connection = await asyncpg.connect(db)
    text = await connection.fetchval(EXAMPLE)
    digest = hashlib.sha256(text.encode())
    root = root_of(previous=FIRST_PREVIOUS, no=1, digests=[digest.digest()])
    await connection.close()
    for told in (text, digest.hexdigest(), root):
        assert told in PAGE


@pytest.mark.parametrize("table", ["record_version", "access_log"])
async def test_the_text_names_every_column(db: str, table: str) -> None:
    connection = await asyncpg.connect(db)
    names = await connection.fetch(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum",
        table,
    )
    text = await connection.fetchval(f"SELECT jiuyi.leaf_text(jsonb_populate_record(NULL::{table}, '{{}}'))")
    await connection.close()
    assert list(json.loads(text)) == ["form", "table", *[name["attname"] for name in names]]


async def test_a_digest_does_not_depend_on_the_session(db: str) -> None:
    await sealed_history(db, rounds=1)
    connection = await asyncpg.connect(db)
    for settings in (
        "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'",
        "SET extra_float_digits = 0; SET bytea_output = 'escape'; SET client_encoding = 'GBK'",
    ):
        await connection.execute(settings)
        differing = await connection.fetchval(
            "SELECT count(*) FROM seal_leaf l JOIN record_version v USING (entry, at)"
            " WHERE l.digest <> jiuyi.leaf_digest(v)"
        )
        assert differing == 0
    await connection.close()


async def test_a_third_party_verifies_a_seal_from_what_it_reads(db: str) -> None:
    """With hashlib and json alone, from the columns' own text."""
    connection = await asyncpg.connect(db)
    await sealed_history(db, rounds=1)
    await seal_everything(connection)
    seal = (await seals_of(connection))[-1]
    rows = await connection.fetch(
        "SELECT v.entry, to_char(v.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at,"
        " v.xid::text, v.table_name, v.row_id, v.op::text, v.body::text, v.actor_kind, v.actor_id::text,"
        " v.channel, v.request_id, v.reason, v.db_user, l.digest"
        " FROM record_version v JOIN seal_leaf l USING (entry, at) WHERE l.seal_no = $1",
        seal.no,
    )
    for row in rows:
        values = {"form": 1, "table": "record_version", **{k: v for k, v in row.items() if k != "digest"}}
        parts = [
            f'"{name}" : {value if name == "body" else json.dumps(value, ensure_ascii=False)}'
            for name, value in values.items()
        ]
        assert hashlib.sha256(("{" + ", ".join(parts) + "}").encode()).digest() == row["digest"]
    assert rows
    await connection.close()


def test_every_field_of_a_seal_is_signed(data_folder: object) -> None:
    seal = Seal(
        no=1,
        at=datetime(2026, 3, 2, tzinfo=UTC),
        entries=1,
        previous=FIRST_PREVIOUS,
        root="ab" * 32,
        cluster="7",
        horizon="8",
        horizon_entry=0,
        key_id=next(iter(our_keys())),
    )
    signed = sign(seal, our_private_key())
    assert is_signed(signed, our_keys())
    assert signed_text(seal).startswith(b"jiuyi seal 1\n1\n2026-03-02T00:00:00.000000+00:00\n1\n")
    for change in (
        {"no": 2}, {"at": datetime(2026, 3, 3, tzinfo=UTC)}, {"entries": 2}, {"previous": "cd" * 32},
        {"root": "cd" * 32}, {"cluster": "8"}, {"horizon": "9"}, {"horizon_entry": 1}, {"key_id": "0"},
        {"signature": "00"}, {"signature": "no"},
    ):  # fmt: skip
        assert not is_signed(msgspec.structs.replace(signed, **change), our_keys()), change
