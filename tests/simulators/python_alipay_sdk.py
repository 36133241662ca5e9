"""Runs in the environment of python-alipay-sdk: one JSON line in is one call of it, one line out its answer.

Its package is called `alipay`, as the official SDK's is, so the two can never be in one environment.
Started by test_alipay_client.py with the card's path and the address for notifications.
"""

import json
import sys
from pathlib import Path
from typing import Any

from alipay import AliPay  # type: ignore[attr-defined] - here stands the other package of that name


def client(card: dict[str, str], notify_url: str) -> AliPay:
    made: Any = AliPay(
        appid=card["appid"],
        app_notify_url=notify_url,
        app_private_key_string=Path(card["merchant_private_key_path"]).read_text(),
        alipay_public_key_string=Path(card["platform_public_key_path"]).read_text(),
    )
    made._gateway = card["gateway_url"]
    return made


def answered(made: Any, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"told": getattr(made, asked["call"])(**asked["with"])}
    except Exception as error:  # noqa: BLE001 - whatever the library raises is its answer
        return {"raised": type(error).__name__, "text": str(error)}


def main() -> None:
    card = json.loads(Path(sys.argv[1]).read_text())
    made = client(card, sys.argv[2])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answered(made, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
