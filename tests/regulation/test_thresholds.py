from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from computebill.regulation.thresholds import in_figures, marks, regulation, substitutes

EXAMPLES = tomllib.loads(
    (Path(__file__).parents[1] / "data" / "worked_examples.toml").read_text(encoding="utf-8")
)


def test_thresholds_and_limits_have_sources() -> None:
    found = regulation()
    limits = (found.margin, found.notice_days, found.figures, found.modification_share)
    for each in (*found.threshold, *limits, found.context_per_parameter):
        source = found.sources[each.source]
        assert (source.address or "").startswith("https://")
        assert each.where


def test_the_three_values_and_what_is_held_to_each() -> None:
    assert {each.value: each.rule_sets for each in marks()} == {
        1e23: ("eu-updates",),
        1e25: ("eu-cumulative",),
        1e26: ("sb53", "raise"),
    }
    assert [each.text for each in marks()] == ["1e23", "1e25", "1e26"]
    assert regulation().margin.value == 0.3
    assert regulation().notice_days.value == 14


def test_substitutes_are_thirds() -> None:
    assert substitutes() == pytest.approx({"general-purpose": 1e23 / 3, "systemic-risk": 1e25 / 3})


@pytest.mark.parametrize("name", EXAMPLES)
def test_published_results_are_rounded_or_cut(name: str) -> None:
    example = EXAMPLES[name]
    figures = len(example["published"].split("e")[0].replace(".", ""))
    ways = {in_figures(example["recomputed"], figures, how) for how in ("nearest", "cut")}
    assert example["published"] in ways


@pytest.mark.parametrize(
    ("value", "rounding", "told"),
    [
        (2.349e25, "nearest", "2.3e25"),
        (9.96e24, "nearest", "1.0e25"),
        (9.96e24, "cut", "9.9e24"),
        (1e25, "cut", "1.0e25"),
        (0.0, "nearest", "0"),
        (float("nan"), "nearest", "not known"),
    ],
)
def test_significant_figures(value: float, rounding: str, told: str) -> None:
    assert in_figures(value, 2, rounding) == told
