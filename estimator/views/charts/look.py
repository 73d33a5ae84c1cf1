"""The look of all charts: colours, type, how numbers are written on an axis.

Text and thin lines have the colour of the page's text, light or dark; in a picture it is dark. Data
colours stand out from both backgrounds, 3 to 1 or more.
"""

from __future__ import annotations

from typing import Any

INK = "currentColor"
FINAL, REST, MAIN, OTHER = "#d1495b", "#84919d", "#2e86ab", "#8c63b5"
PALETTE = (MAIN, "#c4720a", "#1a936f", OTHER, FINAL, "#7d8c4f", "#a0694b", REST)
HALO = "#ffffff"
"""Behind text upon marks, on paper; a page puts its own colour in its place."""
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"

# 51M becomes 51 M, 2G becomes 2 B.
_SHORT = "replace(replace(format(datum.value, '{form}'), 'G', 'B'), regexp('([kMBTP])$'), ' $1')"
_SMALL = "abs(datum.value) < 1 ? format(datum.value, '{form}') : "
DOLLARS = _SMALL.format(form="$.2~r") + _SHORT.format(form="$~s")
COUNTS = _SMALL.format(form=".2~r") + _SHORT.format(form="~s")
PERCENT = "format(datum.value * 100, '.3~r') + ' %'"
FLOP = "replace(format(datum.value, '.0e'), '+', '')"

KINDS = {
    "final run": FINAL,
    "final runs": FINAL,
    "experiments": MAIN,
    "all else": REST,
    "whole": OTHER,
    "stated fact": "#1a936f",
    "drawn from other programmes": MAIN,
    "unexplained": REST,
    "counted": MAIN,
    "not counted": REST,
    "variant": MAIN,
    "one change after another": REST,
    "all combinations": MAIN,
    "with one option": REST,
}
"""Colours that mean the same in every chart."""


def look(ink: str) -> dict[str, Any]:
    """Return the configuration of all charts; ``ink`` is the colour of text and lines."""
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "font": FONT,
        "background": None,
        "view": {"stroke": None},
        "axis": {
            **text,
            "titleFontWeight": 500,
            "domain": False,
            "tickColor": ink,
            "tickOpacity": 0.4,
            "gridColor": ink,
            "gridOpacity": 0.14,
            "labelOverlap": True,
            "labelSeparation": 4,
        },
        "axisY": {"labelLimit": 260},
        "axisX": {"labelFlush": True},
        "legend": {
            **text,
            "orient": "bottom",
            "direction": "horizontal",
            "title": None,
            "labelLimit": 300,
            "symbolOpacity": 1,
            "columns": 4,
        },
        "title": {"color": ink, "subtitleColor": ink, "anchor": "start", "fontSize": 16},
        "range": {"category": list(PALETTE)},
    }
