"""What a new machine needs beside the database: keys, secrets, certificates, settings; and the anchors."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from app.backup.archives import contents, pack, unpack
from app.backup.envelope import Identity
from app.backup.folder import ANCHORS, SECRETS
from app.kernel.settings import Settings
from app.launch import environment
from app.launch.refusals import CannotStart

# Of the data folder; the servers' own folders, logs and figures are left out, as they are made anew.
KEPT = ("keys", "secrets", "tls", "simulators", "demo")
SECRET_SETTINGS = ("database_url", "redis_url")
CONFIGURATION = "restored/configuration.env"
OUTSIDE = "restored"  # what stood outside the data folder comes back here, to be put where it belongs
BELOW = "anchors"
SECRETS_BYTES_MAX = 256 << 20  # keys are small; the rest of a folder that grew beyond this is no secret


class TooLarge(CannotStart):
    """Something that is no key lies among the keys."""


def plain_settings(config: Settings) -> dict[str, str]:
    """The settings that are no secret, for the manifest."""
    return {
        name: ":".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in msgspec.structs.asdict(config).items()
        if name not in SECRET_SETTINGS and value not in ("", False)
    }


def write_secrets(folder: Path, config: Settings, identity: Identity) -> None:
    sources = {name: config.data / name for name in KEPT}
    for name, path in (
        ("tls_certificate", config.tls_certificate),
        ("tls_key", config.tls_key),
        ("simulators", config.simulators),
    ):
        if path and not Path(path).absolute().is_relative_to(config.data):
            sources[f"{OUTSIDE}/{name}"] = Path(path)
    refuse_large(sources)
    pack(folder / SECRETS, sources, {CONFIGURATION: environment.ours().encode()}, identity)


def write_anchors(folder: Path, folders: tuple[Path, ...], identity: Identity) -> None:
    """Of the first folder that is there: all tell the same."""
    there = [place for place in folders if place.is_dir() and any(place.iterdir())]
    pack(folder / ANCHORS, {BELOW: there[0]} if there else {}, {}, identity)


def unpack_anchors(source: Path, identity: Identity, folder: Path) -> None:
    anchors = contents(source / ANCHORS, identity)
    unpack(((name.removeprefix(f"{BELOW}/"), content) for name, content in anchors), folder)


def refuse_large(sources: Mapping[str, Path]) -> None:
    """Secrets are held in memory while they are brought back."""
    files = [path for source in sources.values() for path in (source, *source.rglob("*")) if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    if size > SECRETS_BYTES_MAX:
        raise TooLarge(
            f"需要托管的密钥目录超过 {SECRETS_BYTES_MAX >> 20} MB。"
            f"请把不是密钥的文件移出 {'、'.join(KEPT)} 目录。没有留下备份。"
        )


class Escrow:
    """The opened secrets, in memory only."""

    def __init__(self, source: Path, identity: Identity) -> None:
        self.files = dict(contents(source / SECRETS, identity))

    def differs(self, data: Path, name: str) -> bool:
        """Whether a folder of this name is there and holds something else."""
        if not (data / name).exists():
            return False
        ours = {path: content for path, content in self.files.items() if path.partition("/")[0] == name}
        there = {
            str(path.relative_to(data)): path.read_bytes()
            for path in (data / name).rglob("*")
            if path.is_file()
        }
        return any(ours.get(path) != content for path, content in there.items())

    def unpack(self, data: Path) -> None:
        unpack(iter(self.files.items()), data)
