"""Predictions against measured steps on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from looks import line_with, printed
from results import HEADER, MEASURED

import computebill as cb
from computebill.accuracy.validation import Validation
from computebill.views import validation as view
from computebill.views.answers.validation import answer


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Validation:
    path = tmp_path_factory.mktemp("validation") / "m.csv"
    path.write_text(HEADER + MEASURED)
    return cb.validate(path)


def test_errors_by_source_and_the_worst_rows(found: Validation) -> None:
    text = printed(view.full(found))
    # A table of one group would tell the row of all again.
    for key, kind in view.GROUPS:
        is_told = f"Error of a step's time, by {kind}" in text
        assert is_told == (key == "lab" or len(found.by(key)) > 1)
    assert len([line for line in text.splitlines() if line.startswith(" all ")]) == 1
    errors = found.to_frame().set_index("source")["error"]
    for source in ("a", "b"):
        assert f"{abs(errors[source]):.1%}" in line_with(f" {source}  ", text)
    assert "Rows, the furthest off first" in text


def test_what_was_left_out_is_counted_by_reason(found: Validation) -> None:
    text = printed(view.full(found))
    assert len(found.skipped) == 1
    assert "1 rows could not be predicted:" in text
    assert found.skipped[0].reason[:60] in text


def test_fits_without_a_lab_have_headings_of_their_own(found: Validation) -> None:
    text = printed(view.full(found))
    assert text.index("Lab left out: median") < text.index("Error of a step's time, by lab")
    told = found.to_dict()["left_out"]
    assert f"median {told['median_ape']:.1%}, mean {told['mape']:.1%}" in text
    for name, each in told["by_lab"].items():
        cells = line_with(f" {name}  ", text).split()
        own = found.by("lab")[name]
        assert cells[2] == f"{own.median_ape:.1%}"
        assert f"{each['median_ape']:.1%}" in cells[4:]
    heading = next(line for line in text.splitlines() if "out: mean" in line)
    assert heading.index("bias") < heading.index("out: median") < heading.index("out: in 90 %")


def test_without_what_was_left_out_nothing_is_told_of_it(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(HEADER + MEASURED)
    text = printed(view.full(cb.validate(path, leave_out=None)))
    assert "out:" not in text
    assert "left out" not in text
    assert "in 90 %" in text


def test_ends_that_other_labs_set_are_told_beside() -> None:
    told = {
        "unit": "source",
        "median_ape": 0.1,
        "mape": 0.12,
        "median_of_labs": 0.13,
        "coverage_90": 0.91,
        "interval_width": 1.5,
        "coverage_by_others": 0.88,
        "coverage_of_labs": 0.83,
    }
    assert view.headline(told) == (
        "Source left out: median 10.0%, mean 12.0%, median of labs' medians 13.0%. In the 90 % "
        "interval: 91% of rows (88% with ends set by other labs), 83% of a lab's on average; its "
        "ends lie a factor 1.50 away at the median"
    )
    assert "ends set by" not in view.headline({**told, "coverage_by_others": None})


def test_the_answer_begins_with_the_verdict(found: Validation) -> None:
    result = found.to_dict()
    sentence = answer(result).sentence
    told = result["verdict"]
    assert sentence.startswith(told["why"][0].upper() + told["why"][1:])
    assert f"{told['fitted_median_ape']:.1%} with these efficiencies" in sentence
    assert "shipped" not in sentence  # these are the shipped ones
    older = {key: value for key, value in result.items() if key != "verdict"}
    assert answer(older).sentence.startswith("The step model is ")


def test_what_changed_is_told_with_its_size() -> None:
    changes = [{"name": f"e{i}", "shipped": 0.5, "fitted": 0.4} for i in range(7)]
    told = view.changes_told(changes)
    assert told.startswith("Against what ships: e0 0.500 to 0.400 (-20.0%), e1 ")
    assert told.endswith("; 2 more by less.")
