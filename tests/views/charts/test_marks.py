"""Legends, tooltips and marks of all charts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from looks import charts, one, rows_of, spec_of

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
