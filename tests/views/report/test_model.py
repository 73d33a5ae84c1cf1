"""The pages of a model and of its utilisation."""

from __future__ import annotations

from typing import Any

from looks import charts, one, table_of
from results import told

H100 = ("--accelerator", "h100")
Results = dict[str, dict[str, Any]]


def test_one_convention_is_no_range_and_no_chart() -> None:
    speed = ("--params", "70B", "--tokens-per-second", "430", "--accelerator", "h100")
    report = one(told("mfu", *speed, "--json"))
    assert report.answer.endswith("as 6nd counts; the other conventions need the model's shape.")
    assert charts(report) == {}
    assert table_of(report, "Conventions").rows


def test_a_model_is_told_as_one_of_its_type(results: Results) -> None:
    report = one(results["model"])
    assert report.title == "A model of 8.03 B parameters (type llama)"
    assert report.answer.startswith("This model of type llama has 8.03 B parameters; a token")


def test_a_speed_beyond_the_peak_is_doubted(results: Results) -> None:
    fast = told("mfu", "--params", "70B", "--tokens-per-second", "900000", *H100, "--json")
    assert "faster than the peak in bf16" in fast["notes"][0]
    assert one(fast).notes[0].startswith("Faster than the peak")
    assert not one(results["mfu"]).notes
