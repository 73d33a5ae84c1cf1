"""Pictures of a report's charts: PNG, SVG and PDF of each."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from computebill.base.errors import RequestError
from computebill.base.writing import replacing

from . import drawing
from .document import Chart, Report

INK = "#22313f"
LONGEST_NAME = 60
LINE_LENGTH = 135
"""Characters of a line beneath a title."""


def save_pictures(reports: Sequence[Report], folder: Path) -> list[Path]:
    """Write each chart three times, and return the files.

    Raises:
        RequestError: where the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(str(folder), f"cannot be made: {error.strerror or error}") from None
    # Alone, a picture of one of several results would not say which.
    several = len(reports) > 1
    charts = [(chart, report.title) for report in reports for chart in report.charts()]
    written = []
    for place, (chart, title) in enumerate(charts, start=1):
        spec = picture_spec(chart, title if several else "")
        for form, make in FORMS.items():
            target = folder / f"{place:02d}-{_plain(chart.title)}.{form}"
            with replacing(target) as temporary:
                temporary.write_bytes(make(spec))
            written.append(target)
    return written


FORMS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "png": lambda spec: bytes(vl_convert.vegalite_to_png(spec, scale=2)),
    "svg": lambda spec: str(vl_convert.vegalite_to_svg(spec)).encode(),
    "pdf": lambda spec: bytes(vl_convert.vegalite_to_pdf(spec)),
}


def picture_spec(chart: Chart, of: str = "") -> dict[str, Any]:
    """Return a chart as Vega-Lite for paper: of what, what it says, a width, dark on white."""
    spec: dict[str, Any] = chart.picture.properties(width=drawing.PICTURE_WIDTH).to_dict()
    told = [line for text in (of, chart.says) for line in textwrap.wrap(text, LINE_LENGTH)]
    spec["title"] = {"text": chart.title, "subtitle": told, "subtitlePadding": 5, "offset": 14}
    spec["config"] = {**drawing.look(INK), "background": "white"}
    return spec


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:LONGEST_NAME]
