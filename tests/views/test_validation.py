"""Predictions against measured steps on a terminal."""

from __future__ import annotations

import pytest
from looks import line_with, printed
from results import HEADER, MEASURED

import computebill as cb
from computebill.accuracy.validation import Validation
from computebill.views import validation as view


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Validation:
    path = tmp_path_factory.mktemp("validation") / "m.csv"
    path.write_text(HEADER + MEASURED)
    return cb.validate(path)


def test_errors_by_source_and_the_worst_rows(found: Validation) -> None:
    text = printed(view.full(found))
    assert "Error of a step's time, by source" in text
    errors = found.to_frame().set_index("source")["error"]
    for source in ("a", "b"):
        assert f"{abs(errors[source]):.1%}" in line_with(f" {source}  ", text)
    assert f"The {view.WORST} rows furthest off" in text


def test_what_was_left_out_is_counted_by_reason(found: Validation) -> None:
    text = printed(view.full(found))
    assert len(found.skipped) == 1
    assert "1 rows could not be predicted:" in text
    assert found.skipped[0].reason[:60] in text


def test_one_line_tells_the_error(found: Validation) -> None:
    assert f"{found.metrics().median_ape:.1%}" in view.brief(found)
