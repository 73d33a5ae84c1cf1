from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from computebill.programmes.measured_shares import shares_elsewhere
from computebill.programmes.spend import SpendEstimate, compare_spend
from computebill.runs.estimate import estimate_run
from computebill.views import run as run_view
from computebill.views import spend as spend_view
from computebill.views import tables

Data = dict[str, Any]
PLAIN = {"params": "7B", "tokens": "2T", "accelerator": "h100", "mfu": 0.4, "price": 2}


def printed(parts: Iterable[RenderableType], width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False)
    for part in parts:
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def lab(programme: Callable[[], Data], write_programme: Callable[[Data], Path]) -> SpendEstimate:
    return compare_spend(write_programme(programme()), samples=1024)


def line_with(text: str, table: str) -> str:
    return next(line for line in table.splitlines() if text in line)


def test_a_table_has_its_title_and_no_frame() -> None:
    table = tables.table("Title")
    table.add_column("head")
    table.add_row("[/]cell")
    lines = printed([table]).splitlines()
    assert lines[0].strip() == "Title"
    assert "[/]cell" in printed([table])


def test_one_programme_in_full(lab: SpendEstimate) -> None:
    found = printed(spend_view.full(lab, shares_elsewhere()))
    assert "Lab, 2024, as-published" in found
    assert "2024-01 – 2024-12" in line_with("Spend of", found)
    assert "2024-01 – 2024-12" in line_with("Releases of", found)
    assert "$1.00 B" in line_with("R&D compute, as reported", found)
    assert "1.00e25" in line_with("A  ", found)
    assert "points" in line_with("  price ", found)
    assert "k = 100%" in found
    order = [
        line.split()[0] for line in found.splitlines() if line.strip().startswith(("A ", "B "))
    ]
    assert order == ["A", "B"]


def test_a_run_that_does_not_count_is_marked(
    programme: Callable[[], Data], write_programme: Callable[[Data], Path]
) -> None:
    data = programme()
    data["runs"][1]["counted"] = False
    estimate = compare_spend(write_programme(data), samples=64)
    assert "B (not counted)" in printed(spend_view.full(estimate, []))


def test_programmes_side_by_side(lab: SpendEstimate) -> None:
    found = printed([*spend_view.comparison([lab, lab]), spend_view.followers([lab])])
    assert found.count("Lab, 2024") == 2
    assert found.count("$1.00 B") >= 3


def test_the_context_names_every_source() -> None:
    found = printed([spend_view.context(shares_elsewhere())], width=300)
    for row in shares_elsewhere():
        assert row.source in line_with(row.programme, found)


def test_a_run_leaves_out_what_is_not_known() -> None:
    full = printed(run_view.full(estimate_run({**PLAIN, "count": 8}, samples=64)))
    less = printed(run_view.full(estimate_run(PLAIN, samples=64)))
    assert "Days" in full
    assert "Days" not in less
    # The title stands behind what is to be known first.
    assert "8 x NVIDIA H100 SXM5 80GB" in map(str.strip, full.splitlines())
    assert "NVIDIA H100 SXM5 80GB" in map(str.strip, less.splitlines())


def test_every_assumption_stands_with_its_source() -> None:
    estimate = estimate_run({**PLAIN, "name": "[red]mine"}, samples=64)
    found = printed(run_view.full(estimate), width=300)
    assert "[red]mine: NVIDIA H100" in found
    for assumption in estimate.assumptions:
        assert assumption.source in line_with(assumption.name, found)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_narrow_terminals_are_served(lab: SpendEstimate, width: int) -> None:
    found = printed(spend_view.full(lab, shares_elsewhere()), width)
    assert max(map(len, found.splitlines())) <= width


def test_what_cannot_hold_together_is_told_in_the_comparison_too(
    programme: Callable[[], Data], write_programme: Callable[[Data], Path], lab: SpendEstimate
) -> None:
    data = programme()
    data["title"] = "Typo, 2024"
    data["runs"][0]["flop"] = 1e29
    beyond = compare_spend(write_programme(data), samples=64)
    told = "In 100 % of the draws the final runs cost more than all R&D compute: the assumptions"
    found = printed(spend_view.comparison([lab, beyond]))
    assert f"Typo, 2024: {told} cannot all hold there." in found
    assert found.count("of the draws") == 1
    assert told in printed(spend_view.full(beyond, ()))
