"""A chart without a skin."""

from __future__ import annotations

import altair as alt
import pytest
from altair.utils.schemapi import SchemaValidationError

from computebill.views.charts.picture import ROWS, Picture, folded, shape_of


def test_data_stand_beside_the_shape() -> None:
    shape = shape_of(alt.Chart(ROWS).mark_bar().encode(x="value:Q"))
    assert "datasets" not in shape
    assert "config" not in shape
    rows = [{"value": 1.0}]
    picture = Picture("Bars", "One.", shape, rows, {"limit": [{"gb": 80.0}]})
    assert picture.spec()["datasets"] == {"rows": rows, "limit": [{"gb": 80.0}]}
    assert picture.spec()["data"] == {"name": "rows"}
    assert picture.label == "Bars. One."


def test_a_shape_is_checked() -> None:
    with pytest.raises(SchemaValidationError, match="nowhere"):
        shape_of(alt.Chart(ROWS).mark_bar().encode(alt.X("value:Q").stack("nowhere")))


def test_names_are_folded_and_have_their_places() -> None:
    long = "the name of a run that is longer than a line has room for"
    first, second = folded([{"name": long, "value": 1}, {"name": "b"}])
    assert first["name"].replace("\n", " ") == long
    assert max(map(len, first["name"].split("\n"))) <= 38
    assert (first["place"], second["place"]) == (0, 1)
    assert folded([{"day": 1}]) == [{"day": 1}]
