"""What of an unexpected error is stored."""

import pytest

from app.kernel.errors import STORED_LENGTH_MAX, storable


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("no bed for 11010519491231002X", "no bed for …"),
        ("call 138-1234-5678 now", "call … now"),
        ("card 6222 0212 3451 0019", "card …"),
        ("order 0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "order 0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"),
        ("row 12345678-1234-1234-1234-12345678901a", "row 12345678-1234-1234-1234-12345678901a"),
        ("line 4711, amount 123456789", "line 4711, amount 123456789"),
    ],
)
def test_an_error_is_stored_without_long_numbers(text: str, stored: str) -> None:
    assert storable(ValueError(text)) == f"ValueError('{stored}')"


def test_an_error_is_stored_up_to_a_length() -> None:
    assert len(storable(ValueError("x" * 3 * STORED_LENGTH_MAX))) == STORED_LENGTH_MAX
