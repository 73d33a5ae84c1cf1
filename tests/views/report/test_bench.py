"""The page of what a device reaches."""

from __future__ import annotations

from typing import Any

from looks import one, tables

Results = dict[str, dict[str, Any]]


def test_what_a_device_reaches_stands_beside_its_datasheet(results: Results) -> None:
    report = one(results["bench"])
    # 700 of 989.4 TFLOP/s; 1.03 and 0.98 of the median time, so the low end is 700 / 1.03.
    assert "reaches 700 (680–714) TFLOP/s in bf16 products, 70.7 % of its" in report.answer
    assert report.answer.endswith("1 of them, were predicted 10.0 % off.")
    cells = {row[0]: row[2:] for row in tables(report)[0].rows}
    assert cells["memory copy, GB/s"] == ("2,900", "3,350", "86.6 %")
    names = [name for name, *_ in report.assumptions]
    assert {"peak, dense bf16", "bandwidth of its memory"} <= set(names)
