"""The rules of this house that no linter knows. Each is shown to find what it forbids."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [
    "app", "mini_program_api", "bedside_terminal", "guide_kiosk", "notifications", "simulators", "bench",
    "tests",
]  # fmt: skip
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
KERNEL_FILES_MAX = 18
HOSPITAL_WORDS = re.compile(
    r"\b(patient|doctor|nurse|ward|clinic|appointment|prescription|specimen|kiosk|bedside|diagnosis)\w*",
    re.IGNORECASE,
)
WRITES = {"insert", "update", "delete"}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders or PACKAGES:
        yield from sorted((ROOT / folder).rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def long_functions(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]


def awaits(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Await | ast.AsyncFunctionDef) for node in ast.walk(tree))


def gathers(tree: ast.Module) -> list[int]:
    return [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "gather"
    ]


def said_twice(tree: ast.Module) -> list[int]:
    """Lines of statements that repeat the one before: what two changes of one place leave when merged."""
    bodies = [
        body
        for node in ast.walk(tree)
        for name in ("body", "orelse", "finalbody")
        if isinstance(body := getattr(node, name, None), list)
    ]
    return [
        second.lineno
        for body in bodies
        for first, second in pairwise(body)
        if ast.dump(first) == ast.dump(second)
    ]


def written_tables(tree: ast.Module, own: set[str], tables: set[str]) -> set[str]:
    """Table classes or names that are written to although another context owns them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            target = node.func.value
            if isinstance(target, ast.Name) and target.id in tables - own:
                found.add(target.id)
    return found


SQL_WRITE = re.compile(
    r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?([a-z_]+)\"?"
    r"(?:\s+(?:AS\s+)?\w+)?\s*(?:SET|\(|WHERE|VALUES|SELECT)"
)


def sql_written(text: str) -> set[str]:
    return set(SQL_WRITE.findall(re.sub(r'"\s*\n\s*f?"', "", text)))


def owners() -> dict[str, tuple[str, str]]:
    """Class name -> (context folder, table name), read from every tables.py."""
    found: dict[str, tuple[str, str]] = {}
    for path in [*(ROOT / "app").glob("*/tables.py"), ROOT / "notifications/tables.py"]:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef):
                for keyword in node.keywords:
                    if keyword.arg == "tablename" and isinstance(keyword.value, ast.Constant):
                        found[node.name] = (path.parent.name, str(keyword.value.value))
    return found


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    assert long_functions(tree_of(path)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "app").glob("*/rules.py")), ids=lambda path: path.parent.name)
def test_rules_decide_without_waiting(path: Path) -> None:
    assert not awaits(tree_of(path))


def test_the_ground_knows_no_hospital_word() -> None:
    kernel = list((ROOT / "app/kernel").glob("*.py"))
    assert len([path for path in kernel if path.name != "__init__.py"]) <= KERNEL_FILES_MAX
    words = {
        f"{path.name}: {match.group()}"
        for path in [*kernel, *(ROOT / "app/kernel").glob("*.sql")]
        for match in HOSPITAL_WORDS.finditer(path.read_text())
    }
    assert words == set()


def test_a_table_is_written_only_by_its_own_context() -> None:
    tables = owners()
    names = {table: context for context, table in tables.values()}
    wrong: list[str] = []
    for path in [*sources("app", "notifications", "mini_program_api", "bedside_terminal", "guide_kiosk")]:
        context = path.parent.name
        if context in {"app", "demo_hospital", "demo", "imports"}:
            continue  # the roof: seed and imports fill many rooms in one go
        own = {name for name, (owner, _) in tables.items() if owner == context}
        wrong += [f"{path}: {name}" for name in written_tables(tree_of(path), own, set(tables))]
        wrong += [
            f"{path}: {table}"
            for table in sql_written(path.read_text())
            if names.get(table, context) != context
        ]
    assert wrong == []


def test_the_core_never_gathers() -> None:
    """One connection, one line: gather inside a transaction breaks it."""
    allowed = {"worker.py", "hub.py", "session.py", "resolving.py"}  # outside transactions, and bounded
    found = [
        f"{path}:{line}"
        for path in sources("app", "notifications", "mini_program_api", "bedside_terminal", "guide_kiosk")
        if path.name not in allowed and "launch" not in path.parts and "demo" not in path.parts
        for line in gathers(tree_of(path))
    ]
    assert found == []


def test_nothing_is_said_twice_in_a_row() -> None:
    """Tests may: pressing a button twice is what some of them are about."""
    folders = [folder for folder in PACKAGES if folder != "tests"]
    assert [f"{path}:{line}" for path in sources(*folders) for line in said_twice(tree_of(path))] == []


def test_packages_re_export_nothing() -> None:
    assert [str(p) for p in (ROOT / "app").rglob("__init__.py") if p.read_text().strip()] == []


def test_every_rule_here_finds_what_it_forbids() -> None:
    long = "async def f():\n" + "    await g()\n" * FUNCTION_LINES_MAX
    assert long_functions(ast.parse(long)) == ["f"]
    assert awaits(ast.parse("async def f():\n    await g()"))
    assert gathers(ast.parse("import asyncio\nasyncio.gather()")) == [2]
    assert said_twice(ast.parse("if a:\n    f()\n    f()")) == [3]
    assert written_tables(ast.parse("Bill.update({})"), set(), {"Bill"}) == {"Bill"}
    assert sql_written('"UPDATE bill SET x = 1"') == {"bill"}
    assert sql_written('"INSERT INTO job (id)"\n    " VALUES (1)"') == {"job"}
    assert HOSPITAL_WORDS.search("wards")


PLANTED = [
    ("app/kernel/money.py", "from app.billing import tables as planted"),
    ("app/billing/rules.py", "from notifications import push as planted"),
    ("mini_program_api/__init__.py", "from bedside_terminal import __name__ as planted"),
    ("mini_program_api/__init__.py", "from app.patients import tables as planted"),
    ("app/kernel/money.py", "from simulators import __name__ as planted"),
    ("app/main.py", "from bench import __name__ as planted"),
]


@pytest.mark.parametrize(("path", "line"), PLANTED, ids=lambda value: str(value)[:60])
def test_the_import_contracts_break_on_a_planted_import(path: str, line: str, tmp_path: Path) -> None:
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "pyproject.toml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in files:
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    with (tmp_path / path).open("a") as file:
        file.write(f"\n{line}\n")
    broken = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert broken.returncode == 1, broken.stdout
    assert "BROKEN" in broken.stdout


def test_positive_control_the_house_as_it_is_keeps_its_contracts() -> None:
    kept = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert kept.returncode == 0, kept.stdout + kept.stderr
