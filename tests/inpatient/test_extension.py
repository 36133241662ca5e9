"""Where the extension that keeps beds apart is missing and may not be made, the starter is told so."""

from pathlib import Path

import asyncpg
import pytest

SQL = (Path(__file__).parents[2] / "app/inpatient/inpatient.sql").read_text()


@pytest.mark.commits
async def test_without_the_right_to_create_it_the_message_says_what_to_do(db: str) -> None:
    connection = await asyncpg.connect(db)
    try:
        await connection.execute("SET search_path = public")
        await connection.execute(SQL)  # positive control: whoever owns the database may
        await connection.execute("BEGIN; DROP EXTENSION btree_gist CASCADE; SET LOCAL ROLE jiuyi_app")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CREATE EXTENSION btree_gist"):
            await connection.execute(SQL)
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()
