"""A key ring and a database of each test's own: what is rotated here must not be the suite's."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from app.kernel import database
from app.kernel.crypto import ensure_key_ring
from app.kernel.hints import close_hints
from app.kernel.settings import settings
from tests.conftest import clone, drop

_numbers = count(1)


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> Iterator[Path]:
    """The folder of the key ring."""
    monkeypatch.setenv("JIUYI_DATA", str(tmp_path))
    settings.cache_clear()
    ensure_key_ring(tmp_path / "keys")
    yield tmp_path / "keys"
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def own_database(servers: tuple[str, str], template: str) -> Iterator[str]:
    """Rows under other keys would not open."""
    suffix = f"keys{next(_numbers)}"
    yield clone(servers[0], template, suffix)
    drop(servers[0], suffix)


@pytest.fixture
async def hospital(keys: Path, own_database: str) -> AsyncIterator[Path]:
    """The folder of the key ring of an open, empty hospital."""
    await database.open_pool(dsn=own_database)
    yield keys
    await database.close_pool()
    await close_hints()
