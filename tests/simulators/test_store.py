"""A simulator's file, and what happens to one that another version made."""

import sqlite3
from contextlib import closing
from pathlib import Path

from simulators.store import Store

THEN = "create table if not exists trade (no text primary key) strict;"
NOW = "create table if not exists trade (no text primary key, state text not null) strict;"


def test_a_file_of_this_version_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    store = Store(path, THEN)
    store.run("insert into trade (no) values ('A1')")
    store.close()
    again = Store(path, THEN)
    assert again.value("select no from trade") == "A1"
    again.close()
    assert [found.name for found in tmp_path.glob("*.sqlite")] == ["book.sqlite"]


def test_a_file_of_another_version_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    store = Store(path, THEN)
    store.run("insert into trade (no) values ('A1')")
    store.close()
    fresh = Store(path, NOW)
    assert fresh.rows("select no, state from trade") == []
    fresh.close()
    [aside] = [found for found in tmp_path.glob("*.sqlite") if found != path]
    with closing(sqlite3.connect(aside)) as kept:
        assert kept.execute("select no from trade").fetchall() == [("A1",)]
