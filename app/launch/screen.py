"""What the person at the terminal sees: stages with seconds, then the addresses."""

import time
from pathlib import Path

import click
import msgspec

PAGES = {
    "hall_display": ("大厅叫号屏 hall display", "/ui/display"),
    "kiosk": ("导诊自助机 kiosk", "/ui/kiosk"),
    "staff": ("职工登录 staff login", "/ui/login"),
}


# The page of each simulator: a phone in the browser, for whoever tries the demo by hand.
PHONES = {
    "wechat_pay": "用模拟手机付款:微信 pay",
    "alipay": "用模拟手机付款:支付宝 pay",
    "fiscal_invoice": "看电子票据(模拟) bills",
    "sms": "收医院短信(模拟) SMS",
    "insurance_bureau": "出示医保码(模拟) card",
}


class Device(msgspec.Struct, frozen=True):
    kind: str
    url: str = ""


class Credentials(msgspec.Struct, frozen=True):
    """The part of the demo's credentials that makes a page's address complete: the device's own key."""

    devices: list[Device] = []


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
    credentials = data / "demo" / "credentials.json"
    with_keys = device_urls(credentials)
    for kind, (label, path) in PAGES.items():
        click.echo(f"  {label:<24}{with_keys.get(kind) or address + path}")
    click.echo(f"  {'接口文档 API docs':<24}{address}/schema/openapi.json")
    for label, url in phones(data):
        click.echo(f"  {label:<24}{url}")
    if credentials.exists():
        click.echo(f"  {'演示账号 credentials':<24}{credentials}")
    click.echo(f"  {'运行记录 logs':<24}{data / 'log'}")
    for note in notes:
        click.echo(f"  注意:{note}")
    demo = "演示一位患者的一天:jiuyi demo    " if credentials.exists() else ""
    click.echo(f"{demo}停止:Ctrl-C\n")


def device_urls(credentials: Path) -> dict[str, str]:
    """The first device of each kind."""
    if not credentials.exists():
        return {}
    told = msgspec.json.decode(credentials.read_bytes(), type=Credentials)
    return {device.kind: device.url for device in reversed(told.devices)}


def phones(data: Path) -> list[tuple[str, str]]:
    """What each running simulator's page is good for, and its address."""
    found = []
    for path in sorted((data / "simulators").glob("*.json"), key=lambda path: order(path.stem)):
        told = msgspec.json.decode(path.read_bytes())
        if isinstance(told, dict) and "control_url" in told:
            found.append((PHONES.get(path.stem, f"模拟器 {path.stem}"), str(told["control_url"])))
    return found


def order(name: str) -> tuple[int, str]:
    """Paying first; simulators without words of their own last."""
    known = list(PHONES)
    return (known.index(name) if name in known else len(known), name)
