"""Axes, legends and tooltips of all charts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import vl_convert
from looks import charts, one, rows_of, spec_of

from computebill.views.report import drawing

Results = dict[str, dict[str, Any]]
KINDS = ("run", "laid-out", "plan", "model", "mfu", "sweep", "spend", "spends", "score", "validate")


def within(given: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects within a specification."""
    if isinstance(given, dict):
        yield given
    for each in given.values() if isinstance(given, dict) else given:
        if isinstance(each, dict | list):
            yield from within(each)


@pytest.mark.parametrize("kind", KINDS)
def test_tooltips_have_titles_and_legends_are_bound(results: Results, kind: str) -> None:
    for chart in one(results[kind]).charts():
        spec = spec_of(chart)
        tips = [tip for each in within(spec) for tip in each.get("tooltip", ())]
        assert tips, chart.title
        assert all(tip["title"].strip() and tip["type"] == "nominal" for tip in tips)
        legends = {
            each[channel]["field"]
            for each in within(spec)
            for channel in ("color", "shape")
            if isinstance(each.get(channel), dict) and "field" in each[channel]
        }
        bound = {
            name for each in spec.get("params", ()) for name in each["select"].get("fields", ())
        }
        assert legends <= bound, chart.title


def labels(low: float, high: float, width: int, **how: Any) -> list[str]:
    """Return what an axis says, as it is drawn."""
    import altair as alt

    rows = [{"name": "a", "x": low}, {"name": "b", "x": high}]
    chart = alt.Chart(drawing.data(rows)).mark_point()
    x = drawing.amount("x", "", drawing.DOLLARS, **how)
    drawn = vl_convert.vegalite_to_svg(chart.encode(x=x).properties(width=width).to_dict())
    return re.findall(r">([−$\d.]+(?: [kMB])?)</text>", drawn)


@pytest.mark.parametrize(
    ("low", "high", "width", "expected"),
    [
        (62e6, 165e6, 760, ["$60 M", "$100 M", "$140 M", "$160 M"]),
        (38e6, 185e6, 760, ["$40 M", "$100 M", "$150 M", "$180 M"]),
        (3e6, 4e8, 760, ["$5 M", "$10 M", "$20 M", "$50 M", "$100 M", "$200 M"]),
        (1.2, 3e8, 760, ["$1", "$100", "$10 k", "$1 M", "$100 M"]),
        (3e6, 4e8, 300, ["$10 M", "$100 M"]),
    ],
)
def test_a_logarithmic_axis_is_told_from_end_to_end(
    low: float, high: float, width: int, expected: list[str]
) -> None:
    found = labels(low, high, width, is_log=True)
    assert set(expected) <= set(found)
    assert len(found) < 19


def test_the_largest_mark_is_not_cut(results: Results) -> None:
    for kind, title in (("validate", "Error by source"), ("spend", "The share under other")):
        found = charts(one(results[kind]))
        chart = next(each for name, each in found.items() if name.startswith(title))
        scales = [
            each["scale"] for each in within(spec_of(chart)) if "domain" in each.get("scale", {})
        ]
        most = max(row.get("p95") or row["value"] for row in rows_of(chart))
        assert any(
            scale["domain"][-1] > most
            for scale in scales
            if isinstance(scale["domain"][0], int | float)
        )
    text = json.dumps(spec_of(charts(one(results["score"]))["Cost against date of publication"]))
    assert '"scale": {"nice": false, "padding": 28}' in text


def test_names_of_two_lines_have_their_room() -> None:
    short = [{"name": "a"}, {"name": "b"}]
    assert drawing.tall(short, 28) == 56
    assert drawing.tall([*short[:1], {"name": "word " * 12}], 28) == 80
