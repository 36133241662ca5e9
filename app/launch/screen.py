"""What the person at the terminal sees: stages with seconds, then the addresses."""

import time
from pathlib import Path

import click
import msgspec

PAGES = {
    "大厅叫号屏 hall display": "/ui/display",
    "导诊自助机 kiosk": "/ui/kiosk",
    "接口文档 API docs": "/schema",
}


class Stages:
    """Lines that say how far the start is, with the seconds since its beginning."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        click.echo(f"[{time.monotonic() - self.began:5.1f} s] {text}")

    def seconds(self) -> float:
        return time.monotonic() - self.began


def show_ready(address: str, data: Path, seconds: float, notes: list[str]) -> None:
    click.echo(f"\n就医 jiuyi 已就绪 ready({seconds:.1f} 秒)")
    for label, path in PAGES.items():
        click.echo(f"  {label:<24}{address}{path}")
    for name, base_url in simulators(data):
        click.echo(f"  {'模拟器 ' + name:<24}{base_url}")
    credentials = data / "demo" / "credentials.json"
    if credentials.exists():
        click.echo(f"  {'演示账号 credentials':<24}{credentials}")
    click.echo(f"  {'运行记录 logs':<24}{data / 'log'}")
    for note in notes:
        click.echo(f"  注意:{note}")
    click.echo("演示一位患者的一天:jiuyi demo    停止:Ctrl-C\n")


def simulators(data: Path) -> list[tuple[str, str]]:
    found = []
    for path in sorted((data / "simulators").glob("*.json")):
        told = msgspec.json.decode(path.read_bytes())
        if isinstance(told, dict) and "base_url" in told:
            found.append((path.stem, str(told["base_url"])))
    return found
