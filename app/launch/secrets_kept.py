"""The servers' passwords: made once, readable by us alone, never in an argument list."""

import os
import secrets
from pathlib import Path

from app.launch.refusals import CannotStart


def password(data: Path, name: str) -> str:
    """The kept password, or a new one that is on disk before anything uses it."""
    folder = data / "secrets"
    path = folder / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            keep(path, secrets.token_urlsafe(24))
        return path.read_text().strip()
    except OSError as error:
        raise CannotStart(f"不能读写口令文件 {path}({error.strerror})。请用它的属主运行。") from error


def keep(path: Path, text: str) -> None:
    half = path.with_suffix(".new")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    half.replace(path)
