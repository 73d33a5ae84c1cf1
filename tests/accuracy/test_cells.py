"""Cells of a measured row: numbers within bounds, and what to say of others."""

from __future__ import annotations

import pytest

from computebill.accuracy.cells import (
    UnusableError,
    flag,
    layer_count,
    measure,
    number,
    optional,
    whole,
)


def test_cells_are_numbers_where_they_are_stated() -> None:
    cells = {"n_layers": "32", "year": "2025.5", "tied": "1", "iter_seconds": "3.5"}
    assert layer_count(cells) == whole(cells, "n_layers") == 32
    assert optional(cells, "year") == 2025.5
    assert optional(cells, "month") is None
    assert whole(cells, "tp", 4) == 4
    assert flag(cells, "tied") is True
    assert flag(cells, "sinks") is None
    assert measure(cells, "iter_seconds") == number(cells, "iter_seconds") == 3.5


@pytest.mark.parametrize("given", ["wide", "nan", "inf", "-1"])
def test_what_is_no_number_is_told_with_its_column(given: str) -> None:
    with pytest.raises(UnusableError, match="hidden: got"):
        whole({"hidden": given}, "hidden")
