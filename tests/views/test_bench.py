"""What a device reaches on a terminal."""

from __future__ import annotations

from looks import line_with, printed
from measured_device import whole_bench

from computebill.views import bench as view


def test_what_was_reached_stands_beside_the_datasheet() -> None:
    text = printed(view.full(whole_bench()), width=200)
    product = line_with("bf16", text.partition("beside the datasheet")[2])
    # 700 of 989.4 TFLOP/s.
    assert product.split()[-4:-1] == ["700", "989", "71%"]
    # 2,900 of 3,350 GB/s.
    assert "87%" in line_with("2,900", text)
    assert view.CHECKED in text
