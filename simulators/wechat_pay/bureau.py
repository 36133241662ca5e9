"""The seam to the insurance bureau: WeChat Pay tells it that the payer has typed the password.

A simulated bureau is found by its card beside our own. Without that card there is no bureau to
ask, and any order number of the right form is taken for settled.
"""

from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec

from simulators.people import PhoneRefusal
from simulators.wechat_pay.platform import WechatPay

CARD = "insurance_bureau.json"
ANSWERS_WITHIN_S = 10.0


class BureauRefused(Exception):
    """The bureau has said no: nothing is settled there. The text is its reason."""


async def settle(platform: WechatPay, pay_order_id: str, *, cash_fen: int) -> None:
    """Have the bureau settle this order; `cash_fen` is what insurance leaves to the payer.

    Raises BureauRefused for a definite no, PhoneRefusal when nobody knows; asking again is safe.
    """
    control_url = _address(platform.folder / CARD)
    if control_url is None:
        return
    address = f"{control_url}/mobile-orders/{quote(pay_order_id, safe='')}/payments"
    said = {"platform": platform.name, "cash_fen": cash_fen}
    try:
        async with httpx.AsyncClient(timeout=ANSWERS_WITHIN_S, trust_env=False) as client:
            answer = await client.post(address, json=said)
    except httpx.HTTPError as error:
        raise _unknown() from error
    if answer.is_success:
        return
    if answer.is_client_error:
        raise BureauRefused(_reason(answer))
    raise _unknown()


def _address(card: Path) -> str | None:
    try:
        return msgspec.json.decode(card.read_bytes(), type=dict[str, str])["control_url"]
    except FileNotFoundError:
        return None


class _Said(msgspec.Struct, frozen=True):
    message: str


def _reason(answer: httpx.Response) -> str:
    try:
        return msgspec.json.decode(answer.content, type=_Said).message
    except msgspec.DecodeError:
        return f"医保局应答 {answer.status_code}"


def _unknown() -> PhoneRefusal:
    return PhoneRefusal(502, "BUREAU_UNREACHABLE", "医保局没有应答，结算结果未知，请稍后重试")
