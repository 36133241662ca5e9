"""The migrations make exactly the tables of the code: `piccolo migrations new --auto` finds nothing."""

from typing import Any

import pytest
from piccolo.apps.migrations.commands.new import AutoMigrationManager
from piccolo.columns import Column, Varchar
from piccolo.table import Table

from app.kernel.tables import Job
from app.piccolo_app import APP_CONFIG


async def changes() -> list[str]:
    """What a new migration would say. The comparison reads files only: it needs no database."""
    statements = await AutoMigrationManager(auto_input="y").get_alter_statements(app_config=APP_CONFIG)
    return [line for part in statements for line in part.statements]


def meta(of: type[Table] | Column) -> Any:
    return of._meta  # pyright: ignore[reportPrivateUsage] - Piccolo's own word, with no other way to it


def column(name: str, *, length: int) -> Column:
    made = Varchar(length=length, default="")
    meta(made).name, meta(made).table = name, Job
    return made


async def test_the_migrations_make_the_tables_of_the_code() -> None:
    assert await changes() == []


async def test_a_planted_column_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same comparison sees a column that no migration makes."""
    planted = [*meta(Job).non_default_columns, column("planted", length=20)]
    monkeypatch.setattr(meta(Job), "non_default_columns", planted)
    [found] = await changes()
    assert "add_column" in found
    assert "planted" in found


async def test_a_changed_column_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [c for c in meta(Job).non_default_columns if meta(c).name != "unique_key"]
    monkeypatch.setattr(meta(Job), "non_default_columns", [*others, column("unique_key", length=7)])
    assert any("unique_key" in line for line in await changes())
