"""Fen, yuan and the one rounding."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.money import fen, line_amount_fen, yuan


@pytest.mark.parametrize(
    ("unit_price_micro_yuan", "quantity", "amount"),
    [
        (12_345_600, "3", 3704),  # 12.3456 x 3 = 37.0368 yuan
        (5_000, "1", 1),  # half a fen goes up
        (4_999, "1", 0),
        (5_000, "-1", -1),  # and a return mirrors its sale
        (333_333, "0.5", 17),
        (1_000_000, "0.0049", 0),
    ],
)
def test_a_line_is_rounded_once_half_up(unit_price_micro_yuan: int, quantity: str, amount: int) -> None:
    assert line_amount_fen(unit_price_micro_yuan=unit_price_micro_yuan, quantity=Decimal(quantity)) == amount


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_yuan_and_fen_are_each_others_inverse(amount_fen: int) -> None:
    assert fen(yuan(amount_fen)) == amount_fen


@pytest.mark.parametrize(("amount_fen", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (12850, "128.50")])
def test_yuan_has_two_decimals(amount_fen: int, text: str) -> None:
    assert yuan(amount_fen) == text


@pytest.mark.parametrize("text", ["1.005", "NaN", "Infinity"])
def test_a_part_of_a_fen_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole fen"):
        fen(text)
