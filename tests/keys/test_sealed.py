"""No encrypted column and no blind index is forgotten: the code is read, and compared with the registry."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.keys.sealed import PASSING, SEALED
from app.piccolo_app import TABLES
from tests.test_drift import meta
from tests.test_house import ROOT

FOLDERS = ("app", "mini_program_api", "bedside_terminal", "guide_kiosk", "notifications", "bench")
# Whose places are the registry's own.
PASSES_THROUGH = {"app/kernel/crypto.py", "app/keys/resealing.py", "app/backup/checking.py"}
PLACES = {column.place for column in SEALED}
COLUMNS = {
    meta(table).tablename: {meta(column).db_column_name for column in meta(table).columns} for table in TABLES
}


class Code:
    """The modules of the house, and the constants and one-line functions by which they name places."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.trees = {name: ast.parse(text) for name, text in sources.items()}
        self.constants: dict[str, str] = {}
        self.named: dict[str, ast.expr] = {}
        for tree in self.trees.values():
            for node in tree.body:
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                    self.constants.update(dict.fromkeys(names, str(node.value.value)))
                if isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return):
                    assert node.body[-1].value is not None
                    self.named[node.name] = node.body[-1].value

    def uses(self, function: str, keyword: str) -> Iterator[tuple[str, str]]:
        """(module, what is given by this keyword) of every call; without it, it is somebody else's."""
        for name, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _called(node) == function:
                    given = [each.value for each in node.keywords if each.arg == keyword]
                    yield from ((name, self.text_of(each)) for each in given)

    def text_of(self, node: ast.expr) -> str:
        """What an expression says, with ? for what only a run knows."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name):
            return self.constants.get(node.id, "?")
        if isinstance(node, ast.Call) and _called(node) in self.named:
            return self.text_of(self.named[_called(node)])
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
            return "".join(self.text_of(part) for part in parts)
        return "?"


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _house() -> Code:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    names = [str(path.relative_to(ROOT)) for path in paths]
    return Code({name: Path(ROOT / name).read_text() for name in names if name not in PASSES_THROUGH})


@pytest.fixture(scope="module")
def house() -> Code:
    return _house()


def test_every_encrypted_place_is_in_the_registry(house: Code) -> None:
    written = set(house.uses("encrypt", "context"))
    assert {place.removesuffix(".?") for _, place in written} == PLACES
    assert [use for use in written if not use[1].endswith(".?")] == []


def test_what_is_read_is_what_was_written(house: Code) -> None:
    read = {place.removesuffix(".?") for _, place in house.uses("decrypt", "context")}
    assert read <= PLACES | {"person.?", "data_request.?"}  # of the asked column


def test_the_registry_names_every_place_once() -> None:
    places = [column.place for column in SEALED]
    assert len(places) == len(set(places))


def test_every_blind_index_is_in_the_registry(house: Code) -> None:
    made = {place for name in ("blind_index", "blind_indexes") for _, place in house.uses(name, "column")}
    indexed = {column.place for column in SEALED if column.index_column is not None}
    assert made == indexed | {each.place for each in PASSING}


def test_every_search_by_an_index_knows_all_versions(house: Code) -> None:
    """What is written with the newest key may have been looked for with an older one."""
    written = {place for _, place in house.uses("blind_index", "column")}
    searched = {place for _, place in house.uses("blind_indexes", "column")}
    assert searched == written


def test_every_index_column_is_in_the_registry() -> None:
    stored = {
        (table, column)
        for table, columns in COLUMNS.items()
        for column in columns
        if column.endswith("_index")
    }
    known = {(each.table, each.index_column) for each in (*SEALED, *PASSING) if each.index_column}
    assert stored == known


def test_every_column_that_says_it_is_encrypted_is_in_the_registry() -> None:
    """The tables say so in words: 'encrypted' beside the column."""
    said = {
        (meta(table).tablename, line.split("=")[0].strip())
        for table in TABLES
        for line in inspect.getsource(table).splitlines()
        if "encrypted" in line.partition("#")[2] and "=" in line
    }
    assert said
    assert said <= {(each.table, each.column) for each in SEALED}


def test_the_registry_names_real_columns() -> None:
    for each in SEALED:
        named = {each.column, each.id_column, *each.beside} | ({each.index_column} - {None})
        assert named <= COLUMNS[each.table], each.place
    assert [each.place for each in PASSING if each.index_column not in COLUMNS[each.table]] == []
    assert all(each.why for each in PASSING)


def test_control_a_new_use_is_found() -> None:
    planted = Code(
        {
            "a.py": 'COLUMN = "guest.code"\ndef place(x):\n    return f"guest.phone.{x}"\n',
            "b.py": "crypto.encrypt(x, context=place(i))\nencrypt(x, context=y)\nage.encrypt(x)\n",
            "c.py": "blind_index(x, column=COLUMN)\n",
        }
    )
    assert set(planted.uses("encrypt", "context")) == {("b.py", "guest.phone.?"), ("b.py", "?")}
    assert list(planted.uses("blind_index", "column")) == [("c.py", "guest.code")]
