"""What children are told: our own environment, and where this run's servers are."""

import os
from pathlib import Path

import msgspec

from app.kernel.settings import Settings, settings
from app.launch.lock import running
from app.launch.refusals import CannotStart
from app.launch.unfinished import refuse_unfinished


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The running hospital, as `run.json` tells it to commands in other terminals."""

    pid: int
    instance: str
    address: str
    database_url: str
    redis_url: str


def inherited() -> dict[str, str]:
    return dict(os.environ)


def is_demo() -> bool:
    """`jiuyi run` is a demo hospital unless the environment says otherwise."""
    return os.environ.get("JIUYI_DEMO", "1") == "1"


OURS = ("JIUYI_", "DATABASE_URL", "REDIS_URL")
PASSPHRASE = "JIUYI_PASSPHRASE"  # noqa: S105 - its name


def ours() -> str:
    """The variables that make this installation what it is, as lines for an environment file."""
    found = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    return "".join(f"{name}={value}\n" for name, value in sorted(found.items()) if name != PASSPHRASE)


def take_passphrase() -> str:
    """The backup's passphrase, taken away, so that no child inherits it."""
    return os.environ.pop(PASSPHRASE, "")


def use_data(data: Path) -> None:
    """From here on this process works with another data folder, and asks for its database anew."""
    os.environ["JIUYI_DATA"] = str(data)
    for name in ("DATABASE_URL", "JIUYI_ANCHORS", "JIUYI_SIMULATORS"):
        os.environ.pop(name, None)
    settings.cache_clear()


def for_children(config: Settings, run: Run) -> dict[str, str]:
    simulators = {"JIUYI_SIMULATORS": str(config.data / "simulators")} if is_demo() else {}
    return {
        "JIUYI_DEMO": "1",
        **simulators,
        **os.environ,
        "DATABASE_URL": run.database_url,
        "REDIS_URL": run.redis_url,
        "JIUYI_DATA": str(config.data),
        "JIUYI_PORT": str(config.port),
        "JIUYI_HOST": config.host,
        "JIUYI_INSTANCE": run.instance,
        "PYTHONUNBUFFERED": "1",
    }


def tell(data: Path, run: Run) -> None:
    """Writes `run.json` for commands in other terminals; it holds passwords: ours alone."""
    path = data / "run.json"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(run))


def forget(data: Path) -> None:
    (data / "run.json").unlink(missing_ok=True)


def join_running_hospital() -> None:
    """Points this process at DATABASE_URL, or else at the hospital that runs on our data."""
    refuse_unfinished(settings().data)
    if os.environ.get("DATABASE_URL"):
        return
    data = settings().data
    path = data / "run.json"
    if not (path.exists() and running(data)):
        raise CannotStart("没有找到数据库:请先用 jiuyi run 启动医院,或设置 DATABASE_URL(和 REDIS_URL)。")
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    os.environ["DATABASE_URL"] = run.database_url
    os.environ.setdefault("REDIS_URL", run.redis_url)
    os.environ.setdefault("JIUYI_DEMO", "1")
    os.environ.setdefault("JIUYI_SIMULATORS", str(data / "simulators"))
    settings.cache_clear()
