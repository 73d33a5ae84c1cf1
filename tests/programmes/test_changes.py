"""Changes of a programme's file, and what follows from each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.programmes.changes import BY_SET
from computebill.programmes.comparison import compare_totals
from computebill.programmes.loading import LoadedProgramme, load_programme

Data = dict[str, Any]


def changed(name: str | Data, *texts: str) -> LoadedProgramme:
    return load_programme(name).changed(texts)


def test_what_is_changed_is_priced_and_said() -> None:
    found = compare_totals(changed("openai-2024", "assumptions.price=4"), samples=256)
    plain = compare_totals("openai-2024", samples=256)
    assert found.heading == "as-published, assumptions.price=4"
    assert found.to_dict()["set"] == ["assumptions.price=4"]
    assert plain.to_dict()["set"] == []
    price = found.programme.assumptions.price
    assert price is not None
    assert price.source == BY_SET
    # Every run is of hours, which cost four dollars now.
    hours = compare_totals(changed("openai-2024", "assumptions.price=1"), samples=256)
    assert found.totals.final_runs.p50 == pytest.approx(4 * hours.totals.final_runs.p50)


def test_another_way_of_a_size_puts_the_old_one_aside() -> None:
    loaded = changed(
        "openai-2024",
        "runs.GPT-4.5.flop=2e26",
        "assumptions.mfu=0.3",
        "runs.GPT-4.5.mark=published",
    )
    run = loaded.programme.runs[0]
    assert (run.count, run.days, run.mark) == (None, None, "published")
    assert run.flop is not None
    assert run.source == BY_SET
    both = changed("openai-2024", "runs.GPT-4.5.params=1T", "runs.GPT-4.5.tokens=10T")
    assert both.programme.runs[0].tokens is not None


def test_another_peak_puts_the_old_one_aside() -> None:
    part = changed("minimax-fy2025", "assumptions.accelerator=h20").programme.assumptions
    assert (part.accelerator, part.peak_flop_per_s) == ("h20", None)
    peak = changed("openai-2024", "assumptions.peak_flop_per_s=1e15").programme.assumptions
    assert peak.accelerator is None


def test_a_figure_of_ones_own_is_not_the_organisations() -> None:
    assert compare_totals("ai2-olmo-3", samples=1).graded.grade == "A"
    loaded = changed("ai2-olmo-3", "reported[0].periods[0].amount=9e6")
    assert loaded.programme.reported[0].source == BY_SET
    graded = compare_totals(loaded, samples=1).graded
    assert graded.grade == "B"
    assert "unmarked, not the organisation's own figure" in graded.reasons[0]


def test_a_change_that_cannot_be_names_its_field(programme: Callable[[], Data]) -> None:
    with pytest.raises(RequestError, match=r"assumptions.price.value: got -2"):
        changed(programme(), "assumptions.price=-2")
    with pytest.raises(RequestError, match=r"runs\[0\]: the run's size: got days"):
        changed(programme(), "runs.A.days=3")
    with pytest.raises(RequestError, match=r"--set: runs.C.days: 'C' is not known"):
        changed(programme(), "runs.C.days=3")


def test_nothing_changed_is_the_file() -> None:
    loaded = load_programme("openai-2024")
    assert loaded.changed(()) is loaded
    assert loaded.text.startswith('organisation = "OpenAI"')
