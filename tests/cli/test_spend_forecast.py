"""``computebill spend forecast``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main


def forecast(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["spend", "forecast", *arguments, "--samples", "512"])


def test_a_table_and_json_tell_the_same() -> None:
    told = forecast("openai-2024", "--growth", "2").stdout
    found = json.loads(forecast("openai-2024", "--growth", "2", "--json").stdout)
    assert "openai-2024, 1 year later, at a growth of 2 a year" in " ".join(told.split())
    assert found["budget_usd"]["p50"] == pytest.approx(10e9)
    assert "$10.0 B" in told


def test_a_changed_assumption_counts() -> None:
    asked = ("openai-2024", "--growth", "2", "--json")
    plain, cheaper = (
        json.loads(forecast(*asked, *more).stdout)
        for more in ((), ("--set", "assumptions.price=1"))
    )
    # The rent of final runs is about half of the file's; R&D compute is what was reported.
    assert cheaper["budget_usd"]["p50"] == plain["budget_usd"]["p50"]
    assert cheaper["final_share"]["p50"] < 0.7 * plain["final_share"]["p50"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("openai-2024",), "--growth: allowed: a growth a year"),
        (("openai-2024", "--growth", "x"), "--growth: got 'x'"),
        (("openai-2024", "--growth", "2", "--years", "1.5"), "--years: got '1.5'"),
        (("nosuch", "--growth", "2"), "programme: got 'nosuch'"),
        (("openai-2024", "--growth", "2", "--set", "assumptions.prise=3"), "nearest: price"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], problem: str) -> None:
    done = forecast(*arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
