from __future__ import annotations

import pytest

from computebill.serve.texts import brief


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("20.0 %", "20 %"),
        ("$1.00 B", "$1 B"),
        ("20.05 %", "20.05 %"),
        ("1.0..3.0", "1..3"),
        ("100", "100"),
        ("0.05", "0.05"),
        ("", ""),
    ],
)
def test_round_values_lose_their_zeros(text: str, told: str) -> None:
    assert brief(text) == told
