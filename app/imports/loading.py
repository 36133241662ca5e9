"""`jiuyi import KIND FILE.csv`: every row is checked first; then all of them are written, or none."""

import csv
import io
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Grid

from app.kernel.actor import Actor, system
from app.kernel.database import action
from app.kernel.errors import Invalid

R = TypeVar("R")
E = TypeVar("E", bound=StrEnum)

FILE_BYTES_MAX = 64 * 1024 * 1024
ROWS_MAX = 200_000
BAD_ROWS_SHOWN_MAX = 50
BATCH = 1000
ENCODINGS = ("utf-8-sig", "gb18030")  # what spreadsheets here write

HAN = re.compile(r"[\u4e00-\u9fff]")

Row = dict[str, str]
Advance = Callable[[int], None]


class FileUnreadable(Invalid):
    code = "file_unreadable"
    message = "文件无法读取：请另存为 CSV（UTF-8 或 GB18030 编码，64 MiB 以内）后重试。没有导入任何内容。"


class ColumnsWrong(Invalid):
    code = "columns_wrong"


class RowsRefused(Invalid):
    code = "rows_refused"


class RowWrong(Exception):
    """Why one row cannot be taken, in Chinese, for the person who made the file."""


class BadRow(msgspec.Struct, frozen=True):
    line: int
    reason: str


class Importer(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """One kind of file: its columns, how a row is read (or RowWrong), how all rows are written."""

    kind: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    prepare: Callable[[Actor], Awaitable[Any]]
    read: Callable[[Row, Any], R]
    key: Callable[[R], object]
    write: Callable[[Actor, Sequence[R], Advance], Awaitable[None]]


async def load_file(importer: Importer[Any], path: Path, *, console: Console) -> int:
    """Import a file and return how many rows it had. A file with one bad row changes nothing."""
    lines = read_csv(path, importer)
    rows, bad = await _check(system("import"), importer=importer, lines=lines)
    if bad:
        show_bad_rows(console, path, bad)
        raise RowsRefused(f"{path.name}：{len(bad)} 行有误（已列出），请改正后重新导入。没有导入任何内容。")
    with Progress(console=console) as progress:
        task = progress.add_task(f"导入 {path.name}", total=len(rows))
        await _write(
            system("import"),
            importer=importer,
            rows=rows,
            advance=lambda count: progress.advance(task, count),
        )
    return len(rows)


def read_csv(path: Path, importer: Importer[Any]) -> list[tuple[int, Row]]:
    """(line, row) of every line that is not blank, its values stripped."""
    reader = csv.DictReader(io.StringIO(_text(path)), strict=True)
    try:
        given = [name.strip() for name in reader.fieldnames or []]
        _require_columns(given, importer)
        reader.fieldnames = given
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise FileUnreadable(line=reader.line_num) from error
    if len(lines) > ROWS_MAX:
        raise FileUnreadable(f"{path.name}：超过 {ROWS_MAX} 行，请分成几个文件导入。没有导入任何内容。")
    return [(line, _stripped(row)) for line, row in lines]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise FileUnreadable
        raw = path.read_bytes()
    except OSError as error:
        raise FileUnreadable from error
    for encoding in ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Some Chinese words in GB18030 are well-formed UTF-8 of other scripts (头痛 reads "ͷʹ").
        if text.isascii() or HAN.search(text):
            return text
    raise FileUnreadable


def _require_columns(given: list[str], importer: Importer[Any]) -> None:
    missing = [name for name in importer.required if name not in given]
    unknown = [name for name in given if name not in importer.required + importer.optional]
    if missing or unknown or len(set(given)) < len(given):
        raise ColumnsWrong(
            f"表头不正确。缺少：{'、'.join(missing) or '无'}；不认识或重复：{'、'.join(unknown) or '无'}。"
            f"必填列：{','.join(importer.required)}；可选列：{','.join(importer.optional) or '无'}。"
            "没有导入任何内容。"
        )


def _stripped(row: dict[Any, Any]) -> Row:
    # The csv module puts surplus values under None and leaves missing ones None.
    return {name or "": (value or "").strip() if name else "surplus" for name, value in row.items()}


@action
async def _check(
    actor: Actor, *, importer: Importer[R], lines: list[tuple[int, Row]]
) -> tuple[list[R], list[BadRow]]:
    known = await importer.prepare(actor)
    rows: list[R] = []
    bad: list[BadRow] = []
    seen: dict[object, int] = {}
    for line, row in lines:
        try:
            read = _read(importer, row, known)
            first = seen.setdefault(importer.key(read), line)
            if first != line:
                raise RowWrong(f"与第 {first} 行重复")
            rows.append(read)
        except RowWrong as wrong:
            bad.append(BadRow(line, str(wrong)))
    return rows, bad


def _read(importer: Importer[R], row: Row, known: Any) -> R:
    if "" in row:
        raise RowWrong("列数多于表头")
    for name in importer.required:
        if not row[name]:
            raise RowWrong(f"{name} 不能为空")
    return importer.read(row, known)


@action
async def _write(actor: Actor, *, importer: Importer[R], rows: list[R], advance: Advance) -> None:
    await importer.write(actor, rows, advance)


def batches(rows: Sequence[R]) -> Iterator[Sequence[R]]:
    """The rows in pieces that stay well below a statement's time limit."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def show_bad_rows(console: Console, path: Path, bad: list[BadRow]) -> None:
    grid = Grid(title=f"{path.name}：{len(bad)} 行有误")
    grid.add_column("行", justify="right")
    grid.add_column("原因")
    for row in bad[:BAD_ROWS_SHOWN_MAX]:
        grid.add_row(str(row.line), row.reason)
    console.print(grid)
    if len(bad) > BAD_ROWS_SHOWN_MAX:
        console.print(f"…… 另有 {len(bad) - BAD_ROWS_SHOWN_MAX} 行未列出")


def choice(row: Row, name: str, of: type[E], *, or_else: str = "") -> E:
    """The value of a column that knows only certain words; `or_else` names one that others read."""
    try:
        return of(row[name])
    except ValueError as error:
        words = [str(word) for word in of] + [or_else] * bool(or_else)
        raise RowWrong(f"{name} 只能是 {'、'.join(words)}") from error
