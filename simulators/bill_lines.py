"""What a bill says of each payment and refund of its period, and how a fault makes it lie."""

import secrets
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from simulators.faults import Act, Fault, FaultBoard, Part

WRONG_BY_FEN = 1
SPOILT_MAX = 100  # faults that can meet in one bill

FAULTS = (
    Fault("bill_missing_row", Part.BILL, "账单少一行（引用商户单号可指定哪一行）", Act.MANGLE),
    Fault("bill_extra_row", Part.BILL, "账单多一行：一笔没有人付过的交易", Act.MANGLE),
    Fault("bill_wrong_amount", Part.BILL, "账单一行的金额多一分", Act.MANGLE),
    Fault("bill_late", Part.BILL_LINK, "到点仍未出账", Act.MANGLE),
    Fault("bill_link_expired", Part.BILL_LINK, "下载链接一给出就已过期", Act.MANGLE),
    Fault("bill_truncated", Part.BILL_FILE, "下载的文件只有前一半", Act.MANGLE),
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, or a refund that began, as the platform remembered it when the bill was made."""

    at: str  # paid, or refund begun
    created_at: str  # of the trade
    out_trade_no: str
    trade_no: str
    trade_type: str
    title: str
    attach: str
    payer: str
    amount_fen: int  # paid, or refunded
    fee_fen: int  # what it cost the merchant; negative when it came back
    basis_points: int
    is_refund: bool = False
    is_reversal: bool = False
    out_refund_no: str = ""
    refund_no: str = ""
    refund_state: str = ""
    done_at: str | None = None


class Totals(msgspec.Struct, frozen=True):
    paid_count: int
    paid_fen: int
    refund_count: int
    refund_fen: int
    fee_fen: int


def totals_of(lines: Sequence[Line]) -> Totals:
    paid = [line.amount_fen for line in lines if not line.is_refund]
    refunded = [line.amount_fen for line in lines if line.is_refund]
    return Totals(
        paid_count=len(paid),
        paid_fen=sum(paid),
        refund_count=len(refunded),
        refund_fen=sum(refunded),
        fee_fen=sum(line.fee_fen for line in lines),
    )


def spoilt(faults: FaultBoard, lines: list[Line]) -> list[Line]:
    """The lines as the armed faults want them told; each spoils one, named by its reference or the first."""
    for _ in range(SPOILT_MAX):
        if not lines:
            return lines
        text = " ".join(_numbers(line) for line in lines)
        taken = faults.take(Part.BILL, endpoint="", text=text)
        if taken is None:
            return lines
        fault, armed = taken
        hit = next(i for i, line in enumerate(lines) if armed.reference in _numbers(line))
        lines = [*lines[:hit], *LIES[fault.name](lines[hit]), *lines[hit + 1 :]]
    return lines


def _numbers(line: Line) -> str:
    return f"{line.out_trade_no} {line.trade_no} {line.out_refund_no} {line.refund_no}"


def _unheard_of(line: Line) -> Line:
    """A payment like the line's trade, under numbers nobody has given out."""
    digits = f"{secrets.randbelow(10**10):010d}"
    return replace(
        line,
        out_trade_no=f"X{secrets.token_hex(12)}",
        trade_no=line.trade_no[:-10] + digits,
        is_refund=False,
        is_reversal=False,
        out_refund_no="",
        refund_no="",
        refund_state="",
        fee_fen=0,
    )


LIES = {
    "bill_missing_row": lambda _line: [],
    "bill_extra_row": lambda line: [line, _unheard_of(line)],
    "bill_wrong_amount": lambda line: [replace(line, amount_fen=line.amount_fen + WRONG_BY_FEN)],
}
