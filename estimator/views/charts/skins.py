"""What a chart is given at the end: a page's width and colours, or paper's."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from .axes import alone
from .look import look
from .picture import Picture

INK = "#22313f"
WIDTH = 760
"""Of a chart on paper, pixels."""
HEADING_LENGTH = 72
"""Letters of a line above several charts."""

LINE_LENGTH = 125
"""Characters of a line beneath a title."""
EXPRESSIONS = {"labelExpr", "expr", "test"}


def on_page(picture: Picture) -> dict[str, Any]:
    """Return a chart as Vega-Lite that fills the width it is given; the page says its title.

    Its look is the page's, ``look("currentColor")``.
    """
    return {
        **picture.spec(),
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
    }


def on_paper(pictures: Sequence[Picture], of: str = "") -> dict[str, Any]:
    """Return charts as Vega-Lite for paper, one below another: titles, a width, dark on white.

    Args:
        pictures: one or more.
        of: what they are of, where a reader cannot know.
    """
    config = {**look(INK), "background": "white"}
    if len(pictures) == 1:
        return {**_titled(pictures[0], of), "config": config}
    views: list[dict[str, Any]] = []
    data: dict[str, Any] = {}
    for each in pictures:
        name = f"view{len(views)}"
        view = {**_titled(each), "name": name}
        view["title"] |= {"frame": "group"}  # all begin where their axes do
        data |= {f"{name}_{key}": rows for key, rows in view.pop("datasets").items()}
        schema = view.pop("$schema")
        views.append(_apart(view, name, view["height"]))
    return {
        "$schema": schema,
        "title": {"text": textwrap.wrap(of, HEADING_LENGTH), "fontSize": 20, "offset": 22},
        "vconcat": views,
        "spacing": 34,
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
        "datasets": data,
        "config": config,
    }


def _titled(picture: Picture, of: str = "") -> dict[str, Any]:
    told = [line for text in (of, picture.says) for line in textwrap.wrap(text, LINE_LENGTH)]
    title = {"text": picture.title, "subtitle": told, "subtitlePadding": 5, "offset": 14}
    return {**still(picture.spec()), "width": WIDTH, "title": title}


def _apart(spec: Any, name: str, height: float) -> Any:
    """Return a view among others: its data, and its axes' expressions, are its own."""
    if isinstance(spec, list):
        return [_apart(each, name, height) for each in spec]
    if not isinstance(spec, Mapping):
        return spec
    found = {key: _apart(each, name, height) for key, each in spec.items()}
    if "name" in found.get("data", ()):
        found["data"] = {"name": f"{name}_{found['data']['name']}"}
    for key in EXPRESSIONS & set(found):
        if isinstance(found[key], str):
            found[key] = alone(found[key], f"{name}_", WIDTH, height)
    return found


def still(spec: Any) -> Any:
    """Return Vega-Lite without what only a pointer moves: zoom, and what a legend singles out."""
    if isinstance(spec, list):
        return [still(each) for each in spec]
    if not isinstance(spec, Mapping):
        return spec
    condition = spec.get("condition")
    if isinstance(condition, Mapping) and '"param"' in json.dumps(condition):
        return {"value": condition["value"]}
    # The name of a view is for what moves it.
    dropped = {"params", "name"} if {"mark", "layer"} & set(spec) else {"params"}
    kept = {key: each for key, each in spec.items() if key not in dropped}
    return {key: each if key == "datasets" else still(each) for key, each in kept.items()}
