"""The pages of accelerators."""

from __future__ import annotations

from typing import Any

from looks import one, tables

H100 = ("--accelerator", "h100")
Results = dict[str, dict[str, Any]]


def test_an_accelerator_s_figures_have_their_sources(results: Results) -> None:
    report = one(results["hardware-show"])
    told = {name: (value, source) for name, value, source in report.assumptions}
    assert told["peak_tflops.bf16"] == ("989.4 TFLOP/s dense", "NVIDIA H100 product page")
    prices = tables(report)[0]
    assert len(prices.rows) > 50
    assert any("doubtful, not used" in row[-1] for row in prices.rows)
