"""Where a backup's passphrase comes from: never from the argument list."""

from pathlib import Path

import click

from app.backup.envelope import refuse_short
from app.launch import environment
from app.launch.refusals import CannotStart


def ask(file: Path | None, *, new: bool) -> str:
    """From the file's first line, JIUYI_PASSPHRASE, or the person at the terminal, who repeats a new one."""
    given = environment.take_passphrase()
    if file is not None:
        given = first_line(file)
    if not given:
        given = click.prompt("备份口令 passphrase", hide_input=True, confirmation_prompt=new, default="")
    if not given:
        raise CannotStart("没有备份口令。请设置 JIUYI_PASSPHRASE,或使用 --passphrase-file。")
    return refuse_short(given) if new else given


def first_line(file: Path) -> str:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"不能读取口令文件 {file}。请检查它的权限和内容。") from error
    return lines[0].strip() if lines else ""
